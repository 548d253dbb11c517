# Outputs of the rds-db:connect policy: the document, the allowed ARNs, and the managed policy's ARN.

output "json" {
  description = "The policy document."
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
}

output "resource_arns" {
  description = "The allowed ARNs, one for each user, sorted."
  value       = local.resource_arns
}

output "policy_arn" {
  description = "ARN of the managed policy; null without create_policy."
  value       = one(aws_iam_policy.this[*].arn)
}
