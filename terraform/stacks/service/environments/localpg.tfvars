# PostgreSQL in moto's account, for `cargo xtask deploy --env localpg` and `cargo xtask demo --database postgres
# --with-infra`: the same deployment as local, with the other engine. xtask adds the same settings as for local.
account_id  = "123456789012"
region      = "us-east-1"
project     = "orders"
environment = "localpg"
engine      = "postgresql"

network  = { cidr = "10.2.0.0/16", reserved_cidrs = ["10.0.0.0/16", "10.1.0.0/16"] }
database = { name = "node_db" }
