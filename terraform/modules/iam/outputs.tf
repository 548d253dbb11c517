# Outputs of the roles' module: ARNs and names of the roles of app, proxy and bootstrap, and the instance profile.

output "app_role_arn" {
  description = "ARN of the app's role; null without an app."
  value       = one(aws_iam_role.app[*].arn)
}

output "app_role_name" {
  description = "Name of the app's role; null without an app."
  value       = one(aws_iam_role.app[*].name)
}

output "instance_profile_name" {
  description = "Instance profile with the app's role. Available once the role has its policies; null without an app."
  value       = one(aws_iam_instance_profile.app[*].name)

  # An instance that starts before the policies exist fails to pull its image.
  depends_on = [aws_iam_role_policy.app_connect, aws_iam_role_policy.app_run, aws_iam_role_policy.app_session]
}

output "proxy_role_arn" {
  description = "ARN of the proxy's role. Available once the role has its policy, which the proxy needs at its creation; null without a proxy."
  value       = one(aws_iam_role.proxy[*].arn)
  depends_on  = [aws_iam_role_policy.proxy]
}

output "proxy_role_name" {
  description = "Name of the proxy's role; null without a proxy."
  value       = one(aws_iam_role.proxy[*].name)
}

output "bootstrap_role_arn" {
  description = "ARN of bootstrap's role. Available once the role has its policies, without which Lambda refuses a VPC."
  value       = aws_iam_role.bootstrap.arn

  depends_on = [
    aws_iam_role_policy.bootstrap_connect,
    aws_iam_role_policy.bootstrap_network,
    aws_iam_role_policy.bootstrap_run,
  ]
}
