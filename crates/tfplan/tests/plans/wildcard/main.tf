# Configuration of a test plan: policies that allow rds-db:connect by different wildcards, which are refused, and
# policies that are not refused.

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
  user = "arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890"
}

data "aws_iam_policy_document" "any_user" {
  statement {
    actions   = ["rds-db:connect"]
    resources = ["${local.user}/*", "${local.user}/node_app"]
  }
}

resource "aws_iam_role_policy" "any_user" {
  name   = "any-user"
  role   = "app"
  policy = data.aws_iam_policy_document.any_user.json
}

resource "aws_iam_policy" "any_action" {
  name   = "any-action"
  policy = jsonencode({ Statement = { Effect = "Allow", Action = "rds-db:*", Resource = "${local.user}/node_app" } })
}

resource "aws_iam_user_policy" "everything" {
  name   = "everything"
  user   = "someone"
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })
}

resource "aws_iam_group_policy" "all_but" {
  name  = "all-but"
  group = "people"
  policy = jsonencode({
    Statement = [
      { Effect = "Allow", NotAction = "iam:*", Resource = "*" },
      { Effect = "Allow", Action = "RDS-DB:Connect", NotResource = "${local.user}/admin" },
    ]
  })
}

resource "aws_iam_role" "inline" {
  name = "inline"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })

  inline_policy {
    name   = "variable"
    policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "rds-db:connect", Resource = "${local.user}/$${aws:username}" }] })
  }
}

resource "aws_iam_role_policy_attachment" "administrator" {
  role       = "app"
  policy_arn = "arn:aws:iam::aws:policy/AdministratorAccess"
}

# What is not refused: other services, a denial of it all, a boundary that nothing attaches, one named user.
resource "aws_iam_policy" "other_services" {
  name = "other-services"
  policy = jsonencode({
    Statement = [
      { Effect = "Allow", Action = "s3:*", Resource = "*" },
      { Effect = "Allow", Action = "*", Resource = "arn:aws:s3:::orders-logs/*" },
      { Effect = "Allow", Action = "rds-db:connect", Resource = "${local.user}/node_app" },
    ]
  })
}

resource "aws_iam_policy" "denied" {
  name = "denied"
  policy = jsonencode({
    Statement = [
      { Effect = "Allow", Action = "*", Resource = "*" },
      { Effect = "Deny", Action = "rds-db:*", Resource = "*" },
    ]
  })
}

resource "aws_iam_policy" "boundary" {
  name   = "orders-boundary"
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }] })
}
