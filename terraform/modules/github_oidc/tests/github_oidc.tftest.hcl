mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-west-1" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = {
      json          = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
      minified_json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
    }
  }

  mock_data "aws_iam_openid_connect_provider" {
    defaults = {
      arn            = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
      client_id_list = ["sts.amazonaws.com"]
    }
  }

  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/orders-boundary" }
  }
}

override_resource {
  target          = aws_iam_role.plan
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/orders-plan" }
}

override_resource {
  target          = aws_iam_role.deploy
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/orders-deploy" }
}

variables {
  name              = "orders"
  repository        = "example/orders"
  environments      = ["dev", "prod"]
  state_bucket_arn  = "arn:aws:s3:::orders-state-123456789012"
  state_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "readme" {
  command = plan

  variables {
    name              = "orders"
    repository        = "example/orders"
    environments      = ["dev", "prod"]
    state_bucket_arn  = "arn:aws:s3:::orders-state-123456789012"
    state_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = output.provider_arn == "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    error_message = "provider_arn is GitHub's identity provider's."
  }

  assert {
    condition     = output.plan_role_arn == "arn:aws:iam::123456789012:role/orders-plan"
    error_message = "plan_role_arn is the plan role's."
  }

  assert {
    condition     = output.deploy_role_arn == "arn:aws:iam::123456789012:role/orders-deploy"
    error_message = "deploy_role_arn is the deploy role's."
  }

  assert {
    condition     = output.permissions_boundary_arn == "arn:aws:iam::123456789012:policy/orders-boundary"
    error_message = "permissions_boundary_arn is the boundary's."
  }

  assert {
    condition     = aws_iam_openid_connect_provider.this[0].url == "https://token.actions.githubusercontent.com"
    error_message = "The provider is GitHub's."
  }

  assert {
    condition     = aws_iam_openid_connect_provider.this[0].client_id_list == toset(["sts.amazonaws.com"])
    error_message = "Tokens for other audiences don't count."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.plan_read_only.policy_arn == "arn:aws:iam::aws:policy/ReadOnlyAccess"
    error_message = "The plan role reads."
  }

  assert {
    condition     = toset(keys(aws_iam_role_policy.deploy)) == toset(["state", "iam", "services"])
    error_message = "The deploy role has its three policies."
  }
}

run "provider_that_exists" {
  command = plan

  variables {
    create_provider = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.this) == 0
    error_message = "An account has one provider for GitHub: a second is not made."
  }

  assert {
    condition     = output.provider_arn == "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    error_message = "provider_arn is the existing provider's."
  }
}

run "provider_for_another_audience" {
  command = plan

  variables {
    create_provider = false
  }

  override_data {
    target          = data.aws_iam_openid_connect_provider.existing[0]
    override_during = plan
    values = {
      arn            = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
      client_id_list = ["https://github.com/example"]
    }
  }

  expect_failures = [data.aws_iam_openid_connect_provider.existing]
}

run "name_with_a_wildcard" {
  command = plan

  variables {
    name = "orders*"
  }

  expect_failures = [var.name]
}

run "repository_with_a_wildcard" {
  command = plan

  variables {
    repository = "example/*"
  }

  expect_failures = [var.repository]
}

run "repository_of_any_owner" {
  command = plan

  variables {
    repository = "*/orders"
  }

  expect_failures = [var.repository]
}

run "repository_as_address" {
  command = plan

  variables {
    repository = "https://github.com/example/orders"
  }

  expect_failures = [var.repository]
}

run "repository_without_owner" {
  command = plan

  variables {
    repository = "orders"
  }

  expect_failures = [var.repository]
}

run "repository_as_clone_address" {
  command = plan

  variables {
    repository = "example/orders.git"
  }

  expect_failures = [var.repository]
}

run "main_branch_with_a_wildcard" {
  command = plan

  variables {
    main_branch = "release/*"
  }

  expect_failures = [var.main_branch]
}

run "main_branch_as_ref" {
  command = plan

  variables {
    main_branch = "refs/heads/main"
  }

  expect_failures = [var.main_branch]
}

run "environments_none" {
  command = plan

  variables {
    environments = []
  }

  expect_failures = [var.environments]
}

run "environments_many" {
  command = plan

  variables {
    environments = [for i in range(21) : "e${i}"]
  }

  expect_failures = [var.environments]
}

run "environments_with_a_wildcard" {
  command = plan

  variables {
    environments = ["prod", "*"]
  }

  expect_failures = [var.environments]
}

run "environments_repeated" {
  command = plan

  variables {
    environments = ["prod", "prod"]
  }

  expect_failures = [var.environments]
}

run "state_bucket_with_a_wildcard" {
  command = plan

  variables {
    state_bucket_arn = "arn:aws:s3:::orders-*"
  }

  expect_failures = [var.state_bucket_arn]
}

run "state_bucket_by_name" {
  command = plan

  variables {
    state_bucket_arn = "orders-state-123456789012"
  }

  expect_failures = [var.state_bucket_arn]
}

run "state_key_by_alias" {
  command = plan

  variables {
    state_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:alias/orders-state"
  }

  expect_failures = [var.state_kms_key_arn]
}

run "regions_with_a_wildcard" {
  command = plan

  variables {
    regions = ["eu-*"]
  }

  expect_failures = [var.regions]
}
