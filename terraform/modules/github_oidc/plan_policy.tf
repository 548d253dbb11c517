# The permissions of pull requests: reading the settings of the resources of stacks/service, and its states. A pull
# request's code runs with this role before any review, so the policy lists the actions that a plan needs.
# ReadOnlyAccess would also allow reading contents.

data "aws_iam_policy_document" "plan" {
  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = [var.state_bucket_arn]
  }

  statement {
    sid       = "State"
    actions   = ["s3:GetObject"]
    resources = local.state_objects
  }

  statement {
    sid       = "StateKey"
    actions   = ["kms:Decrypt"]
    resources = [var.state_kms_key_arn]
  }

  statement {
    sid       = "PublicParameters"
    actions   = ["ssm:GetParameter", "ssm:GetParameters"]
    resources = ["arn:${local.partition}:ssm:*:*:parameter/aws/service/*"]
  }

  statement {
    sid = "NamedSettings"
    actions = [
      "cloudwatch:ListTagsForResource",
      "ecr:DescribeRepositories",
      "ecr:GetLifecyclePolicy",
      "ecr:GetRepositoryPolicy",
      "ecr:ListTagsForResource",
      "iam:Get*",
      "iam:List*",
      "lambda:GetFunction*",
      "lambda:ListTags",
      "lambda:ListVersionsByFunction",
      "logs:ListTagsForResource",
      "s3:GetAccelerateConfiguration",
      "s3:GetBucket*",
      "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration",
      "s3:GetReplicationConfiguration",
      "s3:ListBucket",
      "s3:ListTagsForResource",
    ]
    resources = [for resource in [
      "cloudwatch:*:${local.account_id}:alarm:${var.name}-*",
      "ecr:*:${local.account_id}:repository/${var.name}-*",
      "iam::${local.account_id}:instance-profile/${var.name}-*",
      "iam::${local.account_id}:policy/${var.name}-*",
      "iam::${local.account_id}:role/${var.name}-*",
      "lambda:*:${local.account_id}:function:${var.name}-*",
      "logs:*:${local.account_id}:log-group:/*${var.name}-*",
      "s3:::${var.name}-*-logs-${local.account_id}",
    ] : "arn:${local.partition}:${resource}"]
  }

  statement {
    sid = "UnnamedSettings"
    actions = [
      "acm:DescribeCertificate",
      "acm:ListTagsForCertificate",
      "autoscaling:Describe*",
      "cloudwatch:DescribeAlarms",
      "ec2:Describe*",
      "elasticloadbalancing:Describe*",
      "kms:DescribeKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListAliases",
      "kms:ListResourceTags",
      "logs:DescribeLogGroups",
      "rds:Describe*",
      "rds:ListTagsForResource",
      "route53:GetChange",
      "route53:GetHostedZone",
      "route53:ListHostedZones",
      "route53:ListHostedZonesByName",
      "route53:ListResourceRecordSets",
      "route53:ListTagsForResource",
    ]
    resources = ["*"]
  }

  # No statement above allows these actions; the Deny also applies if an administrator attaches a wider policy.
  statement {
    sid    = "NoSecrets"
    effect = "Deny"
    actions = [
      "ec2:DescribeInstanceAttribute",
      "ec2:GetConsoleOutput",
      "ec2:GetConsoleScreenshot",
      "ec2:GetPasswordData",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
      "logs:FilterLogEvents",
      "logs:GetLogEvents",
      "logs:GetLogObject",
      "logs:GetLogRecord",
      "logs:GetQueryResults",
      "logs:StartLiveTail",
      "logs:StartQuery",
      "rds-db:connect",
      "rds:DownloadCompleteDBLogFile",
      "rds:DownloadDBLogFilePortion",
      "secretsmanager:BatchGetSecretValue",
      "secretsmanager:GetSecretValue",
    ]
    resources = ["*"]
  }

  # Also decryption by SSM and Secrets Manager for the caller, but not by Lambda: it returns a function's environment
  # with the caller's permissions, so that without them, every plan would set the environment again. No environment
  # contains a secret. A direct call has no kms:ViaService, and stays denied.
  statement {
    sid           = "NoKeyButTheStates"
    effect        = "Deny"
    actions       = ["kms:Decrypt"]
    not_resources = [var.state_kms_key_arn]

    condition {
      test     = "StringNotLikeIfExists"
      variable = "kms:ViaService"
      values   = ["lambda.*.${data.aws_partition.current.dns_suffix}"]
    }
  }

  statement {
    sid           = "NoObjectButTheStates"
    effect        = "Deny"
    actions       = ["s3:GetObject", "s3:GetObjectVersion"]
    not_resources = local.state_objects
  }

  # The id of the newest Amazon Linux AMI is such a public parameter.
  statement {
    sid           = "NoParameterButAmazons"
    effect        = "Deny"
    actions       = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath", "ssm:GetParameterHistory"]
    not_resources = ["arn:${local.partition}:ssm:*:*:parameter/aws/service/*"]
  }
}
