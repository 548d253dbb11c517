# The permissions of a deploy role. Its deployment is named `<name>-<environment>` (each.value), and its statements are
# limited to this prefix wherever AWS puts names into ARNs. A role's inline policies are limited to 10,240 characters in
# total.

data "aws_iam_policy_document" "deploy_state" {
  for_each = local.deployments

  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = [var.state_bucket_arn]
  }

  statement {
    sid       = "UseState"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${var.state_bucket_arn}/${each.key}/*"]
  }

  # Only the lock: a state is replaced, never deleted.
  statement {
    sid       = "ReleaseLock"
    actions   = ["s3:DeleteObject"]
    resources = ["${var.state_bucket_arn}/${each.key}/*.tflock"]
  }

  statement {
    sid       = "StateKey"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
    resources = [var.state_kms_key_arn]
  }

  # Keys have no names in their ARNs: nothing below reaches this one.
  statement {
    sid         = "KeepStateKey"
    effect      = "Deny"
    not_actions = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
    resources   = [var.state_kms_key_arn]
  }
}

data "aws_iam_policy_document" "deploy_iam" {
  for_each = local.deployments

  statement {
    sid       = "ReadRoles"
    actions   = ["iam:Get*", "iam:List*"]
    resources = [for kind in ["role", "policy", "instance-profile"] : "${local.iam}:${kind}/${each.value}-*"]
  }

  # For the pipeline's preflight, which checks for missing permissions before it changes anything.
  statement {
    sid       = "AskAboutItself"
    actions   = ["iam:SimulatePrincipalPolicy"]
    resources = ["${local.iam}:role/${var.name}-deploy-${each.key}"]
  }

  # Every action that grants permissions to a role requires the boundary. No statement allows removing a boundary.
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
    resources = ["${local.iam}:role/${each.value}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [local.boundary_arn]
    }
  }

  # Actions without a boundary condition in IAM. A deployment does not change a role's trust policy.
  statement {
    sid = "NamedRoles"
    actions = [
      "iam:DeleteRole",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateRole",
      "iam:UpdateRoleDescription",
    ]
    resources = ["${local.iam}:role/${each.value}-*"]
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
    resources = [for kind in ["policy", "instance-profile"] : "${local.iam}:${kind}/${each.value}-*"]
  }

  statement {
    sid       = "PassRoles"
    actions   = ["iam:PassRole"]
    resources = ["${local.iam}:role/${each.value}-*"]

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
    sid       = "LinkedRoles"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["${local.iam}:role/aws-service-role/*"]

    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values   = ["autoscaling.amazonaws.com", "elasticloadbalancing.amazonaws.com", "rds.amazonaws.com"]
    }
  }

  # Resources of the account and of all its projects: an administrator changes them, through stacks/account.
  statement {
    sid         = "KeepOut"
    effect      = "Deny"
    not_actions = ["iam:Get*", "iam:List*", "iam:SimulatePrincipalPolicy"]
    resources = [
      "${local.iam}:role/*-plan",
      "${local.iam}:role/*-deploy-*",
      "${local.iam}:policy/*-boundary",
      "${local.iam}:oidc-provider/${local.issuer}",
    ]
  }
}

data "aws_iam_policy_document" "deploy_services" {
  for_each = local.deployments

  # By name if possible. The ARNs of proxies and their target groups contain an id instead of a name: tags identify
  # their owner.
  statement {
    sid = "NamedResources"
    actions = [
      "autoscaling:*",
      "cloudwatch:*",
      "ecr:*",
      "elasticloadbalancing:*",
      "lambda:*",
      "logs:*",
      "rds:*",
      "s3:*",
    ]
    resources = [for resource in [
      "autoscaling:*:${local.account_id}:*:autoScalingGroupName/${each.value}",
      "cloudwatch:*:${local.account_id}:alarm:${each.value}-*",
      "cloudwatch:*:${local.account_id}:alarm:TargetTracking-${each.value}-*",
      "ecr:*:${local.account_id}:repository/${each.value}",
      "elasticloadbalancing:*:${local.account_id}:*/${each.value}-*",
      "elasticloadbalancing:*:${local.account_id}:*/${each.value}/*",
      "lambda:*:${local.account_id}:function:${each.value}-*",
      "logs:*:${local.account_id}:log-group:/${each.value}/*",
      "logs:*:${local.account_id}:log-group:/aws/lambda/${each.value}-*",
      "logs:*:${local.account_id}:log-group:/aws/rds/*/${each.value}/*",
      "logs:*:${local.account_id}:log-group:/aws/rds/proxy/${each.value}",
      "logs:*:${local.account_id}:log-group:/aws/rds/proxy/${each.value}:*",
      "logs:*:${local.account_id}:log-group:/vpc/${each.value}/*",
      "rds:*:${local.account_id}:*:${each.value}",
      "rds:*:${local.account_id}:*:${each.value}-*",
      "rds:*:${local.account_id}:db-proxy*:*",
      "rds:*:${local.account_id}:og:default*",
      "rds:*:${local.account_id}:pg:default*",
      "rds:*:${local.account_id}:target-group:*",
      "s3:::${each.value}-logs-${local.account_id}",
      "s3:::${each.value}-logs-${local.account_id}/*",
    ] : "arn:${local.partition}:${resource}"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }

    dynamic "condition" {
      for_each = local.own_tags[each.key]

      content {
        test     = "StringEqualsIfExists"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid = "Parameters"
    actions = [
      "ssm:AddTagsToResource",
      "ssm:DeleteParameter*",
      "ssm:GetParameter*",
      "ssm:ListTagsForResource",
      "ssm:PutParameter",
      "ssm:RemoveTagsFromResource",
    ]
    resources = ["arn:${local.partition}:ssm:*:${local.account_id}:parameter/${each.key}/*"]
  }

  statement {
    sid       = "PublicParameters"
    actions   = ["ssm:GetParameter", "ssm:GetParameters"]
    resources = ["arn:${local.partition}:ssm:*:*:parameter/aws/service/*"]
  }

  # For promotions to this environment: read access to the source repository, and to the source's image parameter. A
  # copy does not change the source.
  dynamic "statement" {
    for_each = local.sources[each.key]

    content {
      sid = "PromotedImages"
      actions = [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecr:GetDownloadUrlForLayer",
      ]
      resources = ["arn:${local.partition}:ecr:*:${local.account_id}:repository/${var.name}-${statement.value}"]
    }
  }

  dynamic "statement" {
    for_each = local.sources[each.key]

    content {
      sid       = "PromotedParameter"
      actions   = ["ssm:GetParameter", "ssm:GetParameters"]
      resources = ["arn:${local.partition}:ssm:*:${local.account_id}:parameter/${statement.value}/app/image"]
    }
  }

  # RDS creates the master secret with the caller's permissions.
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

  # Resources without the deployment's name in their ARN: the network, certificates, and lists. Resources with another
  # deployment's tags are excluded.
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
      "cloudwatch:DescribeAlarms",
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
      "kms:ListAliases",
      "logs:Describe*",
      "rds:CreateDBProxy",
      "rds:Describe*",
      "ssm:DescribeParameters",
      "ssm:GetCommandInvocation",
    ]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }

    dynamic "condition" {
      for_each = local.own_tags[each.key]

      content {
        test     = "StringEqualsIfExists"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  # Keys are identified by the tags that stacks/service sets on all its resources. The tags of a key with other values
  # can't be overwritten.
  statement {
    sid       = "MakeKeys"
    actions   = ["kms:CreateKey", "kms:TagResource"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }

    dynamic "condition" {
      for_each = local.own_tags[each.key]

      content {
        test     = "StringEquals"
        variable = "aws:RequestTag/${condition.key}"
        values   = [condition.value]
      }
    }

    dynamic "condition" {
      for_each = local.own_tags[each.key]

      content {
        test     = "StringEqualsIfExists"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid = "DeploymentKeys"
    actions = [
      "kms:*Alias",
      "kms:CancelKeyDeletion",
      "kms:CreateGrant",
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:EnableKeyRotation",
      "kms:GenerateDataKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListResourceTags",
      "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateKeyDescription",
    ]
    resources = ["arn:${local.partition}:kms:*:${local.account_id}:key/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = local.regions
    }

    dynamic "condition" {
      for_each = local.own_tags[each.key]

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  # AWS checks an action on an alias twice: on the alias, and on the key above.
  statement {
    sid       = "Aliases"
    actions   = ["kms:*Alias"]
    resources = ["arn:${local.partition}:kms:*:${local.account_id}:alias/${each.value}-*"]
  }

  # Route 53 is a global service. An endpoint with private DNS associates AWS's own zone with the VPC.
  statement {
    sid = "Names"
    actions = [
      "route53:AssociateVPCWithHostedZone",
      "route53:GetChange",
      "route53:GetHostedZone",
      "route53:ListHostedZones",
      "route53:ListHostedZonesByName",
      "route53:ListResourceRecordSets",
      "route53:ListTagsForResource",
    ]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = local.zones[each.key]

    content {
      sid       = "OwnZone"
      actions   = ["route53:ChangeResourceRecordSets"]
      resources = [statement.value]
    }
  }

  # The jump host. Instances without the deployment's tags are excluded.
  statement {
    sid       = "JumpHost"
    actions   = ["ec2:*Instances", "ec2:ModifyInstance*"]
    resources = ["arn:${local.partition}:ec2:*:${local.account_id}:instance/*"]

    dynamic "condition" {
      for_each = local.own_tags[each.key]

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  # For the stage smoke, which reads the app's identity on an instance. A deploy role controls the code on instances
  # anyway.
  statement {
    sid       = "RunCommand"
    actions   = ["ssm:SendCommand"]
    resources = ["arn:${local.partition}:ec2:*:${local.account_id}:instance/*"]

    dynamic "condition" {
      for_each = local.own_tags[each.key]

      content {
        test     = "StringEquals"
        variable = "ssm:resourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid       = "RunDocument"
    actions   = ["ssm:SendCommand"]
    resources = ["arn:${local.partition}:ssm:*::document/AWS-RunShellScript"]
  }

  # With its own credentials. The code that it deploys runs in roles with these permissions: see README.
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
