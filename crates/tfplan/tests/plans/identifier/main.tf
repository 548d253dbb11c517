# Configuration of a test plan: a policy for rds-db:connect on two ARNs without a resource id, which are
# refused, and on one with it.

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

data "aws_iam_policy_document" "app" {
  statement {
    actions = ["rds-db:connect"]
    resources = [
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:orders-dev/node_app",
      "arn:aws:rds:us-east-1:123456789012:db:orders-dev",
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX12/node_app",
    ]
  }
}

resource "aws_iam_role_policy" "app" {
  name   = "connect"
  role   = "app"
  policy = data.aws_iam_policy_document.app.json
}
