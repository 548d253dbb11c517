# The role of a proxy in the test plan `clean`. Depending on `proxy_authentication`, it may connect to the
# database by IAM, or read the database's secret.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "proxy_authentication" {
  type = string
}

variable "database_resource_id" {
  type = string
}

variable "secret_arn" {
  type = string
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["rds.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "proxy" {
  dynamic "statement" {
    for_each = var.proxy_authentication == "iam" ? [1] : []

    content {
      actions   = ["rds-db:connect"]
      resources = ["arn:aws:rds-db:us-east-1:123456789012:dbuser:${var.database_resource_id}/node_app"]
    }
  }

  dynamic "statement" {
    for_each = var.proxy_authentication == "secret" ? [1] : []

    content {
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [var.secret_arn]
    }
  }
}

resource "aws_iam_role" "proxy" {
  name               = "proxy-${var.proxy_authentication}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "proxy" {
  name   = "login"
  role   = aws_iam_role.proxy.id
  policy = data.aws_iam_policy_document.proxy.json
}

output "proxy_role_arn" {
  value = aws_iam_role.proxy.arn
}
