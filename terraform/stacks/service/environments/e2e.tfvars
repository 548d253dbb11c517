# Only for .github/workflows/e2e.yml: a deployment in a disposable account, created and destroyed in one run.
account_id  = "123456789012" # yours; an account without other resources
region      = "eu-west-1"
project     = "orders"
environment = "e2e"
engine      = "mysql"
disposable  = true

database  = { name = "node_db", instance_class = "db.t4g.micro", multi_az = false, backup_retention_days = 1, performance_insights = false }
app       = { min_size = 1, max_size = 1 }
bootstrap = { package = "../../../target/lambda/rds-iam-bootstrap-arm64.zip" }
# The boundary of that account's stacks/account:
# permissions_boundary_arn = "arn:aws:iam::123456789012:policy/orders-boundary"
