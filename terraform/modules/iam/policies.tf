# --- app ---

data "aws_iam_policy_document" "app_run" {
  #checkov:skip=CKV_AWS_356:ecr:GetAuthorizationToken takes no resource but "*"; all else here is named

  statement {
    sid       = "ReadOneParameter"
    actions   = ["ssm:GetParameter", "ssm:GetParameters"]
    resources = ["arn:${local.partition}:ssm:${local.scope}:parameter${var.image_parameter}"]
  }

  # The path itself is what GetParametersByPath is checked against.
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

  # The instance says by itself that its service is ready, or that it is not.
  statement {
    sid       = "CompleteLaunch"
    actions   = ["autoscaling:CompleteLifecycleAction"]
    resources = ["arn:${local.partition}:autoscaling:${local.scope}:autoScalingGroup:*:autoScalingGroupName/${var.name}"]
  }

  # Docker's awslogs driver; the group is there before, so nothing needs to make one.
  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.scope}:log-group:/${var.name}/app:*"]
  }
}

# In place of AmazonSSMManagedInstanceCore, which also allows ssm:GetParameter on every parameter of the account.
data "aws_iam_policy_document" "app_session" {
  #checkov:skip=CKV_AWS_111:None of these actions can be limited to a channel or message before there is one
  #checkov:skip=CKV_AWS_356:As above

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
  # End to end: as the same users that its clients log in as.
  source_policy_documents = module.proxy_connect[*].json

  dynamic "statement" {
    for_each = length(var.proxy_secret_arns) > 0 ? [var.proxy_secret_arns] : []

    content {
      sid       = "ReadLinkedSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = statement.value
    }
  }

  # A secret under a customer's key can't be read with the statement above alone.
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

# In place of AWSLambdaVPCAccessExecutionRole, which also allows to write to every log group.
data "aws_iam_policy_document" "bootstrap_network" {
  #checkov:skip=CKV_AWS_111:Lambda needs "*" to make the function's interfaces; the Deny takes it from its own code
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

  # The service makes the interfaces, outside the function; calls of the function's own code carry its ARN.
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
