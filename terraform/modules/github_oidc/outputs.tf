output "provider_arn" {
  description = "ARN of GitHub's identity provider."
  value       = local.provider_arn
}

output "plan_role_arn" {
  description = "ARN of the role that pull requests plan with."
  value       = aws_iam_role.plan.arn
}

output "deploy_role_arn" {
  description = "ARN of the role that the main branch and protected environments deploy with."
  value       = aws_iam_role.deploy.arn
}

output "permissions_boundary_arn" {
  description = "ARN of the boundary that every role of a deployment must have: the deploy role can't make one without."
  value       = aws_iam_policy.boundary.arn
}
