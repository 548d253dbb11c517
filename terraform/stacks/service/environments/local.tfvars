# For `cargo xtask infra local` and `cargo xtask deploy --env local`: moto's account. xtask adds the package, the hosted
# zone and the boundary; for `deploy`, also the app's port and `disposable`.
account_id  = "123456789012"
region      = "us-east-1"
project     = "orders"
environment = "local"
engine      = "mysql"

network  = { reserved_cidrs = ["10.1.0.0/16"], nat_gateways = "one_per_az", admin_access = true }
database = { name = "node_db" }
