# The database of the test plan `clean`: an RDS instance with IAM authentication, forced TLS and deletion protection.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

resource "aws_db_parameter_group" "this" {
  name   = "orders"
  family = "mysql8.4"

  parameter {
    name  = "require_secure_transport"
    value = "1"
  }
}

resource "aws_db_instance" "this" {
  allocated_storage                   = 20
  deletion_protection                 = true
  engine                              = "mysql"
  iam_database_authentication_enabled = true
  identifier                          = "orders"
  instance_class                      = "db.t4g.medium"
  manage_master_user_password         = true
  parameter_group_name                = aws_db_parameter_group.this.name
  skip_final_snapshot                 = true
  storage_encrypted                   = true
  username                            = "dbadmin"
}

output "resource_id" {
  value = aws_db_instance.this.resource_id
}

output "secret_arn" {
  value = aws_db_instance.this.master_user_secret[0].secret_arn
}
