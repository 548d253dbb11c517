# Outputs of the RDS Proxy module: name, ARN, endpoint, port, resource id, authentication, and log group.

output "name" {
  description = "Name of the proxy."
  value       = aws_db_proxy.this.name
}

output "arn" {
  description = "ARN of the proxy."
  value       = aws_db_proxy.this.arn
}

output "endpoint" {
  description = "Host name of the proxy, without the port. Tokens are signed for it, and TLS verifies it."
  value       = aws_db_proxy.this.endpoint

  # Without its target, the endpoint answers but serves no client.
  depends_on = [aws_db_proxy_target.this]
}

output "reader_endpoint" {
  description = "Host name of the proxy's endpoint for readers, without the port; null without reader_endpoint."
  value       = one(aws_db_proxy_endpoint.reader[*].endpoint)
}

output "port" {
  description = "Port of the proxy, equal to that of the database."
  value       = var.port
}

output "resource_id" {
  description = "The id prx-…, for policies with rds-db:connect: the ARN's last part."
  value       = element(split(":", aws_db_proxy.this.arn), 6)
}

output "authentication" {
  description = "The proxy's authentication to the database: iam or secret."
  value       = var.authentication
}

output "log_group_name" {
  description = "Log group of the proxy."
  value       = aws_cloudwatch_log_group.this.name
}
