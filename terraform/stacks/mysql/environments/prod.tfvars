account_id  = "123456789012" # yours
region      = "eu-west-1"
project     = "orders"
environment = "prod"

network  = { cidr = "10.1.0.0/16", reserved_cidrs = ["10.0.0.0/16"] }
database = { name = "node_db", instance_class = "db.m7g.large", backup_retention_days = 35 }
app = {
  domain_name = "orders.example.com"
  zone_id     = "Z0000000000000" # yours
}
bootstrap                = { package = "../../../target/lambda/rds-iam-bootstrap-arm64.zip" }
permissions_boundary_arn = "arn:aws:iam::123456789012:policy/orders-boundary" # of stacks/account
