# The maximum permissions of any role of a deployment: the sum of the permissions of the app, the proxy, bootstrap,
# enhanced monitoring and flow logs. No iam:, no sts:AssumeRole: a role that a deployment creates can't create or assume
# another one.

data "aws_iam_policy_document" "boundary" {
  statement {
    sid       = "DatabaseLogins"
    actions   = ["rds-db:connect"]
    resources = ["arn:${local.partition}:rds-db:*:${local.account_id}:dbuser:*"]
  }

  statement {
    sid     = "MasterSecret"
    actions = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    resources = [for secret in ["rds!*", "${var.name}-*", "${var.name}/*"] :
      "arn:${local.partition}:secretsmanager:*:${local.account_id}:secret:${secret}"
    ]
  }

  statement {
    sid       = "KeysOfSecrets"
    actions   = ["kms:Decrypt", "kms:DescribeKey"]
    resources = ["arn:${local.partition}:kms:*:${local.account_id}:key/*"]

    condition {
      test     = "StringLike"
      variable = "kms:ViaService"
      values   = ["secretsmanager.*.${data.aws_partition.current.dns_suffix}"]
    }
  }

  statement {
    sid     = "Parameters"
    actions = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
    resources = [
      for name in var.environments : "arn:${local.partition}:ssm:*:${local.account_id}:parameter/${name}/*"
    ]
  }

  statement {
    sid       = "Image"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${local.partition}:ecr:*:${local.account_id}:repository/${var.name}-*"]
  }

  statement {
    sid = "Logs"
    actions = [
      "logs:CreateLogGroup",
      "logs:CreateLogStream",
      "logs:DescribeLogGroups",
      "logs:DescribeLogStreams",
      "logs:GetLogEvents",
      "logs:PutLogEvents",
      "logs:PutRetentionPolicy",
    ]
    resources = ["arn:${local.partition}:logs:*:${local.account_id}:*"]
  }

  # An instance completes its own launch hook.
  statement {
    sid       = "Launch"
    actions   = ["autoscaling:CompleteLifecycleAction"]
    resources = ["arn:${local.partition}:autoscaling:*:${local.account_id}:*:autoScalingGroupName/${var.name}-*"]
  }

  # These actions support no resource, or none with a name known in advance: Session Manager's agent, a function's
  # network interfaces, the login to ECR.
  statement {
    sid = "WithoutResource"
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
      "ec2:GetSecurityGroupsForVpc",
      "ec2:UnassignPrivateIpAddresses",
      "ecr:GetAuthorizationToken",
      "ssm:DescribeAssociation",
      "ssm:DescribeDocument",
      "ssm:GetDeployablePatchSnapshotForInstance",
      "ssm:GetDocument",
      "ssm:GetManifest",
      "ssm:ListAssociations",
      "ssm:ListInstanceAssociations",
      "ssm:PutComplianceItems",
      "ssm:PutConfigurePackageResult",
      "ssm:PutInventory",
      "ssm:UpdateAssociationStatus",
      "ssm:UpdateInstanceAssociationStatus",
      "ssm:UpdateInstanceInformation",
      "ssmmessages:*",
    ]
    resources = ["*"]
  }
}
