output "alb_id" {
  description = "Group of the load balancer."
  value       = aws_security_group.alb.id
}

output "app_id" {
  description = "Group of the app's instances."
  value       = aws_security_group.app.id
}

output "proxy_id" {
  description = "Group of the RDS Proxy."
  value       = aws_security_group.proxy.id
}

output "database_id" {
  description = "Group of the database."
  value       = aws_security_group.database.id
}

output "bootstrap_id" {
  description = "Group of the bootstrap function."
  value       = aws_security_group.bootstrap.id
}

output "admin_id" {
  description = "Group of the jump host; null without admin_access."
  value       = one(aws_security_group.admin[*].id)
}
