# Tests of the integration role: who gets it, what it can do at most, and what a deploy role can do with it. As in
# policies.tftest.hcl, the documents are the real ones, and IAM itself is not involved.
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

override_resource {
  target          = aws_iam_policy.integration_boundary["dev"]
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:policy/orders-integration-dev-boundary" }
}

variables {
  name              = "orders"
  repository        = "example/orders"
  environments      = ["dev", "prod"]
  integrations      = ["dev"]
  state_bucket_arn  = "arn:aws:s3:::orders-state-123456789012"
  state_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  create_provider   = false
}

run "no_role_unless_asked_for" {
  command = plan
  variables { integrations = [] }

  assert {
    condition     = length(aws_iam_role.integration) == 0 && length(aws_iam_policy.integration_boundary) == 0
    error_message = "No environment has an integration role by default."
  }

  assert {
    condition     = length(aws_iam_policy.deploy_integration) == 0
    error_message = "Deploy roles have no permission on a role that does not exist."
  }
}

run "trust" {
  command = plan

  assert {
    condition = { for name, role in aws_iam_role.integration : name => [
      role.name, role.permissions_boundary, jsondecode(role.assume_role_policy).Statement,
      ] } == {
      dev = [
        "orders-integration-dev",
        "arn:aws:iam::123456789012:policy/orders-integration-dev-boundary",
        [{
          Sid       = "GitHub"
          Effect    = "Allow"
          Action    = "sts:AssumeRoleWithWebIdentity"
          Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
          Condition = {
            StringEquals = {
              "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
              "token.actions.githubusercontent.com:ref" = "refs/heads/main"
              "token.actions.githubusercontent.com:sub" = "repo:example/orders:environment:dev-integration"
            }
          }
        }],
      ]
    }
    error_message = "Only jobs of the main branch with the environment dev-integration get the role."
  }

  # The job's tests can ask GitHub for a token: it must not be worth a deploy role.
  assert {
    condition = length([
      for role in concat([aws_iam_role.plan], values(aws_iam_role.deploy)) : role
      if strcontains(role.assume_role_policy, "-integration")
    ]) == 0
    error_message = "Another role trusts the integration tests' environment."
  }
}

run "trust_by_ids" {
  command = plan
  variables { repository_ids = { owner = 123456, repository = 1332703028 } }

  assert {
    condition = jsondecode(aws_iam_role.integration["dev"].assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud"           = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:ref"           = "refs/heads/main"
        "token.actions.githubusercontent.com:repository_id" = "1332703028"
        "token.actions.githubusercontent.com:sub" = join(":", [
          "repo", "example@123456/orders@1332703028", "environment", "dev-integration",
        ])
      }
    }
    error_message = "With ids, the subject contains them, and the repository is compared by id."
  }
}

run "boundary" {
  command = plan

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.integration_boundary["dev"].policy).Statement : statement.Sid => [
        flatten([statement.Action]), statement.Resource, try(statement.Condition, null),
      ] if statement.Effect == "Allow"
      } == {
      DatabaseLogins = [["rds-db:connect"], "arn:aws:rds-db:*:123456789012:dbuser:*", null]
      TunnelThrough = [["ssm:StartSession"], "arn:aws:ec2:*:123456789012:instance/*", {
        StringEquals = { "ssm:resourceTag/Environment" = "dev", "ssm:resourceTag/Project" = "orders" }
        BoolIfExists = { "ssm:SessionDocumentAccessCheck" = "true" }
      }]
      TunnelBy = [["ssm:StartSession"], "arn:aws:ssm:*::document/AWS-StartPortForwardingSessionToRemoteHost", {
        BoolIfExists = { "ssm:SessionDocumentAccessCheck" = "true" }
      }]
      OwnSessions = [
        ["ssm:TerminateSession", "ssm:ResumeSession"], "arn:aws:ssm:*:123456789012:session/*",
        { StringEquals = { "ssm:resourceTag/aws:ssmmessages:session-id" = "$${aws:userid}" } },
      ]
      OwnChannels = [
        ["ssmmessages:OpenDataChannel"], "arn:aws:ssm:*:123456789012:session/$${aws:userid}-*", null,
      ]
    }
    error_message = "At most logins, and tunnels by one document through the deployment's own instances."
  }
}

run "the_deployment_attaches_its_policies" {
  command = plan

  assert {
    condition = { for name, policy in aws_iam_policy.deploy_integration : name => [
      policy.name, aws_iam_role_policy_attachment.deploy_integration[name].role, {
        for statement in jsondecode(policy.policy).Statement : statement.Sid => [
          toset(statement.Action), statement.Resource, try(statement.Condition, null),
        ] if statement.Effect == "Allow"
      }] } == {
      dev = ["orders-deploy-dev-integration", "orders-deploy-dev", {
        ReadRole = [
          toset(["iam:GetRole", "iam:ListAttachedRolePolicies"]),
          "arn:aws:iam::123456789012:role/orders-integration-dev",
          null,
        ]
        AttachPolicies = [
          toset(["iam:AttachRolePolicy", "iam:DetachRolePolicy"]),
          "arn:aws:iam::123456789012:role/orders-integration-dev",
          {
            StringEquals = {
              "iam:PermissionsBoundary" = "arn:aws:iam::123456789012:policy/orders-integration-dev-boundary"
            }
            ArnLike = { "iam:PolicyARN" = "arn:aws:iam::123456789012:policy/orders-dev-*" }
          },
        ]
      }]
    }
    error_message = "A deploy role attaches its own policies to its own integration role, while that has its boundary."
  }

  # By name and by wildcards that would cover it: nothing else lets a deploy role create, delete or change the role.
  assert {
    condition = length(flatten([
      for policy in aws_iam_role_policy.deploy : [
        for statement in jsondecode(policy.policy).Statement : [
          for resource in flatten([statement.Resource]) : resource
          if startswith(resource, "arn:aws:iam::") && can(regex(
            "^${replace(resource, "*", ".*")}$", "arn:aws:iam::123456789012:role/orders-integration-dev"
          ))
        ] if statement.Effect == "Allow"
      ]
    ])) == 0
    error_message = "A deploy role's other policies reach an integration role."
  }
}

run "integrations_of_elsewhere" {
  command = plan
  variables { integrations = ["staging"] }
  expect_failures = [var.integrations]
}

run "integrations_with_a_wildcard" {
  command = plan
  variables { integrations = ["*"] }
  expect_failures = [var.integrations]
}

run "integrations_repeated" {
  command = plan
  variables { integrations = ["dev", "dev"] }
  expect_failures = [var.integrations]
}
