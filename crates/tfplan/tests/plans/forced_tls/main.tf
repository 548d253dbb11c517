# Configuration of a test plan: servers that do not force TLS, by a value, by a missing one and by a default
# parameter group, which are refused; and servers that do, by a value or by default.

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
  clusters = {
    off     = { engine = "aurora-postgresql", version = "17.5", group = "off" }
    missing = { engine = "aurora-postgresql", version = "16.9", group = "missing" }
    on      = { engine = "aurora-mysql", version = "8.0.mysql_aurora.3.08.2", group = "on" }
    default = { engine = "aurora-postgresql", version = "17.5", group = null }
    old     = { engine = "aurora-postgresql", version = "16.9", group = "default.aurora-postgresql16" }
  }
}

resource "aws_rds_cluster_parameter_group" "off" {
  name   = "off"
  family = "aurora-postgresql17"

  parameter {
    name  = "rds.force_ssl"
    value = "0"
  }
}

resource "aws_rds_cluster_parameter_group" "missing" {
  name   = "missing"
  family = "aurora-postgresql16"

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }
}

resource "aws_rds_cluster_parameter_group" "on" {
  name   = "on"
  family = "aurora-mysql8.0"

  parameter {
    name  = "require_secure_transport"
    value = "ON"
  }
}

# No database of this plan has it.
resource "aws_rds_cluster_parameter_group" "unused" {
  name   = "unused"
  family = "aurora-mysql8.0"
}

resource "aws_rds_cluster" "this" {
  for_each = local.clusters

  cluster_identifier                  = each.key
  db_cluster_parameter_group_name     = each.value.group
  engine                              = each.value.engine
  engine_version                      = each.value.version
  iam_database_authentication_enabled = true
  manage_master_user_password         = true
  master_username                     = "dbadmin"
  skip_final_snapshot                 = true
  storage_encrypted                   = true
}

resource "aws_db_parameter_group" "mysql" {
  name_prefix = "mysql-"
  family      = "mysql8.4"
}

resource "aws_db_parameter_group" "postgres" {
  name_prefix = "postgres-"
  family      = "postgres17"
}

resource "aws_db_instance" "mysql" {
  allocated_storage                   = 20
  engine                              = "mysql"
  iam_database_authentication_enabled = true
  identifier                          = "mysql"
  instance_class                      = "db.t4g.medium"
  manage_master_user_password         = true
  parameter_group_name                = aws_db_parameter_group.mysql.name
  skip_final_snapshot                 = true
  storage_encrypted                   = true
  username                            = "dbadmin"
}

resource "aws_db_instance" "postgres" {
  allocated_storage                   = 20
  engine                              = "postgres"
  iam_database_authentication_enabled = true
  identifier                          = "postgres"
  instance_class                      = "db.t4g.medium"
  manage_master_user_password         = true
  parameter_group_name                = aws_db_parameter_group.postgres.name
  skip_final_snapshot                 = true
  storage_encrypted                   = true
  username                            = "dbadmin"
}

resource "aws_db_instance" "unknown" {
  allocated_storage                   = 20
  engine                              = "postgres"
  iam_database_authentication_enabled = true
  identifier                          = "unknown"
  instance_class                      = "db.t4g.medium"
  manage_master_user_password         = true
  skip_final_snapshot                 = true
  storage_encrypted                   = true
  username                            = "dbadmin"
}

resource "aws_db_instance" "elsewhere" {
  allocated_storage                   = 20
  engine                              = "mysql"
  iam_database_authentication_enabled = true
  identifier                          = "elsewhere"
  instance_class                      = "db.t4g.medium"
  manage_master_user_password         = true
  parameter_group_name                = "shared"
  skip_final_snapshot                 = true
  storage_encrypted                   = true
  username                            = "dbadmin"
}
