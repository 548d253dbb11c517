# The instances of the cluster. The first one that exists is the writer, the others are readers; any of them can become
# the writer, in the order of their promotion tiers.

locals {
  identifiers = { for key, _ in var.instances : key => "${var.name}-${key}" }
}

# The subnet group is the cluster's.
resource "aws_rds_cluster_instance" "this" {
  for_each = var.instances

  identifier         = local.identifiers[each.key]
  cluster_identifier = aws_rds_cluster.this.cluster_identifier
  engine             = aws_rds_cluster.this.engine
  engine_version     = aws_rds_cluster.this.engine_version
  instance_class     = each.value.class
  promotion_tier     = each.value.promotion_tier

  publicly_accessible        = false
  ca_cert_identifier         = var.ca_cert_identifier
  auto_minor_version_upgrade = true
  apply_immediately          = var.apply_immediately
  copy_tags_to_snapshot      = true

  monitoring_interval                   = var.monitoring_interval_seconds
  monitoring_role_arn                   = one(aws_iam_role.monitoring[*].arn)
  performance_insights_enabled          = var.performance_insights
  performance_insights_kms_key_id       = var.performance_insights ? aws_kms_key.this.arn : null
  performance_insights_retention_period = var.performance_insights ? 7 : null

  tags = var.tags

  depends_on = [aws_iam_role_policy_attachment.monitoring]
}
