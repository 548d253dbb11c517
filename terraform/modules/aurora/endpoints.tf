# Custom endpoints: names for a part of the instances, such as the readers for reports.

resource "aws_rds_cluster_endpoint" "this" {
  for_each = var.custom_endpoints

  cluster_identifier          = aws_rds_cluster.this.cluster_identifier
  cluster_endpoint_identifier = "${var.name}-${each.key}"
  custom_endpoint_type        = each.value.type
  static_members = (
    each.value.static_members == null ? null : [for key in each.value.static_members : local.identifiers[key]]
  )
  tags = var.tags

  depends_on = [aws_rds_cluster_instance.this]
}
