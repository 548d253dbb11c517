# For `cargo xtask infra local` and `deploy --env local`: moto's account.
account_id = "123456789012"
region     = "us-east-1"
project    = "orders"
disposable = true
zone_name  = "example.test"
github     = { repository = "example/orders", environments = ["local", "localprod", "localpg"] }
