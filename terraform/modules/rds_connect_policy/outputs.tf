# Outputs of the rds-db:connect policies: the documents, the allowed ARNs, and the managed policies' ARNs and number.

output "json" {
  description = "The policy document; the first one if they are several."
  value       = data.aws_iam_policy_document.this.json

  # IAM accepts such a document, but it allows nothing. The condition is not in the data source: one there would defer
  # reading it until apply whenever the database changes, and no plan would show the policy.
  precondition {
    condition = local.partition == (
      startswith(local.region, "cn-") ? "aws-cn" : startswith(local.region, "us-gov-") ? "aws-us-gov" : "aws"
    )
    error_message = <<-EOT
      partition ${jsonencode(local.partition)} does not have region ${jsonencode(local.region)}: cn-… is in aws-cn,
      us-gov-… in aws-us-gov, the others in aws. Give region and partition together if they are not the caller's.
    EOT
  }

  precondition {
    condition     = var.create_policy || local.policy_count == 1
    error_message = <<-EOT
      users: ${length(local.resource_arns)} ARNs need ${local.policy_count} policies, each with at most
      ${local.arns_each}, and json would contain only the first. Use create_policy = true with roles, or call this module
      for fewer users.
    EOT
  }
}

output "jsons" {
  description = "All policy documents."
  value       = local.documents
}

output "resource_arns" {
  description = "The allowed ARNs, one for each user and resource id, sorted by user."
  value       = local.resource_arns
}

output "policy_arn" {
  description = "ARN of the managed policy, of the first one if they are several; null without create_policy."
  value       = one(slice(aws_iam_policy.this[*].arn, 0, min(1, length(aws_iam_policy.this))))
}

output "policy_arns" {
  description = "ARNs of the managed policies; empty without create_policy."
  value       = aws_iam_policy.this[*].arn
}

output "policy_count" {
  description = "Number of policies that IAM's limit of 6,144 characters requires."
  value       = local.policy_count

  precondition {
    condition     = local.policy_count <= var.max_policies
    error_message = <<-EOT
      users: ${length(local.resource_arns)} ARNs need ${local.policy_count} policies, each with at most
      ${local.arns_each}, but max_policies is ${var.max_policies}: a role has at most 10 managed policies by default, 20
      after an increase of the quota. Divide the users between roles, or raise max_policies with the quota.
    EOT
  }
}
