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
  name         = "orders-dev"
  resource_ids = ["prx-0a1b2c3d4e5f67890"]
  users        = ["node_app"]
}

run "readme" {
  command = plan

  variables {
    name         = "orders-dev-reports"
    resource_ids = ["prx-0a1b2c3d4e5f67890"]
    users        = ["reports", "node_app"]
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
    resource_ids = ["db-ABCDEFGHIJKLMNOPQRSTUVWX12"]
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
    resource_ids = ["cluster-ABCDEFGHIJKLMNOPQRSTUVWX12"]
    region       = "cn-north-1"
    account_id   = "012345678901"
    partition    = "aws-cn"
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

run "proxy_and_cluster" {
  command = plan

  variables {
    resource_ids = ["prx-0a1b2c3d4e5f67890", "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12"]
    users        = ["reports", "node_app"]
  }

  assert {
    condition = output.resource_arns == [
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/node_app",
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKLMNOPQRSTUVWX12/node_app",
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/reports",
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKLMNOPQRSTUVWX12/reports",
    ]
    error_message = "each user for each id: ${jsonencode(output.resource_arns)}"
  }

  assert {
    condition     = output.policy_count == 1 && output.jsons == [output.json]
    error_message = "they fit into one policy"
  }
}

# 200 names of PostgreSQL's largest length.
run "policies_are_split_at_iam_s_limit" {
  command = plan

  variables {
    resource_ids = ["cluster-ABCDEFGHIJKLMNOPQRSTUVWX12"]
    users        = [for number in range(200) : format("user_%058d", number)]
    roles        = ["orders-dev-jobs", "orders-dev-reports"]
  }

  assert {
    condition     = output.policy_count == 6 && length(aws_iam_policy.this) == 6
    error_message = "the number of policies: ${output.policy_count}"
  }

  assert {
    condition = alltrue([
      for policy in aws_iam_policy.this : length(jsonencode(jsondecode(policy.policy))) <= 6144
    ])
    error_message = <<-EOT
      IAM's limit: ${join(", ", [for policy in aws_iam_policy.this : length(jsonencode(jsondecode(policy.policy)))])}
    EOT
  }

  assert {
    condition = toset(flatten([
      for policy in aws_iam_policy.this : jsondecode(policy.policy).Statement[0].Resource
    ])) == toset(output.resource_arns) && length(output.resource_arns) == 200
    error_message = "no user is lost"
  }

  assert {
    condition     = [for policy in aws_iam_policy.this : policy.name] == concat(["orders-dev"], [for n in range(2, 7) : "orders-dev-${n}"])
    error_message = "the names of the policies: ${jsonencode(aws_iam_policy.this[*].name)}"
  }

  assert {
    condition = toset(keys(aws_iam_role_policy_attachment.this)) == toset(flatten([
      for role in ["orders-dev-jobs", "orders-dev-reports"] : [for n in range(1, 7) : "${role}/${n}"]
    ]))
    error_message = "each role has each policy: ${jsonencode(keys(aws_iam_role_policy_attachment.this))}"
  }
}

run "attached_to_a_role" {
  command = plan

  variables {
    roles = ["orders-dev-jobs"]
  }

  assert {
    condition = {
      for key, attachment in aws_iam_role_policy_attachment.this : key => attachment.role
    } == { "orders-dev-jobs/1" = "orders-dev-jobs" }
    error_message = "the role has the policy"
  }
}
