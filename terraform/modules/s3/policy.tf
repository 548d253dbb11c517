data "aws_iam_policy_document" "this" {
  # This principal serves every region; the account of the load balancers per region, which it replaces, does not.
  # What keeps other accounts' load balancers out is the account's id in the path, as AWS documents it. AWS does not
  # document that deliveries carry their source, so the conditions bind only where it is there: a plain StringEquals
  # would refuse every log where it is not.
  statement {
    sid       = "DeliverLoadBalancerLogs"
    actions   = ["s3:PutObject"]
    resources = ["${local.arn}/AWSLogs/${local.account}/*"]

    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLikeIfExists"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:elasticloadbalancing:${local.region}:${local.account}:loadbalancer/*"]
    }
  }

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.arn, "${local.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}
