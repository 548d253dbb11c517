# One key for all data of this cluster at rest: storage, snapshots, master secret, logs, Performance Insights.
resource "aws_kms_key" "this" {
  description             = "${var.name}: database, its master secret, logs and Performance Insights"
  deletion_window_in_days = 30
  enable_key_rotation     = true
  tags                    = var.tags
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}-database"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_kms_key_policy" "this" {
  key_id = aws_kms_key.this.key_id
  policy = data.aws_iam_policy_document.key.json
}

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:A key policy applies only to its key; without this statement no principal could manage it
  #checkov:skip=CKV_AWS_111:As above, and Resource "*" in a key policy is this key
  #checkov:skip=CKV_AWS_356:As above, and Resource "*" in a key policy is this key

  # Delegates the decision to IAM policies, which RDS, Secrets Manager and the readers of the secret use.
  statement {
    sid       = "AccountDecides"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  # CloudWatch Logs uses the key itself, and only for the log groups of this database and its proxy.
  statement {
    sid       = "Logs"
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.${data.aws_partition.current.dns_suffix}"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values = [
        "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/rds/cluster/${var.name}/*",
        "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/rds/proxy/${var.name}",
      ]
    }
  }
}
