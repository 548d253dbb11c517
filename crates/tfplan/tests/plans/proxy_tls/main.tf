# Configuration of a test plan with two refused proxies: one accepts connections without TLS, the other lets
# clients log in with a password. Their role is not part of the plan.

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

resource "aws_db_proxy" "plain" {
  name           = "plain"
  engine_family  = "MYSQL"
  require_tls    = false
  role_arn       = "arn:aws:iam::123456789012:role/proxy"
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth   = "REQUIRED"
    secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
  }
}

# Clients log in by the password in the secret.
resource "aws_db_proxy" "passwords" {
  name           = "passwords"
  engine_family  = "MYSQL"
  require_tls    = true
  role_arn       = "arn:aws:iam::123456789012:role/proxy"
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth   = "DISABLED"
    secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
  }
}
