# For `cargo xtask promote --from local --to localprod`: a second deployment in the emulated account, like prod
# beside dev. xtask adds the same settings as for local.
account_id  = "123456789012"
region      = "us-east-1"
project     = "orders"
environment = "localprod"
engine      = "mysql"

network  = { cidr = "10.1.0.0/16", reserved_cidrs = ["10.0.0.0/16"] }
database = { name = "node_db" }
