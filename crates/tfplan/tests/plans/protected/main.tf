# Configuration of a test plan, as a change of what state.json holds: two databases and a load balancer with
# deletion protection are destroyed or replaced, which is refused; other changes are allowed.

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

# Its username changes. The instance "gone" and the load balancer are not here any more.
resource "aws_db_instance" "replaced" {
  allocated_storage                   = 20
  deletion_protection                 = true
  engine                              = "mysql"
  iam_database_authentication_enabled = true
  identifier                          = "replaced"
  instance_class                      = "db.t4g.medium"
  manage_master_user_password         = true
  skip_final_snapshot                 = true
  storage_encrypted                   = true
  username                            = "another"
}

# Protection is taken away, and the cluster stays: the step before a destroy.
resource "aws_rds_cluster" "released" {
  cluster_identifier                  = "released"
  deletion_protection                 = false
  engine                              = "aurora-mysql"
  iam_database_authentication_enabled = true
  manage_master_user_password         = true
  master_username                     = "dbadmin"
  skip_final_snapshot                 = true
  storage_encrypted                   = true
}
