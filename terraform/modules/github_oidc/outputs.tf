output "provider_arn" {
  description = "ARN of GitHub's identity provider."
  value       = local.provider_arn
}

output "plan_role_arn" {
  description = "ARN of the role that pull requests and the main branch plan with."
  value       = aws_iam_role.plan.arn
}

output "deploy_role_arns" {
  description = "Environment to ARN of the role that deploys it, from the main branch."
  value       = { for environment, role in aws_iam_role.deploy : environment => role.arn }
}

output "permissions_boundary_arn" {
  description = "ARN of the boundary that every role of a deployment must have: deploy roles can't make one without."
  value       = aws_iam_policy.boundary.arn
}
