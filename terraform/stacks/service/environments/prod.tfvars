account_id  = "123456789012" # yours
region      = "eu-west-1"
project     = "orders"
environment = "prod"
engine      = "mysql"

# No NAT gateways: the app, bootstrap and the instances use only the VPC's endpoints, and without NAT nothing in the
# private subnets can send data out. An app that calls other services needs nat_gateways = "one_per_az".
network  = { cidr = "10.1.0.0/16", reserved_cidrs = ["10.0.0.0/16"], nat_gateways = "none" }
database = { name = "node_db", instance_class = "db.m7g.large", backup_retention_days = 35 }
app = {
  domain_name = "orders.example.com"
  zone_id     = "Z0000000000000" # yours
  # Pin the AMI, so that an unrelated apply does not replace instances, and change it deliberately:
  # aws ssm get-parameter --name /aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64
  # ami_id = "ami-0123456789abcdef0"
}
# SNS topics for alarms:
# alarm_topic_arns = ["arn:aws:sns:eu-west-1:123456789012:operations"]
bootstrap                = { package = "../../../target/lambda/rds-iam-bootstrap-arm64.zip" }
permissions_boundary_arn = "arn:aws:iam::123456789012:policy/orders-boundary" # of stacks/account
