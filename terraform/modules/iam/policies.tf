# The policy documents of the roles of the app, RDS Proxy and bootstrap. The module rds_connect_policy builds those
# for rds-db:connect.

# --- app ---

data "aws_iam_policy_document" "app_run" {
  #checkov:skip=CKV_AWS_356:ecr:GetAuthorizationToken supports only the resource "*"; all other resources are named

  count = var.with_app ? 1 : 0

  statement {
    sid       = "ReadOneParameter"
    actions   = ["ssm:GetParameter", "ssm:GetParameters"]
    resources = ["arn:${local.partition}:ssm:${local.scope}:parameter${var.image_parameter}"]
  }

  # AWS checks GetParametersByPath against the path itself.
  statement {
    sid     = "ReadDatabaseParameters"
    actions = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
    resources = [
      "arn:${local.partition}:ssm:${local.scope}:parameter${var.parameter_path}",
      "arn:${local.partition}:ssm:${local.scope}:parameter${var.parameter_path}/*",
    ]
  }

  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [var.repository_arn]
  }

  # The instance reports whether its service is ready.
  statement {
    sid       = "CompleteLaunch"
    actions   = ["autoscaling:CompleteLifecycleAction"]
    resources = ["arn:${local.partition}:autoscaling:${local.scope}:autoScalingGroup:*:autoScalingGroupName/${var.name}"]
  }

  # For Docker's awslogs driver. The log group exists already, so the role can't create one.
  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.scope}:log-group:/${var.name}/app:*"]
  }
}

# Replaces AmazonSSMManagedInstanceCore, which also allows ssm:GetParameter on every parameter of the account.
data "aws_iam_policy_document" "app_session" {
  #checkov:skip=CKV_AWS_111:None of these actions can be limited to a channel or message before it exists
  #checkov:skip=CKV_AWS_356:As above

  count = var.with_app ? 1 : 0

  statement {
    sid = "SessionManager"
    actions = [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

# --- proxy ---

data "aws_iam_policy_document" "proxy" {
  count = var.with_proxy ? 1 : 0

  # End to end: as the same users as its clients.
  source_policy_documents = module.proxy_connect[*].json

  dynamic "statement" {
    for_each = length(var.proxy_secret_arns) > 0 ? [var.proxy_secret_arns] : []

    content {
      sid       = "ReadLinkedSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = statement.value
    }
  }

  # A secret under a customer-managed key needs more than the statement above.
  dynamic "statement" {
    for_each = length(var.proxy_secret_kms_key_arns) > 0 ? [var.proxy_secret_kms_key_arns] : []

    content {
      sid       = "DecryptLinkedSecrets"
      actions   = ["kms:Decrypt"]
      resources = statement.value

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${local.region}.${local.dns_suffix}"]
      }
    }
  }
}

# --- bootstrap ---

data "aws_iam_policy_document" "bootstrap_run" {
  statement {
    sid       = "ReadMasterSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.master_secret_arn]
  }

  statement {
    sid       = "DecryptMasterSecret"
    actions   = ["kms:Decrypt"]
    resources = [var.master_secret_kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${local.region}.${local.dns_suffix}"]
    }
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.scope}:log-group:/aws/lambda/${var.name}-bootstrap:*"]
  }
}

# Replaces AWSLambdaVPCAccessExecutionRole, which also allows writing to every log group.
data "aws_iam_policy_document" "bootstrap_network" {
  #checkov:skip=CKV_AWS_111:Lambda needs "*" to create the function's interfaces; the Deny excludes the function's own code
  #checkov:skip=CKV_AWS_356:As above

  statement {
    sid = "JoinVpc"
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["*"]
  }

  # The service creates the interfaces, outside the function; calls of the function's own code carry its ARN.
  statement {
    sid    = "NotByTheFunctionItself"
    effect = "Deny"
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:DetachNetworkInterface",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values   = ["arn:${local.partition}:lambda:${local.scope}:function:${var.name}-bootstrap"]
    }
  }
}
