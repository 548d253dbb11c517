# Configuration of a test plan: policies that allow sessions on any instance or with any document, which are
# refused; and one that allows a tunnel through one instance.

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
  host     = "arn:aws:ec2:us-east-1:123456789012:instance/i-0a1b2c3d4e5f67890"
  document = "arn:aws:ssm:us-east-1::document/AWS-StartPortForwardingSessionToRemoteHost"

  policies = {
    right = [local.host, local.document]
    all   = ["*"]
    # Any instance, with the right document.
    any_instance = ["arn:aws:ec2:us-east-1:123456789012:instance/*", local.document]
    no_document  = [local.host]
    any_document = [local.host, "arn:aws:ssm:us-east-1::document/*"]
  }
}

resource "aws_instance" "new" {
  ami           = "ami-0a1b2c3d4e5f67890"
  instance_type = "t4g.nano"
}

resource "aws_iam_policy" "tunnel" {
  for_each = local.policies

  name = "tunnel-${each.key}"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "ssm:StartSession", Resource = each.value },
      {
        Effect   = "Allow"
        Action   = ["ssm:TerminateSession", "ssm:ResumeSession"]
        Resource = "arn:aws:ssm:*:*:session/$${aws:userid}-*"
      },
    ]
  })
}

data "aws_iam_policy_document" "any_action" {
  statement {
    actions   = ["ssm:*"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "any_action" {
  name   = "session-manager"
  role   = "people"
  policy = data.aws_iam_policy_document.any_action.json
}

data "aws_iam_policy_document" "new" {
  statement {
    actions   = ["ssm:StartSession"]
    resources = [aws_instance.new.arn, local.document]
  }
}

resource "aws_iam_policy" "new" {
  name   = "tunnel-new"
  policy = data.aws_iam_policy_document.new.json
}
