# Outputs of the load balancer module: ARNs, DNS name, target group, CloudWatch names, and the service's URL.

output "arn" {
  description = "ARN of the load balancer."
  value       = aws_lb.this.arn
}

output "dns_name" {
  description = "The load balancer's own DNS name."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Route 53 zone of dns_name, for other alias records."
  value       = aws_lb.this.zone_id
}

# An Auto Scaling group that waits for healthy targets would wait forever if no listener used the target group.
output "target_group_arn" {
  description = "Target group for the app's instances."
  value       = aws_lb_target_group.this.arn
  depends_on  = [aws_lb_listener.http, aws_lb_listener.https]
}

output "arn_suffix" {
  description = "CloudWatch's name of the load balancer."
  value       = aws_lb.this.arn_suffix
}

output "target_group_arn_suffix" {
  description = "CloudWatch's name of the target group."
  value       = aws_lb_target_group.this.arn_suffix
}

output "url" {
  description = "URL of the service: https if there is a certificate."
  value       = "${local.tls ? "https" : "http"}://${coalesce(var.domain_name, aws_lb.this.dns_name)}"
}
