# Outputs of the security groups' module: the id of each group.

output "alb_id" {
  description = "Group of the load balancer; null without an app."
  value       = one(aws_security_group.alb[*].id)
}

output "app_id" {
  description = "Group of the app's instances; null without an app."
  value       = one(aws_security_group.app[*].id)

  # A member needs its rules as soon as it starts: bootstrap runs as soon as it is created.
  depends_on = [
    aws_vpc_security_group_ingress_rule.link,
    aws_vpc_security_group_egress_rule.link,
    aws_vpc_security_group_egress_rule.endpoints,
    aws_vpc_security_group_egress_rule.app_s3,
    aws_vpc_security_group_egress_rule.internet,
  ]
}

output "proxy_id" {
  description = "Group of the RDS Proxy; null without a proxy."
  value       = one(aws_security_group.proxy[*].id)
}

output "database_id" {
  description = "Group of the database."
  value       = aws_security_group.database.id
}

output "bootstrap_id" {
  description = "Group of the bootstrap function."
  value       = aws_security_group.bootstrap.id

  # A member needs its rules as soon as it starts: bootstrap runs as soon as it is created.
  depends_on = [
    aws_vpc_security_group_ingress_rule.link,
    aws_vpc_security_group_egress_rule.link,
    aws_vpc_security_group_egress_rule.endpoints,
    aws_vpc_security_group_egress_rule.app_s3,
    aws_vpc_security_group_egress_rule.internet,
  ]
}

output "jump_host_id" {
  description = "Group of the jump host; null without with_jump_host and admin_access."
  value       = one(aws_security_group.admin[*].id)

  # A member needs its rules as soon as it starts: bootstrap runs as soon as it is created.
  depends_on = [
    aws_vpc_security_group_ingress_rule.link,
    aws_vpc_security_group_egress_rule.link,
    aws_vpc_security_group_egress_rule.endpoints,
    aws_vpc_security_group_egress_rule.app_s3,
    aws_vpc_security_group_egress_rule.internet,
  ]
}

output "admin_id" {
  description = "The same as jump_host_id."
  value       = one(aws_security_group.admin[*].id)
}
