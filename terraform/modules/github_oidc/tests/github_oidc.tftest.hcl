# Tests of the module github_oidc with mocks: its README's example, an existing provider, and refused inputs.

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
  target          = aws_iam_role.deploy["dev"]
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/orders-deploy-dev" }
}

override_resource {
  target          = aws_iam_role.deploy["prod"]
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/orders-deploy-prod" }
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
    condition = output.deploy_role_arns == {
      dev  = "arn:aws:iam::123456789012:role/orders-deploy-dev"
      prod = "arn:aws:iam::123456789012:role/orders-deploy-prod"
    }
    error_message = "deploy_role_arns has a role for each environment."
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
    error_message = "Tokens for other audiences are refused."
  }

  assert {
    condition = { for key, role in aws_iam_role.deploy : key => [role.name, role.max_session_duration] } == {
      dev  = ["orders-deploy-dev", 14400]
      prod = ["orders-deploy-prod", 14400]
    }
    error_message = "Each environment has its own deploy role, with sessions of up to four hours."
  }

  assert {
    condition = { for key, policy in aws_iam_role_policy.deploy : key => policy.name } == {
      "dev/state"     = "state"
      "dev/iam"       = "iam"
      "dev/services"  = "services"
      "prod/state"    = "state"
      "prod/iam"      = "iam"
      "prod/services" = "services"
    }
    error_message = "Each deploy role has its three policies."
  }
}

run "provider_that_exists" {
  command = plan

  variables {
    create_provider = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.this) == 0
    error_message = "An account has one provider for GitHub: a second is not created."
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

run "environments_with_a_hyphen" {
  command = plan

  variables {
    environments = ["prod-eu"]
  }

  expect_failures = [var.environments]
}

run "environments_named_as_the_accounts_own" {
  command = plan

  variables {
    environments = ["prod", "state"]
  }

  expect_failures = [var.environments]
}

# It would have the names of the deployment dev of a project orders.
run "name_of_a_deployment" {
  command = plan

  variables {
    name = "orders-dev"
  }

  expect_failures = [var.name]
}

run "zones_of_elsewhere" {
  command = plan

  variables {
    zones = { staging = "Z0123456789ABCDEFGHIJ" }
  }

  expect_failures = [var.zones]
}

run "zones_with_a_wildcard" {
  command = plan

  variables {
    zones = { prod = "*" }
  }

  expect_failures = [var.zones]
}

run "promotions_from_elsewhere" {
  command = plan

  variables {
    promotions = { prod = "staging" }
  }

  expect_failures = [var.promotions]
}

run "promotions_to_elsewhere" {
  command = plan

  variables {
    promotions = { staging = "dev" }
  }

  expect_failures = [var.promotions]
}

run "promotions_with_a_wildcard" {
  command = plan

  variables {
    promotions = { prod = "*" }
  }

  expect_failures = [var.promotions]
}

run "promotions_to_itself" {
  command = plan

  variables {
    promotions = { prod = "prod" }
  }

  expect_failures = [var.promotions]
}

run "repository_ids_below_one" {
  command = plan

  variables {
    repository_ids = { owner = 123456, repository = 0 }
  }

  expect_failures = [var.repository_ids]
}

run "repository_ids_not_whole" {
  command = plan

  variables {
    repository_ids = { owner = 1.5, repository = 456789 }
  }

  expect_failures = [var.repository_ids]
}

run "repository_ids_in_part" {
  command = plan

  variables {
    repository_ids = { owner = null, repository = 456789 }
  }

  expect_failures = [var.repository_ids]
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
