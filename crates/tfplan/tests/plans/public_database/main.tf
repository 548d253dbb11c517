# Databases with a public address, and an Aurora instance where AWS would decide.

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

resource "aws_db_instance" "open" {
  allocated_storage                   = 20
  engine                              = "mysql"
  identifier                          = "open"
  instance_class                      = "db.t4g.medium"
  manage_master_user_password         = true
  skip_final_snapshot                 = true
  username                            = "dbadmin"
  iam_database_authentication_enabled = true
  storage_encrypted                   = true
  publicly_accessible                 = true
}

resource "aws_db_instance" "closed" {
  allocated_storage                   = 20
  engine                              = "mysql"
  identifier                          = "closed"
  instance_class                      = "db.t4g.medium"
  manage_master_user_password         = true
  skip_final_snapshot                 = true
  username                            = "dbadmin"
  iam_database_authentication_enabled = true
  storage_encrypted                   = true
  publicly_accessible                 = false
}

resource "aws_rds_cluster_instance" "open" {
  cluster_identifier  = "orders"
  engine              = "aurora-mysql"
  instance_class      = "db.r8g.large"
  identifier          = "open"
  publicly_accessible = true
}

resource "aws_rds_cluster_instance" "undecided" {
  cluster_identifier = "orders"
  engine             = "aurora-mysql"
  instance_class     = "db.r8g.large"
  identifier         = "undecided"
}
