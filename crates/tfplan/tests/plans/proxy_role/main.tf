# Configuration of a test plan: five proxies that log in by secret. The roles of four may not read the secret,
# which is refused; the role of `by_secret` may.

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

resource "aws_iam_role" "proxy_own_id" {
  name = "proxy-own-id"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "rds.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "proxy_own_id" {
  name   = "proxy"
  role   = aws_iam_role.proxy_own_id.id
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "rds-db:connect", Resource = "arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/node_app" }] })
}

resource "aws_db_proxy" "proxy_own_id" {
  name           = "proxy-own-id"
  engine_family  = "MYSQL"
  require_tls    = true
  role_arn       = aws_iam_role.proxy_own_id.arn
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth   = "REQUIRED"
    secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
  }
}

resource "aws_iam_role" "other_secret" {
  name = "other-secret"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "rds.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "other_secret" {
  name   = "proxy"
  role   = aws_iam_role.other_secret.id
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1ffffffff-AbCdEf" }] })
}

resource "aws_db_proxy" "other_secret" {
  name           = "other-secret"
  engine_family  = "MYSQL"
  require_tls    = true
  role_arn       = aws_iam_role.other_secret.arn
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth   = "REQUIRED"
    secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
  }
}

resource "aws_iam_role" "by_iam" {
  name = "by-iam"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "rds.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "by_iam" {
  name   = "proxy"
  role   = aws_iam_role.by_iam.name
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "rds-db:connect", Resource = "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX12/node_app" }] })
}

resource "aws_db_proxy" "by_iam" {
  name           = "by-iam"
  engine_family  = "MYSQL"
  require_tls    = true
  role_arn       = aws_iam_role.by_iam.arn
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth   = "REQUIRED"
    secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
  }
}

resource "aws_iam_role" "by_secret" {
  name = "by-secret"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "rds.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "by_secret" {
  name   = "proxy"
  role   = aws_iam_role.by_secret.id
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "secretsmanager:*", Resource = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-??????" }] })
}

resource "aws_db_proxy" "by_secret" {
  name           = "by-secret"
  engine_family  = "MYSQL"
  require_tls    = true
  role_arn       = aws_iam_role.by_secret.arn
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth   = "REQUIRED"
    secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
  }
}

resource "aws_iam_role" "without_policy" {
  name = "without-policy"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "rds.amazonaws.com" } }]
  })
}

resource "aws_db_proxy" "without_policy" {
  name           = "without-policy"
  engine_family  = "MYSQL"
  require_tls    = true
  role_arn       = aws_iam_role.without_policy.arn
  vpc_subnet_ids = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]

  auth {
    iam_auth   = "REQUIRED"
    secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
  }
}
