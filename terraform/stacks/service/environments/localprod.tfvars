# For `cargo xtask promote --from local --to localprod`: a second deployment in the account on this machine, as prod
# is beside dev. What xtask adds is the same.
account_id  = "123456789012"
region      = "us-east-1"
project     = "orders"
environment = "localprod"
engine      = "mysql"

network  = { cidr = "10.1.0.0/16", reserved_cidrs = ["10.0.0.0/16"] }
database = { name = "node_db" }
