# Configuration of a test plan: the role of a proxy before a cluster may connect to an instance alone, and that of a
# proxy before an instance to a cluster alone, which are refused; and a role that may connect to its cluster.

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

locals {
  connect = "arn:aws:rds-db:us-east-1:123456789012:dbuser"

  roles = {
    to_cluster  = "${local.connect}:cluster-ABCDEFGHIJKLMNOPQRSTUVWX12/app"
    to_instance = "${local.connect}:db-ABCDEFGHIJKLMNOPQRSTUVWX12/app"
  }
}

resource "aws_iam_role" "to_cluster" {
  name               = "to-cluster"
  assume_role_policy = jsonencode({ Statement = [] })
}

resource "aws_iam_role" "to_instance" {
  name               = "to-instance"
  assume_role_policy = jsonencode({ Statement = [] })
}

resource "aws_iam_role_policy" "to_cluster" {
  name   = "login"
  role   = aws_iam_role.to_cluster.name
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "rds-db:connect", Resource = local.roles.to_cluster }] })
}

resource "aws_iam_role_policy" "to_instance" {
  name   = "login"
  role   = aws_iam_role.to_instance.name
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "rds-db:connect", Resource = local.roles.to_instance }] })
}

resource "aws_db_proxy" "right" {
  name           = "right"
  engine_family  = "POSTGRESQL"
  require_tls    = true
  role_arn       = aws_iam_role.to_cluster.arn
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth = "REQUIRED"
  }
}

resource "aws_db_proxy_target" "right" {
  db_cluster_identifier = "orders"
  db_proxy_name         = aws_db_proxy.right.name
  target_group_name     = "default"
}

resource "aws_db_proxy" "cluster" {
  name           = "cluster"
  engine_family  = "POSTGRESQL"
  require_tls    = true
  role_arn       = aws_iam_role.to_instance.arn
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth = "REQUIRED"
  }
}

resource "aws_db_proxy_target" "cluster" {
  db_cluster_identifier = "orders"
  db_proxy_name         = aws_db_proxy.cluster.name
  target_group_name     = "default"
}

resource "aws_db_proxy" "instance" {
  name           = "instance"
  engine_family  = "POSTGRESQL"
  require_tls    = true
  role_arn       = aws_iam_role.to_cluster.arn
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth = "REQUIRED"
  }
}

resource "aws_db_proxy_target" "instance" {
  db_instance_identifier = "orders"
  db_proxy_name          = aws_db_proxy.instance.name
  target_group_name      = "default"
}
