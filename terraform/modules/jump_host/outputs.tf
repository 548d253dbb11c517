# Outputs of the jump host's module: the instance, its role, and the policy for tunnels.

output "instance_id" {
  description = "Id of the host, the target of a session."
  value       = aws_instance.this.id
}

output "role_name" {
  description = "Name of the host's role."
  value       = aws_iam_role.this.name
}

output "tunnel_policy_json" {
  description = "The policy for those who may open tunnels, such as for a permission set of IAM Identity Center."
  value       = data.aws_iam_policy_document.tunnel.json
}

output "tunnel_policy_arn" {
  description = "ARN of the managed policy with the same document."
  value       = aws_iam_policy.tunnel.arn
}
