# The policy of the log bucket: the account's load balancers can write access logs, and all requests must use TLS.

data "aws_iam_policy_document" "this" {
  # This principal works in every region, unlike the per-region load balancer accounts that it replaces. The account's
  # id in the path excludes other accounts' load balancers, as AWS documents it. AWS does not document that deliveries
  # carry their source, so the conditions apply only if it is present: a plain StringEquals would refuse every log
  # without it.
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
