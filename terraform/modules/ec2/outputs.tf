# Outputs of the instances' module: Auto Scaling group, launch template, and log group.

output "autoscaling_group_name" {
  description = "Name of the Auto Scaling group, for rollouts."
  value       = aws_autoscaling_group.this.name
}

output "launch_template_id" {
  description = "Id of the launch template."
  value       = aws_launch_template.this.id
}

output "log_group_name" {
  description = "Name of the service's log group."
  value       = aws_cloudwatch_log_group.this.name
}
