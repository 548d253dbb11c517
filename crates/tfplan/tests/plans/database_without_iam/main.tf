# Configuration of a test plan: an instance and a cluster without IAM authentication, which are refused, and a
# cluster with it.

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

resource "aws_db_instance" "unset" {
  allocated_storage           = 20
  engine                      = "mysql"
  identifier                  = "orders"
  instance_class              = "db.t4g.medium"
  manage_master_user_password = true
  skip_final_snapshot         = true
  username                    = "dbadmin"
  storage_encrypted           = true
  publicly_accessible         = false
}

resource "aws_rds_cluster" "off" {
  cluster_identifier                  = "orders"
  engine                              = "aurora-mysql"
  manage_master_user_password         = true
  master_username                     = "dbadmin"
  skip_final_snapshot                 = true
  iam_database_authentication_enabled = false
  storage_encrypted                   = true
}

resource "aws_rds_cluster" "on" {
  cluster_identifier                  = "on"
  engine                              = "aurora-mysql"
  manage_master_user_password         = true
  master_username                     = "dbadmin"
  skip_final_snapshot                 = true
  iam_database_authentication_enabled = true
  storage_encrypted                   = true
}
