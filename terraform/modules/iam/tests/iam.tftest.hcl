# Tests of the module iam: the policies of each role. The provider builds the policy documents itself, without an
# account; the caller's identity is overridden.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws", dns_suffix = "amazonaws.com" }
}

override_data {
  target = data.aws_region.current
  values = { id = "us-east-1", name = "us-east-1" }
}

override_data {
  target = module.app_connect[0].data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.proxy_connect[0].data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = module.bootstrap_connect.data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

variables {
  name                      = "orders-dev"
  database_users            = ["node_app"]
  proxy_resource_id         = "prx-0a1b2c3d4e5f67890"
  proxy_authentication      = "iam"
  database_resource_id      = "db-ABCDEFGHIJKLMNOPQRSTUVWX12"
  database_admin_user       = "iam_admin"
  master_secret_arn         = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
  master_secret_kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
  parameter_path            = "/dev/database"
  image_parameter           = "/dev/app/image"
  repository_arn            = "arn:aws:ecr:us-east-1:123456789012:repository/orders-dev"
}

run "readme" {
  command = plan

  variables {
    name                      = "orders-dev"
    database_users            = ["node_app"]
    proxy_resource_id         = "prx-0a1b2c3d4e5f67890"
    proxy_authentication      = "iam"
    database_resource_id      = "db-ABCDEFGHIJKLMNOPQRSTUVWX12"
    database_admin_user       = "iam_admin"
    master_secret_arn         = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
    master_secret_kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
    parameter_path            = "/dev/database"
    image_parameter           = "/dev/app/image"
    repository_arn            = "arn:aws:ecr:us-east-1:123456789012:repository/orders-dev"
  }

  assert {
    condition = [
      aws_iam_role.app[0].name, aws_iam_role.proxy[0].name, aws_iam_role.bootstrap.name, aws_iam_instance_profile.app[0].role,
    ] == ["orders-dev-app", "orders-dev-proxy", "orders-dev-bootstrap", "orders-dev-app"]
    error_message = "three roles, and a profile for the app's"
  }

  assert {
    condition = output.app_role_name == "orders-dev-app" && output.proxy_role_name == "orders-dev-proxy" && (
      output.instance_profile_name == "orders-dev-app"
    )
    error_message = "the outputs are the names"
  }

  assert {
    condition = {
      for name, document in data.aws_iam_policy_document.trust : name => [
        for statement in jsondecode(document.json).Statement :
        "${statement.Effect} ${statement.Action} ${jsonencode(statement.Principal)}"
      ]
      } == {
      app       = ["Allow sts:AssumeRole {\"Service\":\"ec2.amazonaws.com\"}"]
      bootstrap = ["Allow sts:AssumeRole {\"Service\":\"lambda.amazonaws.com\"}"]
      proxy     = ["Allow sts:AssumeRole {\"Service\":\"rds.amazonaws.com\"}"]
    }
    error_message = "each role trusts only the service that uses it"
  }
}

run "app" {
  command = plan

  variables {
    database_users = ["node_app", "node_reader"]
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.app_connect[0].policy).Statement :
      join(" ", flatten([statement.Action])) => join(" ", sort(flatten([statement.Resource])))
      } == {
      "rds-db:connect" = join(" ", [
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/node_app",
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/node_reader",
      ])
    }
    error_message = "the app logs in to the proxy, as its users: ${aws_iam_role_policy.app_connect[0].policy}"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.app_run[0].policy).Statement : statement.Sid => [
        statement.Effect, join(" ", sort(flatten([statement.Action]))), join(" ", sort(flatten([statement.Resource]))),
      ]
      } == {
      ReadOneParameter = [
        "Allow", "ssm:GetParameter ssm:GetParameters",
        "arn:aws:ssm:us-east-1:123456789012:parameter/dev/app/image",
      ]
      ReadDatabaseParameters = [
        "Allow", "ssm:GetParameter ssm:GetParameters ssm:GetParametersByPath",
        join(" ", [
          "arn:aws:ssm:us-east-1:123456789012:parameter/dev/database",
          "arn:aws:ssm:us-east-1:123456789012:parameter/dev/database/*",
        ]),
      ]
      LogInToRegistry = ["Allow", "ecr:GetAuthorizationToken", "*"]
      PullImage = [
        "Allow", "ecr:BatchCheckLayerAvailability ecr:BatchGetImage ecr:GetDownloadUrlForLayer",
        "arn:aws:ecr:us-east-1:123456789012:repository/orders-dev",
      ]
      CompleteLaunch = [
        "Allow", "autoscaling:CompleteLifecycleAction",
        "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:*:autoScalingGroupName/orders-dev",
      ]
      WriteLog = [
        "Allow", "logs:CreateLogStream logs:PutLogEvents",
        "arn:aws:logs:us-east-1:123456789012:log-group:/orders-dev/app:*",
      ]
    }
    error_message = "only parameters, image, launch and log of this app: ${aws_iam_role_policy.app_run[0].policy}"
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.app_session[0].policy).Statement : statement.Action
      ])) == toset([
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ])
    error_message = "Session Manager, and no ssm:GetParameter: ${aws_iam_role_policy.app_session[0].policy}"
  }
}

run "proxy_end_to_end" {
  command = plan

  variables {
    database_users = ["node_app", "node_reader"]
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.proxy[0].policy).Statement :
      join(" ", flatten([statement.Action])) => join(" ", sort(flatten([statement.Resource])))
      } == {
      "rds-db:connect" = join(" ", [
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX12/node_app",
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX12/node_reader",
      ])
    }
    error_message = "end to end: the database, as the app's users, and no secret: ${aws_iam_role_policy.proxy[0].policy}"
  }
}

run "proxy_with_secrets" {
  command = plan

  variables {
    proxy_authentication = "secret"
    proxy_secret_arns    = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"]
    proxy_secret_kms_key_arns = [
      "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
    ]
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.proxy[0].policy).Statement :
      statement.Action => "${statement.Resource} ${jsonencode(try(statement.Condition, null))}"
      } == {
      "secretsmanager:GetSecretValue" = join(" ", [
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf", "null",
      ])
      "kms:Decrypt" = join(" ", [
        "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
        jsonencode({ StringEquals = { "kms:ViaService" = "secretsmanager.us-east-1.amazonaws.com" } }),
      ])
    }
    error_message = "the linked secret and its key, and no rds-db:connect: ${aws_iam_role_policy.proxy[0].policy}"
  }
}

# AWS's migration: first both permissions, then the proxy is switched, then the secret is removed.
run "proxy_migrating" {
  command = plan

  variables {
    proxy_secret_arns = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"]
  }

  assert {
    condition = toset([
      for statement in jsondecode(aws_iam_role_policy.proxy[0].policy).Statement : statement.Action
    ]) == toset(["rds-db:connect", "secretsmanager:GetSecretValue"])
    error_message = "both, if a secret is linked to an end-to-end proxy: ${aws_iam_role_policy.proxy[0].policy}"
  }
}

run "bootstrap" {
  command = plan

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.bootstrap_connect.policy).Statement :
      statement.Action => statement.Resource
      } == {
      "rds-db:connect" = "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX12/iam_admin"
    }
    error_message = "directly to the database, as the admin: ${aws_iam_role_policy.bootstrap_connect.policy}"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.bootstrap_run.policy).Statement :
      join(" ", sort(flatten([statement.Action]))) => join(" ", [
        statement.Effect, statement.Resource, jsonencode(try(statement.Condition, null)),
      ])
      } == {
      "secretsmanager:GetSecretValue" = join(" ", [
        "Allow", "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf", "null",
      ])
      "kms:Decrypt" = join(" ", [
        "Allow", "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
        jsonencode({ StringEquals = { "kms:ViaService" = "secretsmanager.us-east-1.amazonaws.com" } }),
      ])
      "logs:CreateLogStream logs:PutLogEvents" = join(" ", [
        "Allow", "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/orders-dev-bootstrap:*", "null",
      ])
    }
    error_message = "the master secret, its key and its own log: ${aws_iam_role_policy.bootstrap_run.policy}"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.bootstrap_network.policy).Statement :
      statement.Effect => jsonencode(try(statement.Condition, null))
      } == {
      Allow = "null"
      Deny = jsonencode({
        ArnEquals = {
          "lambda:SourceFunctionArn" = "arn:aws:lambda:us-east-1:123456789012:function:orders-dev-bootstrap"
        }
      })
    }
    error_message = "the service joins the VPC, its code does not: ${aws_iam_role_policy.bootstrap_network.policy}"
  }

  # Each action that Lambda is allowed is denied to the function's own code.
  assert {
    condition = length(setsubtract(
      one([
        for statement in jsondecode(aws_iam_role_policy.bootstrap_network.policy).Statement : statement.Action
        if statement.Effect == "Allow"
      ]),
      one([
        for statement in jsondecode(aws_iam_role_policy.bootstrap_network.policy).Statement : statement.Action
        if statement.Effect == "Deny"
      ]),
    )) == 0
    error_message = "an action is allowed and not denied to the code: ${aws_iam_role_policy.bootstrap_network.policy}"
  }
}

run "boundary" {
  command = plan

  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/orders-boundary"
  }

  assert {
    condition = alltrue([
      for role in [aws_iam_role.app[0], aws_iam_role.proxy[0], aws_iam_role.bootstrap] :
      role.permissions_boundary == "arn:aws:iam::123456789012:policy/orders-boundary"
    ])
    error_message = "every role has the boundary"
  }
}

run "china" {
  command = plan

  override_data {
    target = data.aws_partition.current
    values = { partition = "aws-cn", dns_suffix = "amazonaws.com.cn" }
  }

  override_data {
    target = data.aws_region.current
    values = { id = "cn-north-1", name = "cn-north-1" }
  }

  variables {
    master_secret_arn         = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
    master_secret_kms_key_arn = "arn:aws-cn:kms:cn-north-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
    repository_arn            = "arn:aws-cn:ecr:cn-north-1:123456789012:repository/orders-dev"
  }

  assert {
    condition = alltrue([
      strcontains(data.aws_iam_policy_document.trust["app"].json, "\"ec2.amazonaws.com.cn\""),
      strcontains(aws_iam_role_policy.bootstrap_run.policy, "\"secretsmanager.cn-north-1.amazonaws.com.cn\""),
      !strcontains(aws_iam_role_policy.app_run[0].policy, "arn:aws:"),
      !strcontains(aws_iam_role_policy.bootstrap_run.policy, "arn:aws:"),
      !strcontains(aws_iam_role_policy.bootstrap_network.policy, "arn:aws:"),
    ])
    error_message = "another partition has other ARNs and other names of services"
  }
}

run "aurora_without_a_proxy" {
  command = plan

  variables {
    engine               = "postgresql"
    with_proxy           = false
    proxy_resource_id    = null
    database_resource_id = "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12"
    database_users       = ["an_app_with_a_name_of_more_than_32_characters"]
  }

  assert {
    condition = (
      jsondecode(aws_iam_role_policy.app_connect[0].policy).Statement[0].Resource ==
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKLMNOPQRSTUVWX12/an_app_with_a_name_of_more_than_32_characters"
    )
    error_message = "the app logs in to the cluster itself: ${aws_iam_role_policy.app_connect[0].policy}"
  }

  assert {
    condition = (
      jsondecode(aws_iam_role_policy.bootstrap_connect.policy).Statement[0].Resource ==
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKLMNOPQRSTUVWX12/iam_admin"
    )
    error_message = "and so does bootstrap: ${aws_iam_role_policy.bootstrap_connect.policy}"
  }

  assert {
    condition = alltrue([
      length(aws_iam_role.proxy) == 0, length(aws_iam_role_policy.proxy) == 0,
      output.proxy_role_arn == null, output.proxy_role_name == null,
      toset(keys(data.aws_iam_policy_document.trust)) == toset(["app", "bootstrap"]),
    ])
    error_message = "no role of a proxy"
  }
}

run "bootstrap_alone" {
  command = plan

  variables {
    engine            = "postgresql"
    with_app          = false
    with_proxy        = false
    database_users    = []
    proxy_resource_id = null
    parameter_path    = null
    image_parameter   = null
    repository_arn    = null
  }

  assert {
    condition = alltrue([
      length(aws_iam_role.app) == 0, length(aws_iam_role.proxy) == 0, length(aws_iam_instance_profile.app) == 0,
      output.app_role_arn == null, output.app_role_name == null, output.instance_profile_name == null,
      aws_iam_role.bootstrap.name == "orders-dev-bootstrap",
    ])
    error_message = "only bootstrap's role"
  }
}
