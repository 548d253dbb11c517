# Configuration of a test plan that no rule refuses: an Aurora PostgreSQL cluster before its first apply, with a
# reader, a proxy and a jump host. Rules can't check some of its values, which are known only after apply.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

resource "aws_subnet" "private" {
  for_each = { a = "10.0.0.0/24", b = "10.0.1.0/24" }

  vpc_id            = "vpc-0a1b2c3d4e5f67890"
  availability_zone = "us-east-1${each.key}"
  cidr_block        = each.value
}

resource "aws_db_subnet_group" "this" {
  name       = "orders"
  subnet_ids = values(aws_subnet.private)[*].id
}

resource "aws_security_group" "this" {
  for_each = toset(["database", "jump_host"])

  name   = each.key
  vpc_id = "vpc-0a1b2c3d4e5f67890"
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.this["database"].id
  referenced_security_group_id = aws_security_group.this["jump_host"].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_rds_cluster_parameter_group" "this" {
  name_prefix = "orders-"
  family      = "aurora-postgresql17"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

resource "aws_rds_cluster" "this" {
  cluster_identifier                  = "orders"
  db_cluster_parameter_group_name     = aws_rds_cluster_parameter_group.this.name
  db_subnet_group_name                = aws_db_subnet_group.this.name
  deletion_protection                 = true
  engine                              = "aurora-postgresql"
  engine_version                      = "17.5"
  iam_database_authentication_enabled = true
  manage_master_user_password         = true
  master_username                     = "postgres"
  skip_final_snapshot                 = true
  storage_encrypted                   = true
  vpc_security_group_ids              = [aws_security_group.this["database"].id]
}

resource "aws_rds_cluster_instance" "this" {
  count = 2

  cluster_identifier = aws_rds_cluster.this.id
  engine             = aws_rds_cluster.this.engine
  identifier         = "orders-${count.index}"
  instance_class     = "db.r8g.large"
}

resource "aws_iam_role" "proxy" {
  name               = "proxy"
  assume_role_policy = jsonencode({ Statement = [] })
}

data "aws_iam_policy_document" "proxy" {
  statement {
    actions   = ["rds-db:connect"]
    resources = ["arn:aws:rds-db:us-east-1:123456789012:dbuser:${aws_rds_cluster.this.cluster_resource_id}/app"]
  }
}

resource "aws_iam_role_policy" "proxy" {
  name   = "login"
  role   = aws_iam_role.proxy.id
  policy = data.aws_iam_policy_document.proxy.json
}

resource "aws_db_proxy" "this" {
  name           = "orders"
  engine_family  = "POSTGRESQL"
  require_tls    = true
  role_arn       = aws_iam_role.proxy.arn
  vpc_subnet_ids = values(aws_subnet.private)[*].id

  auth {
    iam_auth = "REQUIRED"
  }
}

resource "aws_db_proxy_target" "this" {
  db_cluster_identifier = aws_rds_cluster.this.id
  db_proxy_name         = aws_db_proxy.this.name
  target_group_name     = "default"
}

resource "aws_instance" "jump_host" {
  ami                    = "ami-0a1b2c3d4e5f67890"
  instance_type          = "t4g.nano"
  subnet_id              = aws_subnet.private["a"].id
  vpc_security_group_ids = [aws_security_group.this["jump_host"].id]
}

data "aws_iam_policy_document" "tunnel" {
  statement {
    actions = ["ssm:StartSession"]
    resources = [
      aws_instance.jump_host.arn,
      "arn:aws:ssm:us-east-1::document/AWS-StartPortForwardingSessionToRemoteHost",
    ]
  }
}

resource "aws_iam_policy" "tunnel" {
  name   = "tunnel"
  policy = data.aws_iam_policy_document.tunnel.json
}
