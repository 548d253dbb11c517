# Outputs of the cluster's module: identifiers, addresses, users, master secret, key, and log groups. They have the names
# of the module rds, so that a stack can use either.

output "kind" {
  description = "cluster; the module rds returns instance. Both modules have the same outputs."
  value       = "cluster"
}

output "identifier" {
  description = "Identifier of the cluster: its name. Available once it has its instances. Policies for rds-db:connect need resource_id instead."
  value       = aws_rds_cluster.this.cluster_identifier
  depends_on  = [aws_rds_cluster_instance.this]
}

output "arn" {
  description = "ARN of the cluster."
  value       = aws_rds_cluster.this.arn
}

output "address" {
  description = "Host name of the writer, without the port. Available once the cluster has its instances: without them, it does not answer."
  value       = aws_rds_cluster.this.endpoint
  depends_on  = [aws_rds_cluster_instance.this]
}

output "reader_address" {
  description = "Host name of the readers, without the port; of the writer if it is the only instance."
  value       = aws_rds_cluster.this.reader_endpoint
  depends_on  = [aws_rds_cluster_instance.this]
}

output "custom_addresses" {
  description = "Host names of the custom endpoints, by their keys. Tokens are signed for the name that is dialled."
  value       = { for key, endpoint in aws_rds_cluster_endpoint.this : key => endpoint.endpoint }
}

output "instance_identifiers" {
  description = "Identifiers of the instances, sorted."
  value       = sort([for instance in aws_rds_cluster_instance.this : instance.identifier])
}

output "pauses" {
  description = "Whether the cluster pauses without connections: serverless.min_capacity is 0."
  value       = local.pauses
}

# From local.engines, not from the cluster: the security groups' rules need it before the cluster exists.
output "port" {
  description = "Port of the cluster."
  value       = local.engine.port
}

output "engine" {
  description = "Database engine: mysql or postgresql, as in the input. RDS's own names are aurora-mysql and aurora-postgresql."
  value       = var.engine
}

output "engine_family" {
  description = "RDS Proxy's name of the engine."
  value       = local.engine.engine_family
}

output "resource_id" {
  description = "The id cluster-…, for policies with rds-db:connect. It is valid for all endpoints of the cluster."
  value       = aws_rds_cluster.this.cluster_resource_id
}

output "database_name" {
  description = "The database that is created with the cluster."
  value       = aws_rds_cluster.this.database_name
}

output "master_username" {
  description = "The master user."
  value       = aws_rds_cluster.this.master_username
}

output "master_secret_arn" {
  description = "ARN of RDS's secret with the master user's password. The password itself is not an output."
  value       = aws_rds_cluster.this.master_user_secret[0].secret_arn
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts storage, secret and logs."
  value       = aws_kms_key.this.arn
}

output "log_group_names" {
  description = "Log groups of the exported logs, by log type."
  value       = { for type, group in aws_cloudwatch_log_group.this : type => group.name }
}
