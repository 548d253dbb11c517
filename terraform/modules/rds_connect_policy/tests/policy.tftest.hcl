# Tests of the module rds_connect_policy: the document for each kind of resource, partition and user. The provider
# builds it itself, without an account; the caller's identity is overridden.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws", dns_suffix = "amazonaws.com" }
}

override_data {
  target = data.aws_region.current
  values = { id = "us-east-1", name = "us-east-1" }
}

variables {
  name        = "orders-dev"
  resource_id = "prx-0a1b2c3d4e5f67890"
  users       = ["node_app"]
}

run "readme" {
  command = plan

  variables {
    name        = "orders-dev-reports"
    resource_id = "prx-0a1b2c3d4e5f67890"
    users       = ["reports", "node_app"]
  }

  assert {
    condition = output.resource_arns == [
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/node_app",
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/reports",
    ]
    error_message = "one ARN for each user, in order: ${jsonencode(output.resource_arns)}"
  }

  assert {
    condition = [
      for statement in jsondecode(output.json).Statement :
      [statement.Effect, statement.Action, join(" ", sort(statement.Resource)), can(statement.Condition)]
    ] == [["Allow", "rds-db:connect", join(" ", output.resource_arns), false]]
    error_message = "the document allows rds-db:connect on these users and nothing else: ${output.json}"
  }

  assert {
    condition     = aws_iam_policy.this[0].name == "orders-dev-reports"
    error_message = "the managed policy has the given name"
  }
}

run "document_alone" {
  command = plan

  variables {
    create_policy = false
  }

  assert {
    condition     = length(aws_iam_policy.this) == 0 && output.policy_arn == null
    error_message = "without create_policy there is no managed policy"
  }
}

run "repeated_users_once" {
  command = plan

  variables {
    users = ["node_app", "node_app"]
  }

  assert {
    condition     = length(output.resource_arns) == 1
    error_message = "a user named twice is one ARN: ${jsonencode(output.resource_arns)}"
  }
}

run "instance" {
  command = plan

  variables {
    resource_id = "db-ABCDEFGHIJKLMNOPQRSTUVWX12"
  }

  assert {
    condition = output.resource_arns == [
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX12/node_app",
    ]
    error_message = "an instance: ${jsonencode(output.resource_arns)}"
  }
}

run "cluster_in_china" {
  command = plan

  variables {
    resource_id = "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12"
    region      = "cn-north-1"
    account_id  = "012345678901"
    partition   = "aws-cn"
  }

  assert {
    condition = output.resource_arns == [
      "arn:aws-cn:rds-db:cn-north-1:012345678901:dbuser:cluster-ABCDEFGHIJKLMNOPQRSTUVWX12/node_app",
    ]
    error_message = "a cluster in another partition: ${jsonencode(output.resource_arns)}"
  }
}

run "govcloud" {
  command = plan

  variables {
    region    = "us-gov-west-1"
    partition = "aws-us-gov"
  }

  assert {
    condition     = startswith(output.resource_arns[0], "arn:aws-us-gov:rds-db:us-gov-west-1:123456789012:dbuser:prx-")
    error_message = "GovCloud: ${jsonencode(output.resource_arns)}"
  }
}

# IAM accepts U+0020 to U+00FF, and user names may contain most of these characters.
run "unusual_users" {
  command = plan

  variables {
    users = ["a/b:c", "x=y&z", "Zoë o'neil"]
  }

  assert {
    condition     = length(jsondecode(output.json).Statement[0].Resource) == 3
    error_message = "names that IAM can express are used unchanged: ${output.json}"
  }
}
