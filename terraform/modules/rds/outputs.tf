# Outputs of the database module: the instance's identifiers, address, users, master secret, key, and log groups.

output "kind" {
  description = "instance; the module aurora returns cluster. Both modules have the same outputs."
  value       = "instance"
}

output "identifier" {
  description = "Identifier of the instance: its name. Policies for rds-db:connect need resource_id instead."
  value       = aws_db_instance.this.identifier
}

output "arn" {
  description = "ARN of the instance."
  value       = aws_db_instance.this.arn
}

output "address" {
  description = "Host name of the instance, without the port. Tokens are signed for it, and TLS verifies it."
  value       = aws_db_instance.this.address
}

output "reader_address" {
  description = "Host name of the readers: null, because an instance has none. A standby serves no client."
  value       = null
}

output "custom_addresses" {
  description = "Host names of custom endpoints: none, because an instance has no such endpoint."
  value       = {}
}

output "instance_identifiers" {
  description = "Identifiers of the instances: its own."
  value       = [aws_db_instance.this.identifier]
}

output "pauses" {
  description = "Whether it pauses without connections: false. Only a serverless cluster does."
  value       = false
}

# From local.engines, not from the instance: the security groups' rules need it before the instance exists.
output "port" {
  description = "Port of the instance."
  value       = local.engine.port
}

output "engine" {
  description = "Database engine: mysql or postgresql, as in the input. RDS's own name of the latter is postgres."
  value       = var.engine
}

output "engine_family" {
  description = "RDS Proxy's name of the engine."
  value       = local.engine.engine_family
}

output "resource_id" {
  description = "The id db-…, for policies with rds-db:connect."
  value       = aws_db_instance.this.resource_id
}

output "database_name" {
  description = "The database that is created with the instance."
  value       = aws_db_instance.this.db_name
}

output "master_username" {
  description = "The master user."
  value       = aws_db_instance.this.username
}

output "master_secret_arn" {
  description = "ARN of RDS's secret with the master user's password. The password itself is not an output."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts storage, secret and logs."
  value       = aws_kms_key.this.arn
}

output "log_group_names" {
  description = "Log groups of the exported logs, by log type."
  value       = { for type, group in aws_cloudwatch_log_group.this : type => group.name }
}
