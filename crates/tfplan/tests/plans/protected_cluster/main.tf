# Configuration of a test plan, as a change of what state.json holds: every instance of a cluster with deletion
# protection is destroyed, which is refused; of another such cluster, one of two.

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

resource "aws_rds_cluster_parameter_group" "this" {
  name   = "orders"
  family = "aurora-postgresql17"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

# Its instances are not here any more.
resource "aws_rds_cluster" "emptied" {
  cluster_identifier                  = "emptied"
  db_cluster_parameter_group_name     = "orders"
  deletion_protection                 = true
  engine                              = "aurora-postgresql"
  engine_version                      = "17.5"
  iam_database_authentication_enabled = true
  manage_master_user_password         = true
  master_username                     = "postgres"
  skip_final_snapshot                 = true
  storage_encrypted                   = true
}

resource "aws_rds_cluster" "smaller" {
  cluster_identifier                  = "smaller"
  db_cluster_parameter_group_name     = "orders"
  deletion_protection                 = true
  engine                              = "aurora-postgresql"
  engine_version                      = "17.5"
  iam_database_authentication_enabled = true
  manage_master_user_password         = true
  master_username                     = "postgres"
  skip_final_snapshot                 = true
  storage_encrypted                   = true
}

# "two" is not here any more.
resource "aws_rds_cluster_instance" "smaller" {
  for_each = toset(["one"])

  cluster_identifier = aws_rds_cluster.smaller.id
  engine             = "aurora-postgresql"
  identifier         = "smaller-${each.key}"
  instance_class     = "db.serverless"
}

# The id is that of an instance: logins are allowed by the cluster's.
resource "aws_iam_role_policy" "app" {
  name = "connect"
  role = "app"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = "rds-db:connect"
      Resource = [
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX11/app",
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKLMNOPQRSTUVWX12/app",
      ]
    }]
  })
}
