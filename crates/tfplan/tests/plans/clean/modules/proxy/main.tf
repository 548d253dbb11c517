# An RDS Proxy of the test plan `clean`, which requires TLS and IAM from its clients.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "authentication" {
  type = string
}

variable "role_arn" {
  type = string
}

variable "secret_arn" {
  type = string
}

resource "aws_db_proxy" "this" {
  name           = "orders-${var.authentication}"
  engine_family  = "MYSQL"
  require_tls    = true
  role_arn       = var.role_arn
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth   = "REQUIRED"
    secret_arn = var.secret_arn
  }
}
