output "name" {
  description = "Name of the proxy."
  value       = aws_db_proxy.this.name
}

output "arn" {
  description = "ARN of the proxy."
  value       = aws_db_proxy.this.arn
}

output "endpoint" {
  description = "Host name of the proxy, without the port: what a token is signed for, and what TLS verifies."
  value       = aws_db_proxy.this.endpoint

  # Without its target the endpoint answers and serves no client.
  depends_on = [aws_db_proxy_target.this]
}

output "port" {
  description = "Port of the proxy, which is the database's."
  value       = var.port
}

output "resource_id" {
  description = "The id prx-…, as policies for rds-db:connect take it: the ARN's last part."
  value       = element(split(":", aws_db_proxy.this.arn), 6)
}

output "authentication" {
  description = "How the proxy logs in to the database: iam or secret."
  value       = var.authentication
}

output "log_group_name" {
  description = "Log group of the proxy."
  value       = aws_cloudwatch_log_group.this.name
}
