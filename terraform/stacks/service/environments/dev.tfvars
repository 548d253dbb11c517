# Small, without a standby, and disposable.
account_id  = "123456789012" # yours
region      = "eu-west-1"
project     = "orders"
environment = "dev"
engine      = "mysql"
disposable  = true

database  = { name = "node_db", instance_class = "db.t4g.small", multi_az = false, backup_retention_days = 1, performance_insights = false }
app       = { min_size = 1, max_size = 2 } # 2: a refresh starts the new instance before it ends the old one
bootstrap = { package = "../../../target/lambda/rds-iam-bootstrap-arm64.zip" }
# Required for deployments by CI: the output github.permissions_boundary_arn of stacks/account:
# permissions_boundary_arn = "arn:aws:iam::123456789012:policy/orders-boundary"
