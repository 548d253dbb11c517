output "json" {
  description = "The policy document."
  value       = data.aws_iam_policy_document.this.json
}

output "resource_arns" {
  description = "The ARNs that it allows, one for each user, sorted."
  value       = local.resource_arns
}

output "policy_arn" {
  description = "ARN of the managed policy; null without create_policy."
  value       = one(aws_iam_policy.this[*].arn)
}
