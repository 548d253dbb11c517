output "json" {
  description = "The policy document."
  value       = data.aws_iam_policy_document.this.json

  # IAM accepts such a document, and it allows nothing. The condition is not the data source's own: one there would
  # put off reading it until apply whenever the database changes, and no plan would show the policy.
  precondition {
    condition = local.partition == (
      startswith(local.region, "cn-") ? "aws-cn" : startswith(local.region, "us-gov-") ? "aws-us-gov" : "aws"
    )
    error_message = <<-EOT
      partition ${jsonencode(local.partition)} does not have region ${jsonencode(local.region)}: cn-… lies in aws-cn,
      us-gov-… in aws-us-gov, the others in aws. Give region and partition together where they are not the caller's.
    EOT
  }
}

output "resource_arns" {
  description = "The ARNs that it allows, one for each user, sorted."
  value       = local.resource_arns
}

output "policy_arn" {
  description = "ARN of the managed policy; null without create_policy."
  value       = one(aws_iam_policy.this[*].arn)
}
