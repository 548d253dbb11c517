# Tests of the policy documents: the provider builds them itself, without AWS, so these are the real ones. IAM itself is
# not involved: the meaning of a document follows from AWS's documentation.
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
    error_message = "Only pull requests and the main branch of this repository can plan."
  }

  assert {
    condition = { for name, role in aws_iam_role.deploy : name => jsondecode(role.assume_role_policy).Statement } == {
      for name in ["dev", "prod"] : name => [{
        Sid       = "GitHub"
        Effect    = "Allow"
        Action    = "sts:AssumeRoleWithWebIdentity"
        Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:ref" = "refs/heads/main"
            "token.actions.githubusercontent.com:sub" = "repo:example/orders:environment:${name}"
          }
        }
      }]
    }
    error_message = "An environment is deployed only by its own jobs on the main branch."
  }
}

run "trust_by_ids" {
  command = plan

  variables {
    repository_ids = { owner = 123456, repository = 1332703028 }
  }

  assert {
    condition = jsondecode(aws_iam_role.plan.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud"           = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:repository_id" = "1332703028"
        "token.actions.githubusercontent.com:sub" = [
          "repo:example@123456/orders@1332703028:pull_request",
          "repo:example@123456/orders@1332703028:ref:refs/heads/main",
        ]
      }
    }
    error_message = "With ids, the subjects contain them, and the repository is compared by id."
  }

  assert {
    condition = jsondecode(aws_iam_role.deploy["prod"].assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud"           = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:ref"           = "refs/heads/main"
        "token.actions.githubusercontent.com:repository_id" = "1332703028"
        "token.actions.githubusercontent.com:sub"           = "repo:example@123456/orders@1332703028:environment:prod"
      }
    }
    error_message = "With ids, the subjects contain them, and the repository is compared by id."
  }
}

run "trust_of_another_branch" {
  command = plan

  variables {
    main_branch  = "trunk"
    environments = ["prod"]
  }

  assert {
    condition = (
      jsondecode(aws_iam_role.plan.assume_role_policy).Statement[0].Condition.StringEquals[
        "token.actions.githubusercontent.com:sub"
      ] == ["repo:example/orders:pull_request", "repo:example/orders:ref:refs/heads/trunk"]
    )
    error_message = "Only the given branch can plan."
  }

  assert {
    condition = { for name, role in aws_iam_role.deploy : name =>
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:ref"]
    } == { prod = "refs/heads/trunk" }
    error_message = "Only the given branch can deploy."
  }
}

run "plan_role" {
  command = plan

  # A list of actions, so that a new one is a deliberate decision: none of them reads the contents of a table, queue,
  # image or log.
  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : statement.Action
      if statement.Effect == "Allow" && try(statement.Resource, "") == "*"
      ])) == toset([
      "acm:DescribeCertificate", "acm:ListTagsForCertificate", "autoscaling:Describe*",
      "cloudwatch:DescribeAlarms", "ec2:Describe*",
      "elasticloadbalancing:Describe*", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
      "kms:ListAliases", "kms:ListResourceTags", "logs:DescribeLogGroups", "rds:Describe*", "rds:ListTagsForResource",
      "route53:GetChange", "route53:GetHostedZone", "route53:ListHostedZones", "route53:ListHostedZonesByName",
      "route53:ListResourceRecordSets", "route53:ListTagsForResource",
    ])
    error_message = "In the whole account, the plan role reads only settings."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement :
      statement.Sid => [flatten([statement.Action]), flatten([statement.Resource])]
      if statement.Effect == "Allow" && !contains(["NamedSettings", "UnnamedSettings"], statement.Sid)
      } == {
      FindState = [["s3:ListBucket"], ["arn:aws:s3:::orders-state-123456789012"]]
      State = [["s3:GetObject"], [
        "arn:aws:s3:::orders-state-123456789012/prod/*", "arn:aws:s3:::orders-state-123456789012/dev/*",
      ]]
      StateKey = [["kms:Decrypt"], ["arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"]]
      PublicParameters = [
        ["ssm:GetParameters", "ssm:GetParameter"], ["arn:aws:ssm:*:*:parameter/aws/service/*"],
      ]
    }
    error_message = "The only contents that the plan role reads are the environments' states and Amazon's own parameters."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : toset(statement.Action)
      if statement.Sid == "NamedSettings"
      ]) == toset([
      "cloudwatch:ListTagsForResource", "ecr:DescribeRepositories", "ecr:GetLifecyclePolicy",
      "ecr:GetRepositoryPolicy", "ecr:ListTagsForResource", "iam:Get*", "iam:List*", "lambda:GetFunction*", "lambda:ListTags", "lambda:ListVersionsByFunction",
      "logs:ListTagsForResource", "s3:GetAccelerateConfiguration", "s3:GetBucket*", "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:ListBucket", "s3:ListTagsForResource",
    ])
    error_message = "Of deployments, the plan role reads only settings."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : toset(statement.Resource)
      if statement.Sid == "NamedSettings"
      ]) == toset([
      "arn:aws:cloudwatch:*:123456789012:alarm:orders-*",
      "arn:aws:ecr:*:123456789012:repository/orders-*",
      "arn:aws:iam::123456789012:instance-profile/orders-*",
      "arn:aws:iam::123456789012:policy/orders-*",
      "arn:aws:iam::123456789012:role/orders-*",
      "arn:aws:lambda:*:123456789012:function:orders-*",
      "arn:aws:logs:*:123456789012:log-group:/*orders-*",
      "arn:aws:s3:::orders-*-logs-123456789012",
    ])
    error_message = "Named resources are readable only if they belong to a deployment; of buckets, objects are not readable."
  }

  # No action that changes anything.
  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : [
        for action in flatten([statement.Action]) : can(regex(":(Describe|Get|List)|^kms:Decrypt$", action))
      ] if statement.Effect == "Allow"
    ]))
    error_message = "The plan role has read actions only."
  }

  assert {
    condition = alltrue([
      for action in [
        "secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue", "rds-db:connect", "logs:GetLogEvents",
        "logs:FilterLogEvents", "logs:StartQuery", "rds:DownloadDBLogFilePortion", "ec2:GetConsoleOutput",
        "ec2:DescribeInstanceAttribute", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
        ] : contains(one([
          for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : statement.Action
          if statement.Effect == "Deny" && try(statement.Resource, null) == "*"
      ]), action)
    ])
    error_message = "The plan role reads no secret, no log, no image and no database."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement :
      statement.Sid => flatten([statement.NotResource]) if statement.Effect == "Deny" && can(statement.NotResource)
      } == {
      NoKeyButTheStates = ["arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"]
      NoObjectButTheStates = [
        "arn:aws:s3:::orders-state-123456789012/prod/*", "arn:aws:s3:::orders-state-123456789012/dev/*",
      ]
      NoParameterButAmazons = ["arn:aws:ssm:*:*:parameter/aws/service/*"]
    }
    error_message = "Of keys, objects and parameters, the plan role reads only those of the states and of Amazon."
  }
}

# The calls that the Deny on kms:Decrypt excludes: StringNotLikeIfExists is true if the key is absent or no value
# matches.
run "plan_role_reads_what_lambda_decrypts" {
  command = plan

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : statement.Condition
      if statement.Sid == "NoKeyButTheStates"
    ]) == { StringNotLikeIfExists = { "kms:ViaService" = "lambda.*.amazonaws.com" } }
    error_message = "The Deny has one condition."
  }

  assert {
    condition = {
      for service in ["lambda", "ssm", "secretsmanager", "s3", "lambdax", "x.lambda", "direct"] : service => anytrue([
        for pattern in flatten([for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement :
          statement.Condition["StringNotLikeIfExists"]["kms:ViaService"] if statement.Sid == "NoKeyButTheStates"
        ]) : can(regex("^${replace(replace(pattern, ".", "[.]"), "*", ".*")}$", "${service}.eu-west-1.amazonaws.com"))
        && service != "direct"
      ])
      } == {
      lambda = true, ssm = false, secretsmanager = false, s3 = false, lambdax = false, "x.lambda" = false,
      direct = false
    }
    error_message = "A plan can decrypt a function's environment through Lambda; no parameter, secret or object, and nothing directly."
  }
}

run "deploy_role" {
  command = plan

  # Every statement that could grant permissions to a role, with its limits.
  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_role_policy.deploy : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in flatten([try(statement.Action, [])]) :
          statement.Effect == "Deny" || !startswith(action, "iam:") || alltrue([
            for resource in flatten([statement.Resource]) : can(regex(
              "^arn:aws:iam::123456789012:((role|policy|instance-profile)/orders-(dev|prod)-|role/aws-service-role/)",
              resource
            )) || action == "iam:SimulatePrincipalPolicy" && startswith(resource, "arn:aws:iam::123456789012:role/orders-deploy-")
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
    error_message = "A role that the deploy role creates or extends has the boundary."
  }

  # Counted, so that the test above can't pass with an empty list.
  assert {
    condition = toset(one([
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/iam"].policy).Statement : statement.Action
      if statement.Sid == "BoundedRoles"
      ])) == toset([
      "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
      "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy",
    ])
    error_message = "One statement contains all actions that grant permissions to a role."
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
        "sts:*", "sts:AssumeRole", "iam:Update*", "iam:UpdateAssumeRolePolicy", "kms:*",
        "secretsmanager:*", "secretsmanager:GetSecretValue", "rds-db:*", "rds-db:connect", "ssm:*", "ssm:StartSession",
        "ec2:*", "organizations:*",
      ],
    )) == 0
    error_message = "The deploy role has no permission that the deployment does not use."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/iam"].policy).Statement : statement
      if statement.Effect == "Deny"
      ]) == {
      Sid       = "KeepOut"
      Effect    = "Deny"
      NotAction = ["iam:SimulatePrincipalPolicy", "iam:List*", "iam:Get*"]
      Resource = [
        "arn:aws:iam::123456789012:role/*-plan",
        "arn:aws:iam::123456789012:role/*-deploy-*",
        "arn:aws:iam::123456789012:policy/*-boundary",
        "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
      ]
    }
    error_message = "The deploy role can't change itself, GitHub's other roles, a boundary of any project, or a trust policy."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/iam"].policy).Statement :
      [statement.Action, statement.Resource] if statement.Sid == "AskAboutItself"
    ] == [["iam:SimulatePrincipalPolicy", "arn:aws:iam::123456789012:role/orders-deploy-prod"]]
    error_message = "The deploy role can simulate only its own permissions in IAM."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/services"].policy).Statement :
      toset(statement.Action) if statement.Effect == "Deny" && statement.Resource == "*"
      ]) == toset([
      "rds-db:connect", "secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
    ])
    error_message = "The deploy role logs in to no database and reads no secret with its own credentials."
  }

  assert {
    condition = toset(flatten([
      for policy in aws_iam_role_policy.deploy : [
        for statement in jsondecode(policy.policy).Statement : statement.Sid
        if statement.Effect == "Allow" && contains(flatten([statement.Resource]), "*")
        && try(statement.Condition.StringEquals["aws:RequestedRegion"], "") != "eu-west-1"
      ]
    ])) == toset(["Names"])
    error_message = "Statements without resource names are limited to the region; only Route 53 has none."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/state"].policy).Statement : statement.Resource
      if try(statement.Action, "") == "s3:DeleteObject"
    ]) == "arn:aws:s3:::orders-state-123456789012/prod/*.tflock"
    error_message = "The deploy role deletes locks, never states."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/state"].policy).Statement : statement.Resource
      if statement.Effect == "Deny"
    ]) == "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    error_message = "The deploy role uses the state's key, and changes nothing about it."
  }

  assert {
    condition     = length(regexall("orders-state", aws_iam_role_policy.deploy["prod/services"].policy)) == 0
    error_message = "Permissions on buckets of deployments must not include the state bucket."
  }

  assert {
    condition = contains(one([
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/services"].policy).Statement : statement.Action
      if statement.Sid == "UnnamedResources"
    ]), "rds:CreateDBProxy")
    error_message = "AWS checks the creation of a proxy against *, not against an ARN."
  }

  assert {
    condition = contains(one([
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/services"].policy).Statement : statement.Action
      if statement.Sid == "Names"
    ]), "route53:AssociateVPCWithHostedZone")
    error_message = "An endpoint with private DNS needs this permission."
  }
}

# A role of one environment has no access to resources named after another.
run "one_environment_each" {
  command = plan

  assert {
    condition = {
      for name in ["dev", "prod"] : name => toset(one([
        for statement in jsondecode(aws_iam_role_policy.deploy["${name}/services"].policy).Statement :
        statement.Resource if statement.Sid == "NamedResources"
      ]))
      } == {
      for name in ["dev", "prod"] : name => toset([
        "arn:aws:autoscaling:*:123456789012:*:autoScalingGroupName/orders-${name}",
        "arn:aws:cloudwatch:*:123456789012:alarm:TargetTracking-orders-${name}-*",
        "arn:aws:cloudwatch:*:123456789012:alarm:orders-${name}-*",
        "arn:aws:ecr:*:123456789012:repository/orders-${name}",
        "arn:aws:elasticloadbalancing:*:123456789012:*/orders-${name}-*",
        "arn:aws:elasticloadbalancing:*:123456789012:*/orders-${name}/*",
        "arn:aws:lambda:*:123456789012:function:orders-${name}-*",
        "arn:aws:logs:*:123456789012:log-group:/orders-${name}/*",
        "arn:aws:logs:*:123456789012:log-group:/aws/lambda/orders-${name}-*",
        "arn:aws:logs:*:123456789012:log-group:/aws/rds/*/orders-${name}/*",
        "arn:aws:logs:*:123456789012:log-group:/aws/rds/proxy/orders-${name}",
        "arn:aws:logs:*:123456789012:log-group:/aws/rds/proxy/orders-${name}:*",
        "arn:aws:logs:*:123456789012:log-group:/vpc/orders-${name}/*",
        "arn:aws:rds:*:123456789012:*:orders-${name}",
        "arn:aws:rds:*:123456789012:*:orders-${name}-*",
        "arn:aws:rds:*:123456789012:db-proxy*:*",
        "arn:aws:rds:*:123456789012:og:default*",
        "arn:aws:rds:*:123456789012:pg:default*",
        "arn:aws:rds:*:123456789012:target-group:*",
        "arn:aws:s3:::orders-${name}-logs-123456789012",
        "arn:aws:s3:::orders-${name}-logs-123456789012/*",
      ])
    }
    error_message = "A deploy role has access to resources named after its own deployment, and to AWS's default groups."
  }

  assert {
    condition = {
      for name in ["dev", "prod"] : name => [
        for statement in jsondecode(aws_iam_role_policy.deploy["${name}/services"].policy).Statement :
        statement.Resource if contains(["Parameters", "Aliases"], statement.Sid)
      ]
      } == {
      for name in ["dev", "prod"] : name => [
        "arn:aws:ssm:*:123456789012:parameter/${name}/*", "arn:aws:kms:*:123456789012:alias/orders-${name}-*",
      ]
    }
    error_message = "Parameters and aliases are those of the environment."
  }

  assert {
    condition = {
      for name in ["dev", "prod"] : name => [
        for statement in jsondecode(aws_iam_role_policy.deploy["${name}/state"].policy).Statement : statement.Resource
        if contains(["UseState", "ReleaseLock"], statement.Sid)
      ]
      } == {
      for name in ["dev", "prod"] : name => [
        "arn:aws:s3:::orders-state-123456789012/${name}/*", "arn:aws:s3:::orders-state-123456789012/${name}/*.tflock",
      ]
    }
    error_message = "The states are those of the environment, not another environment's or the account's."
  }

  assert {
    condition = length(regexall("orders-prod|/prod/|\"prod\"", join("", [
      for key in ["state", "iam", "services"] : aws_iam_role_policy.deploy["dev/${key}"].policy
    ]))) == 0
    error_message = "The deploy role of dev contains no resource of prod."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/services"].policy).Statement :
      statement.Sid => [statement.Resource, statement.Condition]
      if contains(["MakeKeys", "DeploymentKeys"], statement.Sid)
      } == {
      MakeKeys = ["*", {
        StringEquals = {
          "aws:RequestedRegion"        = "eu-west-1"
          "aws:RequestTag/Environment" = "prod"
          "aws:RequestTag/Project"     = "orders"
        }
        StringEqualsIfExists = {
          "aws:ResourceTag/Environment" = "prod"
          "aws:ResourceTag/Project"     = "orders"
        }
      }]
      DeploymentKeys = ["arn:aws:kms:*:123456789012:key/*", {
        StringEquals = {
          "aws:RequestedRegion"         = "eu-west-1"
          "aws:ResourceTag/Environment" = "prod"
          "aws:ResourceTag/Project"     = "orders"
        }
      }]
    }
    error_message = "Keys are created with the deployment's tags, and used only with these tags."
  }

  # Networks, proxies and certificates: no access to resources with another deployment's tags.
  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/services"].policy).Statement :
      statement.Sid => try(statement.Condition.StringEqualsIfExists, null)
      if contains(["NamedResources", "UnnamedResources"], statement.Sid)
      } == {
      for sid in ["NamedResources", "UnnamedResources"] :
      sid => { "aws:ResourceTag/Environment" = "prod", "aws:ResourceTag/Project" = "orders" }
    }
    error_message = "Resources without the deployment's name are identified by their tags."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/services"].policy).Statement :
      statement.Resource => try(statement.Condition, null) if statement.Action == "ssm:SendCommand"
      } == {
      "arn:aws:ec2:*:123456789012:instance/*" = {
        StringEquals = { "ssm:resourceTag/Environment" = "prod", "ssm:resourceTag/Project" = "orders" }
      }
      "arn:aws:ssm:*::document/AWS-RunShellScript" = null
    }
    error_message = "Commands run only on the deployment's own instances."
  }

  # Counted, so that the test above can't pass with a third statement.
  assert {
    condition = toset([
      for statement in flatten([
        for key in ["state", "iam", "services"] : jsondecode(aws_iam_role_policy.deploy["prod/${key}"].policy).Statement
      ]) : statement.Sid
      if statement.Effect == "Allow" && strcontains(jsonencode(try(statement.Action, "")), "kms:")
    ]) == toset(["StateKey", "UnnamedResources", "MakeKeys", "DeploymentKeys", "Aliases"])
    error_message = "Only these statements give access to keys."
  }
}

run "zones" {
  command = plan

  variables {
    zones = { prod = "Z0123456789ABCDEFGHIJ" }
  }

  assert {
    condition = {
      for name in ["dev", "prod"] : name => [
        for statement in jsondecode(aws_iam_role_policy.deploy["${name}/services"].policy).Statement :
        statement.Resource if contains(flatten([try(statement.Action, [])]), "route53:ChangeResourceRecordSets")
      ]
    } == { dev = [], prod = ["arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"] }
    error_message = "An environment can change only its own zone, and one without a zone can change none."
  }
}

run "regions" {
  command = plan

  variables {
    regions = ["eu-west-1", "eu-central-1"]
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.deploy["prod/services"].policy).Statement :
      toset(statement.Condition.StringEquals["aws:RequestedRegion"]) == toset(["eu-west-1", "eu-central-1"])
      if contains(["NamedResources", "UnnamedResources", "MakeKeys", "DeploymentKeys"], statement.Sid)
    ])
    error_message = "Only the given regions."
  }
}

run "boundary" {
  command = plan

  # A list of services, so that a new one is a deliberate decision.
  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.boundary.policy).Statement :
      [for action in flatten([statement.Action]) : split(":", action)[0]]
      ])) == toset([
      "autoscaling", "ec2", "ecr", "kms", "logs", "rds-db", "secretsmanager", "ssm", "ssmmessages",
    ])
    error_message = "A role of a deployment can't create roles, assume roles, or read buckets."
  }

  assert {
    condition = length(setintersection(
      flatten([for statement in jsondecode(aws_iam_policy.boundary.policy).Statement : statement.Action]),
      ["*", "ec2:*", "ecr:*", "kms:*", "logs:*", "rds-db:*", "secretsmanager:*", "ssm:*"],
    )) == 0
    error_message = "Within a service, only the actions that the deployment's roles use."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.boundary.policy).Statement :
      statement.Sid == "WithoutResource" || !contains(flatten([statement.Resource]), "*")
    ])
    error_message = "Actions that support a resource are limited to one."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_policy.boundary.policy).Statement : statement.Condition
      if statement.Sid == "KeysOfSecrets"
    ]) == { StringLike = { "kms:ViaService" = "secretsmanager.*.amazonaws.com" } }
    error_message = "Keys decrypt secrets, and nothing else."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_iam_policy.boundary.policy).Statement : toset(statement.Resource)
      if statement.Sid == "Parameters"
      ]) == toset([
      "arn:aws:ssm:*:123456789012:parameter/dev/*",
      "arn:aws:ssm:*:123456789012:parameter/prod/*",
    ])
    error_message = "Only parameters of the environments."
  }
}

# The longest names, and the maximum number of environments.
run "within_the_limits_of_iam" {
  command = plan

  variables {
    name             = "ordersxordersxordersxordersxorde"
    repository       = "${join("", [for i in range(39) : "o"])}/${join("", [for i in range(100) : "r"])}"
    repository_ids   = { owner = 123456789012, repository = 123456789012 }
    main_branch      = join("", [for i in range(200) : "b"])
    environments     = [for i in range(20) : format("environm%02d", i)]
    zones            = { for i in range(20) : format("environm%02d", i) => join("", [for i in range(32) : "Z"]) }
    promotions       = { for i in range(1, 20) : format("environm%02d", i) => format("environm%02d", i - 1) }
    integrations     = [for i in range(20) : format("environm%02d", i)]
    regions          = ["eu-west-1", "eu-central-1", "ap-southeast-1", "ap-southeast-2"]
    state_bucket_arn = "arn:aws:s3:::orders-orders-orders-orders-orders-orders-orders-orders-12"
  }

  assert {
    condition = alltrue([for name, role in aws_iam_role.deploy : sum([
      for key in ["state", "iam", "services"] :
      length(jsonencode(jsondecode(aws_iam_role_policy.deploy["${name}/${key}"].policy)))
    ]) <= 10240])
    error_message = <<-EOT
      A deploy role's inline policies have over 10,240 characters: ${max([for name, role in aws_iam_role.deploy : sum([
    for key in ["state", "iam", "services"] :
    length(jsonencode(jsondecode(aws_iam_role_policy.deploy["${name}/${key}"].policy)))
])]...)}.
    EOT
}

assert {
  condition = alltrue([
    for role in concat([aws_iam_role.plan], values(aws_iam_role.deploy), values(aws_iam_role.integration)) :
    length(role.name) <= 64 && length(jsonencode(jsondecode(role.assume_role_policy))) <= 2048
  ])
  error_message = "A role's name has over 64 characters, or its trust policy over 2,048."
}

assert {
  condition = alltrue([
    for policy in concat([aws_iam_policy.boundary], values(aws_iam_policy.integration_boundary)) :
    length(jsonencode(jsondecode(policy.policy))) <= 6144 && length(policy.name) <= 128
  ])
  error_message = "A boundary has over 6,144 characters, or its name over 128."
}

assert {
  condition     = length(jsonencode(jsondecode(aws_iam_role_policy.plan.policy))) <= 10240
  error_message = "The plan role's inline policy has over 10,240 characters."
}
}

# A deploy role may end instances, for the jump host's sake, but only those with its own deployment's tags.
run "own_instances_alone" {
  command = plan

  assert {
    condition = {
      for name in ["dev", "prod"] : name => [
        for statement in jsondecode(aws_iam_role_policy.deploy["${name}/services"].policy).Statement :
        [statement.Resource, statement.Condition] if statement.Sid == "JumpHost"
      ]
      } == {
      for name in ["dev", "prod"] : name => [[
        "arn:aws:ec2:*:123456789012:instance/*",
        { StringEquals = { "aws:ResourceTag/Environment" = name, "aws:ResourceTag/Project" = "orders" } },
      ]]
    }
    error_message = "An instance without the deployment's tags could be ended."
  }

  assert {
    condition = length(flatten([
      for name in ["dev", "prod"] : [
        for statement in jsondecode(aws_iam_role_policy.deploy["${name}/services"].policy).Statement : [
          for action in flatten([statement.Action]) : action
          if can(regex("^${replace(action, "*", ".*")}$", "ec2:TerminateInstances")) && statement.Sid != "JumpHost"
        ] if statement.Effect == "Allow"
      ]
    ])) == 0
    error_message = "Another statement also allows ending instances."
  }
}
