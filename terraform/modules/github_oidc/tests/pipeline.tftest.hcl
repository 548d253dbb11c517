# Compares the pipeline's calls with the deploy roles' permissions. As in policies.tftest.hcl, the documents are the
# real ones, and IAM itself is not involved.
provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_iam_openid_connect_provider.existing[0]
  values = {
    arn            = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    client_id_list = ["sts.amazonaws.com"]
  }
}

variables {
  name              = "orders"
  repository        = "example/orders"
  environments      = ["dev", "prod"]
  state_bucket_arn  = "arn:aws:s3:::orders-state-123456789012"
  state_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  create_provider   = false
  promotions        = { prod = "dev" }
  zones             = { prod = "Z0123456789ABCDEFGHIJ" }
}

# The calls of `cargo xtask deploy`, `promote`, `rollback` and `destroy` besides Terraform, each with its action and the
# resource that AWS checks. Resources are compared as in IAM; conditions contain only the region and the deployment's
# own tags.
run "pipeline_calls" {
  command = plan

  assert {
    condition = length([
      for call in [
        # ecr-push
        ["ecr:GetAuthorizationToken", "*"],
        ["ecr:BatchCheckLayerAvailability", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-prod"],
        ["ecr:InitiateLayerUpload", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-prod"],
        ["ecr:UploadLayerPart", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-prod"],
        ["ecr:CompleteLayerUpload", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-prod"],
        ["ecr:PutImage", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-prod"],
        ["ecr:BatchGetImage", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-prod"],
        ["ecr:GetDownloadUrlForLayer", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-prod"],
        ["ecr:DescribeImages", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-prod"],
        ["ecr:DescribeImageScanFindings", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-prod"],
        ["ecr:DescribeRepositories", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-prod"],
        # promote: the source of the image
        ["ecr:BatchCheckLayerAvailability", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-dev"],
        ["ecr:BatchGetImage", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-dev"],
        ["ecr:GetDownloadUrlForLayer", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-dev"],
        ["ecr:DescribeImages", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-dev"],
        ["ssm:GetParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/dev/app/image"],
        # parameters, rollout, rollback
        ["ssm:GetParametersByPath", "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/database"],
        ["ssm:PutParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/database/endpoint"],
        ["ssm:DeleteParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/database/endpoint"],
        ["ssm:GetParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/app/image"],
        ["ssm:PutParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/app/image"],
        ["ssm:GetParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/app/previous-image"],
        ["ssm:PutParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/app/previous-image"],
        ["ssm:DeleteParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/app/previous-image"],
        ["autoscaling:DescribeAutoScalingGroups", "*"],
        ["autoscaling:DescribeInstanceRefreshes", "*"],
        [
          "autoscaling:StartInstanceRefresh",
          "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:0a1b:autoScalingGroupName/orders-prod",
        ],
        [
          "autoscaling:CancelInstanceRefresh",
          "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:0a1b:autoScalingGroupName/orders-prod",
        ],
        ["elasticloadbalancing:DescribeTargetGroups", "*"],
        ["elasticloadbalancing:DescribeTargetHealth", "*"],
        # proxy-auth
        ["rds:DescribeDBProxies", "arn:aws:rds:eu-west-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890"],
        ["rds:ModifyDBProxy", "arn:aws:rds:eu-west-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890"],
        # bootstrap
        ["lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:123456789012:function:orders-prod-bootstrap"],
        # smoke
        ["ssm:SendCommand", "arn:aws:ec2:eu-west-1:123456789012:instance/i-0a1b2c3d4e5f67890"],
        ["ssm:SendCommand", "arn:aws:ssm:eu-west-1::document/AWS-RunShellScript"],
        ["ssm:GetCommandInvocation", "*"],
        # Terraform: alarms, and the alarms that EC2 Auto Scaling creates itself for target tracking
        ["cloudwatch:PutMetricAlarm", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:orders-prod-database-storage"],
        ["cloudwatch:DescribeAlarms", "*"],
        ["cloudwatch:TagResource", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:orders-prod-database-storage"],
        ["cloudwatch:PutMetricAlarm", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:TargetTracking-orders-prod-AlarmHigh-0a1b"],
        ["cloudwatch:DeleteAlarms", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:TargetTracking-orders-prod-AlarmHigh-0a1b"],
        [
          "autoscaling:PutLifecycleHook",
          "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:0a1b:autoScalingGroupName/orders-prod",
        ],
        ["route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"],
        # destroy: a snapshot needs permissions on both, so its name begins with the instance's
        ["rds:DescribeDBSnapshots", "arn:aws:rds:eu-west-1:123456789012:snapshot:orders-prod-final-20261127"],
        ["rds:CreateDBSnapshot", "arn:aws:rds:eu-west-1:123456789012:snapshot:orders-prod-final-20261127"],
        ["rds:CreateDBSnapshot", "arn:aws:rds:eu-west-1:123456789012:db:orders-prod"],
        ["rds:AddTagsToResource", "arn:aws:rds:eu-west-1:123456789012:snapshot:orders-prod-final-20261127"],
        # Aurora, a proxy's endpoint for readers, and the jump host
        ["rds:CreateDBCluster", "arn:aws:rds:eu-west-1:123456789012:cluster:orders-prod"],
        ["rds:CreateDBInstance", "arn:aws:rds:eu-west-1:123456789012:db:orders-prod-one"],
        ["rds:CreateDBClusterEndpoint", "arn:aws:rds:eu-west-1:123456789012:cluster-endpoint:orders-prod-reports"],
        ["rds:CreateDBClusterParameterGroup", "arn:aws:rds:eu-west-1:123456789012:cluster-pg:orders-prod-2026"],
        ["rds:DescribeDBClusterSnapshots", "arn:aws:rds:eu-west-1:123456789012:cluster-snapshot:orders-prod-final-20261127"],
        ["rds:CreateDBClusterSnapshot", "arn:aws:rds:eu-west-1:123456789012:cluster-snapshot:orders-prod-final-20261127"],
        ["rds:CreateDBClusterSnapshot", "arn:aws:rds:eu-west-1:123456789012:cluster:orders-prod"],
        ["rds:AddTagsToResource", "arn:aws:rds:eu-west-1:123456789012:cluster-snapshot:orders-prod-final-20261127"],
        ["rds:CreateDBProxyEndpoint", "arn:aws:rds:eu-west-1:123456789012:db-proxy-endpoint:prx-endpoint-0a1b2c3d4e5f67890"],
        ["logs:PutRetentionPolicy", "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/rds/cluster/orders-prod/postgresql"],
        ["ec2:RunInstances", "arn:aws:ec2:eu-west-1:123456789012:instance/*"],
        ["ec2:ModifyInstanceMetadataOptions", "arn:aws:ec2:eu-west-1:123456789012:instance/i-0a1b2c3d4e5f67890"],
        ["ec2:TerminateInstances", "arn:aws:ec2:eu-west-1:123456789012:instance/i-0a1b2c3d4e5f67890"],
        ["iam:CreatePolicy", "arn:aws:iam::123456789012:policy/orders-prod-tunnel"],
        ["iam:CreateInstanceProfile", "arn:aws:iam::123456789012:instance-profile/orders-prod-jump-host"],
        ] : call if !anytrue(flatten([
          for key in ["state", "iam", "services"] : [
            for statement in jsondecode(aws_iam_role_policy.deploy["prod/${key}"].policy).Statement : (
              statement.Effect == "Allow"
              && anytrue([
                for action in flatten([statement.Action]) : can(regex("^${replace(action, "*", ".*")}$", call[0]))
              ])
              && anytrue([
                for resource in flatten([statement.Resource]) : can(regex("^${replace(resource, "*", ".*")}$", call[1]))
              ])
            ) if statement.Effect == "Allow"
          ]
      ]))
    ]) == 0
    error_message = "A call of the pipeline is not allowed."
  }

  # The same comparison with another environment's repository, parameters, instances and database, which must fail.
  assert {
    condition = length([
      for call in [
        ["route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z9999999999ZZZZZZZZZZ"],
        ["ssm:SendCommand", "arn:aws:ssm:eu-west-1::document/AWS-RunRemoteScript"],
        ["cloudwatch:PutMetricAlarm", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:orders-dev-database-storage"],
        ["ecr:PutImage", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-dev"],
        ["ecr:BatchDeleteImage", "arn:aws:ecr:eu-west-1:123456789012:repository/orders-dev"],
        ["ssm:PutParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/dev/app/image"],
        ["ssm:GetParameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/dev/database/endpoint"],
        ["s3:GetObject", "arn:aws:s3:::orders-state-123456789012/dev/mysql.tfstate"],
        [
          "autoscaling:StartInstanceRefresh",
          "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:0a1b:autoScalingGroupName/orders-dev",
        ],
        ["lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:123456789012:function:orders-dev-bootstrap"],
        ["rds:CreateDBSnapshot", "arn:aws:rds:eu-west-1:123456789012:db:orders-dev"],
        ["rds:CreateDBSnapshot", "arn:aws:rds:eu-west-1:123456789012:snapshot:final"],
        ["rds:CreateDBClusterSnapshot", "arn:aws:rds:eu-west-1:123456789012:cluster:orders-dev"],
        ["rds:CreateDBClusterSnapshot", "arn:aws:rds:eu-west-1:123456789012:cluster-snapshot:final"],
        ["rds:DeleteDBCluster", "arn:aws:rds:eu-west-1:123456789012:cluster:orders-dev"],
        ["logs:DeleteLogGroup", "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/rds/cluster/orders-dev/postgresql"],
        ["iam:CreatePolicy", "arn:aws:iam::123456789012:policy/orders-dev-tunnel"],
        ["secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-0a1b"],
        ] : call if anytrue(flatten([
          for key in ["state", "iam", "services"] : [
            for statement in jsondecode(aws_iam_role_policy.deploy["prod/${key}"].policy).Statement : (
              anytrue([
                for action in flatten([statement.Action]) : can(regex("^${replace(action, "*", ".*")}$", call[0]))
              ])
              && anytrue([
                for resource in flatten([statement.Resource]) : can(regex("^${replace(resource, "*", ".*")}$", call[1]))
              ])
            ) if statement.Effect == "Allow"
          ]
      ]))
    ]) == 0
    error_message = "The deploy role of one environment can change another environment's resource."
  }
}

# Only in one direction: the target reads from the source, and the source has no access to the target.
run "promotions" {
  command = plan

  assert {
    condition = {
      for statement in flatten([
        for key in ["state", "services"] : jsondecode(aws_iam_role_policy.deploy["prod/${key}"].policy).Statement
      ]) : statement.Sid => [toset(flatten([statement.Action])), statement.Resource]
      if length(regexall("orders-dev|/dev/", jsonencode(try(statement.Resource, "")))) > 0
      } == {
      PromotedImages = [
        toset([
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer",
        ]),
        "arn:aws:ecr:*:123456789012:repository/orders-dev",
      ]
      PromotedParameter = [
        toset(["ssm:GetParameter", "ssm:GetParameters"]),
        "arn:aws:ssm:*:123456789012:parameter/dev/app/image",
      ]
    }
    error_message = "In the source environment, prod reads only images and the image parameter."
  }

  assert {
    condition = length(regexall("orders-prod|/prod/|\"prod\"", join("", [
      for key in ["state", "iam", "services"] : aws_iam_role_policy.deploy["dev/${key}"].policy
    ]))) == 0
    error_message = "The deploy role of dev contains no resource of prod, although prod uses its images."
  }
}
