# The role for Enhanced Monitoring, which writes its metrics to the log group RDSOSMetrics.
resource "aws_iam_role" "monitoring" {
  count = local.monitored ? 1 : 0

  name                 = "${var.name}-rds-monitoring"
  description          = "${var.name}: Enhanced Monitoring of the cluster's instances"
  assume_role_policy   = data.aws_iam_policy_document.monitoring_trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

data "aws_iam_policy_document" "monitoring_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }

    # Only for these instances: otherwise the service could be induced to use the role for another account's instance.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values = [
        for identifier in values(local.identifiers) :
        "arn:${local.partition}:rds:${local.region}:${local.account_id}:db:${identifier}"
      ]
    }
  }
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  count = local.monitored ? 1 : 0

  role       = aws_iam_role.monitoring[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}
