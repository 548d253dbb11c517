# Outputs of GitHub's access: ARNs of the identity provider, the plan role, the deploy roles, the integration roles, and
# the permissions boundary.

output "provider_arn" {
  description = "ARN of GitHub's identity provider."
  value       = local.provider_arn
}

output "plan_role_arn" {
  description = "ARN of the plan role, for pull requests and the main branch."
  value       = aws_iam_role.plan.arn
}

output "deploy_role_arns" {
  description = "Environment to ARN of its deploy role, for jobs of the main branch."
  value       = { for environment, role in aws_iam_role.deploy : environment => role.arn }
}

output "integration_role_arns" {
  description = "Environment to ARN of its integration role, for jobs of the main branch."
  value       = { for environment, role in aws_iam_role.integration : environment => role.arn }
}

output "permissions_boundary_arn" {
  description = "ARN of the permissions boundary of all roles of a deployment. Deploy roles can't create a role without it."
  value       = aws_iam_policy.boundary.arn
}
