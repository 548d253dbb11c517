# What the deploy role may do: deployments are named `<name>-<environment>`, so wherever AWS puts names into ARNs, what
# it may touch ends there. Three documents, for one role's inline policies may have 10,240 characters together.

data "aws_iam_policy_document" "deploy_state" {
  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = [var.state_bucket_arn]
  }

  statement {
    sid       = "ReadAndWriteState"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${var.state_bucket_arn}/*"]
  }

  # The lock alone: a state is replaced, never deleted.
  statement {
    sid       = "ReleaseLock"
    actions   = ["s3:DeleteObject"]
    resources = ["${var.state_bucket_arn}/*.tflock"]
  }

  statement {
    sid       = "StateKey"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
    resources = [var.state_kms_key_arn]
  }

  # Keys have no names in their ARNs, so DeploymentKeys below would reach this one.
  statement {
    sid         = "KeepStateKey"
    effect      = "Deny"
    not_actions = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
    resources   = [var.state_kms_key_arn]
  }
}

data "aws_iam_policy_document" "deploy_iam" {
  statement {
    sid       = "ReadRoles"
    actions   = ["iam:Get*", "iam:List*"]
    resources = [for kind in ["role", "policy", "instance-profile"] : "${local.iam}:${kind}/${var.name}-*"]
  }

  # Whatever gives a role rights asks for the boundary. Taking a boundary away is allowed nowhere.
  statement {
    sid = "BoundedRoles"
    actions = [
      "iam:AttachRolePolicy",
      "iam:CreateRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:PutRolePermissionsBoundary",
      "iam:PutRolePolicy",
    ]
    resources = ["${local.iam}:role/${var.name}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [local.boundary_arn]
    }
  }

  # What IAM knows no boundary condition for.
  statement {
    sid = "NamedRoles"
    actions = [
      "iam:DeleteRole",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
      "iam:UpdateRoleDescription",
    ]
    resources = ["${local.iam}:role/${var.name}-*"]
  }

  statement {
    sid = "PoliciesAndProfiles"
    actions = [
      "iam:AddRoleToInstanceProfile",
      "iam:CreateInstanceProfile",
      "iam:CreatePolicy",
      "iam:CreatePolicyVersion",
      "iam:DeleteInstanceProfile",
      "iam:DeletePolicy",
      "iam:DeletePolicyVersion",
      "iam:RemoveRoleFromInstanceProfile",
      "iam:TagInstanceProfile",
      "iam:TagPolicy",
      "iam:UntagInstanceProfile",
      "iam:UntagPolicy",
    ]
    resources = [for kind in ["policy", "instance-profile"] : "${local.iam}:${kind}/${var.name}-*"]
  }

  statement {
    sid       = "PassRoles"
    actions   = ["iam:PassRole"]
    resources = ["${local.iam}:role/${var.name}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values = distinct([
        "ec2.${data.aws_partition.current.dns_suffix}",
        "ec2.amazonaws.com",
        "lambda.amazonaws.com",
        "monitoring.rds.amazonaws.com",
        "rds.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
      ])
    }
  }

  statement {
    sid       = "ServiceLinkedRoles"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["${local.iam}:role/aws-service-role/*"]

    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values   = ["autoscaling.amazonaws.com", "elasticloadbalancing.amazonaws.com", "rds.amazonaws.com"]
    }
  }

  # The name's prefix matches these four too: an administrator changes them, by stacks/account.
  statement {
    sid         = "KeepOut"
    effect      = "Deny"
    not_actions = ["iam:Get*", "iam:List*"]
    resources = [
      "${local.iam}:role/${local.plan_role_name}",
      "${local.iam}:role/${local.deploy_role_name}",
      local.boundary_arn,
      "${local.iam}:oidc-provider/${local.issuer}",
    ]
  }
}

data "aws_iam_policy_document" "deploy_services" {
  # By name, as far as names go. Proxies and their target groups have an id where others have a name.
  statement {
    sid = "NamedResources"
    actions = [
      "autoscaling:*",
      "ecr:*",
      "elasticloadbalancing:*",
      "lambda:*",
      "logs:*",
      "rds:*",
      "s3:*",
    ]
    resources = [for resource in [
      "autoscaling:*:${local.account_id}:*:autoScalingGroupName/${var.name}-*",
      "ecr:*:${local.account_id}:repository/${var.name}-*",
      "elasticloadbalancing:*:${local.account_id}:*/${var.name}-*",
      "lambda:*:${local.account_id}:function:${var.name}-*",
      "logs:*:${local.account_id}:log-group:*${var.name}-*",
      "rds:*:${local.account_id}:*:${var.name}-*",
      "rds:*:${local.account_id}:*:default*",
      "rds:*:${local.account_id}:db-proxy:*",
      "rds:*:${local.account_id}:target-group:*",
      "s3:::${var.name}-*-logs-${local.account_id}",
      "s3:::${var.name}-*-logs-${local.account_id}/*",
    ] : "arn:${local.partition}:${resource}"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  statement {
    sid = "Parameters"
    actions = [
      "ssm:AddTagsToResource",
      "ssm:DeleteParameter",
      "ssm:DeleteParameters",
      "ssm:GetParameter",
      "ssm:GetParameters",
      "ssm:GetParametersByPath",
      "ssm:ListTagsForResource",
      "ssm:PutParameter",
      "ssm:RemoveTagsFromResource",
    ]
    resources = [
      for name in var.environments : "arn:${local.partition}:ssm:*:${local.account_id}:parameter/${name}/*"
    ]
  }

  statement {
    sid       = "PublicParameters"
    actions   = ["ssm:GetParameter", "ssm:GetParameters"]
    resources = ["arn:${local.partition}:ssm:*:*:parameter/aws/service/*"]
  }

  # RDS makes the master secret in the caller's name. Reading it is another matter: see NoLogins.
  statement {
    sid = "MasterSecret"
    actions = [
      "secretsmanager:CreateSecret",
      "secretsmanager:DescribeSecret",
      "secretsmanager:RotateSecret",
      "secretsmanager:TagResource",
    ]
    resources = ["arn:${local.partition}:secretsmanager:*:${local.account_id}:secret:rds!*"]
  }

  # What has no name of ours in its ARN: the network, keys, certificates, and lists of things.
  statement {
    sid = "UnnamedResources"
    actions = [
      "acm:AddTagsToCertificate",
      "acm:DeleteCertificate",
      "acm:DescribeCertificate",
      "acm:ListTagsForCertificate",
      "acm:RemoveTagsFromCertificate",
      "acm:RequestCertificate",
      "autoscaling:Describe*",
      "ec2:*Address*",
      "ec2:*FlowLogs",
      "ec2:*InternetGateway*",
      "ec2:*LaunchTemplate*",
      "ec2:*NatGateway*",
      "ec2:*NetworkAcl*",
      "ec2:*NetworkInterface*",
      "ec2:*PrefixList*",
      "ec2:*Route*",
      "ec2:*SecurityGroup*",
      "ec2:*Subnet*",
      "ec2:*Tags",
      "ec2:*Vpc*",
      "ec2:Describe*",
      "ec2:RunInstances",
      "ecr:GetAuthorizationToken",
      "elasticloadbalancing:Describe*",
      "logs:Describe*",
      "rds:Describe*",
      "ssm:DescribeParameters",
    ]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  statement {
    sid = "DeploymentKeys"
    actions = [
      "kms:CancelKeyDeletion",
      "kms:CreateAlias",
      "kms:CreateGrant",
      "kms:CreateKey",
      "kms:Decrypt",
      "kms:DeleteAlias",
      "kms:DescribeKey",
      "kms:EnableKeyRotation",
      "kms:GenerateDataKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:List*",
      "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateAlias",
      "kms:UpdateKeyDescription",
    ]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }
  }

  # Route 53 is one service for the world.
  statement {
    sid = "Names"
    actions = [
      "route53:ChangeResourceRecordSets",
      "route53:GetChange",
      "route53:GetHostedZone",
      "route53:ListHostedZones",
      "route53:ListHostedZonesByName",
      "route53:ListResourceRecordSets",
      "route53:ListTagsForResource",
    ]
    resources = ["*"]
  }

  # Deploying takes no look into the database. Its users are made by bootstrap, in its own role.
  statement {
    sid    = "NoLogins"
    effect = "Deny"
    actions = [
      "rds-db:connect",
      "secretsmanager:BatchGetSecretValue",
      "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
    ]
    resources = ["*"]
  }
}
