# Documents as documents: the provider writes them by itself, without AWS, so these are the real ones. IAM itself is
# not asked: what a document means is AWS's documentation.
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
}

run "trust" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.plan.assume_role_policy).Statement == [{
      Sid       = "GitHub"
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = [
            "repo:example/orders:pull_request",
            "repo:example/orders:ref:refs/heads/main",
          ]
        }
      }
    }]
    error_message = "Pull requests and the main branch of this one repository plan, and nobody else."
  }

  assert {
    condition = jsondecode(aws_iam_role.deploy.assume_role_policy).Statement == [{
      Sid       = "GitHub"
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = [
            "repo:example/orders:ref:refs/heads/main",
            "repo:example/orders:environment:dev",
            "repo:example/orders:environment:prod",
          ]
        }
      }
    }]
    error_message = "The main branch and the named environments deploy; pull requests don't."
  }
}

run "trust_of_another_branch" {
  command = plan

  variables {
    main_branch  = "trunk"
    environments = ["prod"]
  }

  assert {
    condition = toset(flatten([for role in [aws_iam_role.plan, aws_iam_role.deploy] : [
      for statement in jsondecode(role.assume_role_policy).Statement :
      statement.Condition.StringEquals["token.actions.githubusercontent.com:sub"]
      ]])) == toset([
      "repo:example/orders:pull_request",
      "repo:example/orders:ref:refs/heads/trunk",
      "repo:example/orders:environment:prod",
    ])
    error_message = "Only the branch that was named."
  }
}

run "plan_role" {
  command = plan

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement :
      "${statement.Action} ${statement.Resource}" if statement.Effect == "Allow"
      ] == [
      "s3:GetObject arn:aws:s3:::orders-state-123456789012/*",
      "kms:Decrypt arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    ]
    error_message = "Beside ReadOnlyAccess, the plan role reads the state and no more."
  }

  assert {
    condition = alltrue([
      for action in [
        "secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue", "rds-db:connect", "logs:GetLogEvents",
        "logs:FilterLogEvents", "logs:StartQuery", "rds:DownloadDBLogFilePortion", "ec2:GetConsoleOutput",
        ] : contains(one([
          for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : statement.Action
          if statement.Effect == "Deny" && try(statement.Resource, null) == "*"
      ]), action)
    ])
    error_message = "The plan role reads no secret, no log and no database."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : statement.Sid => statement.NotResource
      if statement.Effect == "Deny" && can(statement.NotResource)
      } == {
      NoKeyButTheStates     = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
      NoObjectButTheStates  = "arn:aws:s3:::orders-state-123456789012/*"
      NoParameterButAmazons = "arn:aws:ssm:*:*:parameter/aws/service/*"
    }
    error_message = "Of keys, objects and parameters, the plan role reads the state's and Amazon's own."
  }
}

run "deploy_role" {
  command = plan

  # Every statement that could give a role rights, and where it ends.
  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_role_policy.deploy : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in flatten([try(statement.Action, [])]) :
          statement.Effect == "Deny" || !startswith(action, "iam:") || alltrue([
            for resource in flatten([statement.Resource]) : can(regex(
              "^arn:aws:iam::123456789012:((role|policy|instance-profile)/orders-|role/aws-service-role/)", resource
            ))
          ])
        ]
      ]
    ]))
    error_message = "The deploy role changes IAM for names of deployments only."
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_role_policy.deploy : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in flatten([try(statement.Action, [])]) : statement.Effect == "Deny" || (
            try(statement.Condition.StringEquals["iam:PermissionsBoundary"], "")
            == "arn:aws:iam::123456789012:policy/orders-boundary"
          )
          if contains([
            "iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary",
          ], action)
        ]
      ]
    ]))
    error_message = "A role that the deploy role makes or widens has the boundary."
  }

  # Together, so that the test above can't pass by naming nothing.
  assert {
    condition = toset(one([
      for statement in jsondecode(aws_iam_role_policy.deploy["iam"].policy).Statement : statement.Action
      if statement.Sid == "BoundedRoles"
      ])) == toset([
      "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
      "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy",
    ])
    error_message = "What gives a role rights stands in one statement."
  }

  # By names and by wildcards that would cover them.
  assert {
    condition = length(setintersection(
      flatten([for policy in aws_iam_role_policy.deploy : [
        for statement in jsondecode(policy.policy).Statement : try(statement.Action, []) if statement.Effect == "Allow"
      ]]),
      [
        "*", "iam:*", "iam:Delete*", "iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary",
        "iam:CreateUser", "iam:CreateAccessKey", "iam:CreateOpenIDConnectProvider", "iam:SetDefaultPolicyVersion",
        "sts:*", "sts:AssumeRole", "kms:*", "secretsmanager:*", "secretsmanager:GetSecretValue", "rds-db:*",
        "rds-db:connect", "ssm:*", "ssm:SendCommand", "ssm:StartSession", "ec2:*", "organizations:*",
      ],
    )) == 0
    error_message = "The deploy role has what this deployment uses; none of this is."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.deploy["iam"].policy).Statement : statement
      if statement.Effect == "Deny"
      ]) == {
      Sid       = "KeepOut"
      Effect    = "Deny"
      NotAction = ["iam:List*", "iam:Get*"]
      Resource = [
        "arn:aws:iam::123456789012:role/orders-plan",
        "arn:aws:iam::123456789012:role/orders-deploy",
        "arn:aws:iam::123456789012:policy/orders-boundary",
        "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
      ]
    }
    error_message = "The deploy role can't change itself, the plan role, the boundary or who may come in."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.deploy["services"].policy).Statement : toset(statement.Action)
      if statement.Effect == "Deny" && statement.Resource == "*"
      ]) == toset([
      "rds-db:connect", "secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
    ])
    error_message = "The deploy role logs in to no database and reads no secret."
  }

  assert {
    condition = toset(flatten([
      for policy in aws_iam_role_policy.deploy : [
        for statement in jsondecode(policy.policy).Statement : statement.Sid
        if statement.Effect == "Allow" && contains(flatten([statement.Resource]), "*")
        && try(statement.Condition.StringEquals["aws:RequestedRegion"], "") != "eu-west-1"
      ]
    ])) == toset(["Names"])
    error_message = "What can't be named ends at the region; only Route 53 has none."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.deploy["state"].policy).Statement : statement.Resource
      if try(statement.Action, "") == "s3:DeleteObject"
    ]) == "arn:aws:s3:::orders-state-123456789012/*.tflock"
    error_message = "The deploy role deletes locks, never states."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.deploy["state"].policy).Statement : statement.Resource
      if statement.Effect == "Deny"
    ]) == "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    error_message = "The deploy role uses the state's key, and changes nothing about it."
  }

  assert {
    condition     = length(regexall("orders-state", aws_iam_role_policy.deploy["services"].policy)) == 0
    error_message = "Rights on buckets of deployments must not reach the state."
  }
}

run "regions" {
  command = plan

  variables {
    regions = ["eu-west-1", "eu-central-1"]
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.deploy["services"].policy).Statement :
      toset(statement.Condition.StringEquals["aws:RequestedRegion"]) == toset(["eu-west-1", "eu-central-1"])
      if contains(["NamedResources", "UnnamedResources", "DeploymentKeys"], statement.Sid)
    ])
    error_message = "The regions that were named, and no other."
  }
}

run "boundary" {
  command = plan

  # Service by service, so that a new one is a decision.
  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.boundary.policy).Statement :
      [for action in flatten([statement.Action]) : split(":", action)[0]]
      ])) == toset([
      "ec2", "ec2messages", "ecr", "kms", "logs", "rds-db", "secretsmanager", "ssm", "ssmmessages",
    ])
    error_message = "A role of a deployment makes no roles, takes no roles, and reads no buckets."
  }

  assert {
    condition = length(setintersection(
      flatten([for statement in jsondecode(aws_iam_policy.boundary.policy).Statement : statement.Action]),
      ["*", "ec2:*", "ecr:*", "kms:*", "logs:*", "rds-db:*", "secretsmanager:*", "ssm:*"],
    )) == 0
    error_message = "Within a service, only what the deployment's roles use."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.boundary.policy).Statement :
      statement.Sid == "WithoutResource" || !contains(flatten([statement.Resource]), "*")
    ])
    error_message = "What takes a resource is bounded by it."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_policy.boundary.policy).Statement : statement.Condition
      if statement.Sid == "KeysOfSecrets"
    ]) == { StringLike = { "kms:ViaService" = "secretsmanager.*.amazonaws.com" } }
    error_message = "Keys open secrets, and nothing else."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_policy.boundary.policy).Statement : toset(statement.Resource)
      if statement.Sid == "Parameters"
      ]) == toset([
      "arn:aws:ssm:*:123456789012:parameter/dev/*",
      "arn:aws:ssm:*:123456789012:parameter/prod/*",
    ])
    error_message = "Parameters of the environments alone."
  }
}

# The longest names, and as many environments as may be.
run "within_the_limits_of_iam" {
  command = plan

  variables {
    name             = "orders-orders-orders-orders-orde"
    repository       = "o/o"
    environments     = [for i in range(20) : format("environment-environment-%07d", i)]
    state_bucket_arn = "arn:aws:s3:::orders-orders-orders-orders-orders-orders-orders-orders-12"
  }

  assert {
    condition     = sum([for p in aws_iam_role_policy.deploy : length(jsonencode(jsondecode(p.policy)))]) <= 10240
    error_message = "The deploy role's inline policies have over 10,240 characters."
  }

  assert {
    condition     = length(jsonencode(jsondecode(aws_iam_policy.boundary.policy))) <= 6144
    error_message = "The boundary has over 6,144 characters."
  }

  assert {
    condition     = length(jsonencode(jsondecode(aws_iam_role_policy.plan.policy))) <= 10240
    error_message = "The plan role's inline policy has over 10,240 characters."
  }
}

# Whole subjects take room: twenty environments of a repository with a long name are too many.
run "trust_policy_over_the_limit" {
  command = plan

  variables {
    repository   = "an-organisation-with-a-long-name/a-repository-with-a-longer-name-still"
    environments = [for i in range(20) : "environment-${i}"]
  }

  expect_failures = [aws_iam_role.deploy]
}
