# Tests of the account stack: outputs, hosted zones, and refused inputs.

mock_provider "aws" {
  source = "../service/tests"
}

variables {
  account_id = "123456789012"
  region     = "eu-west-1"
  project    = "orders"
  github     = { repository = "example/orders", environments = ["dev", "prod"] }
}

run "the_backend_is_ready_to_use" {
  assert {
    condition = output.backend == {
      bucket       = "orders-state-123456789012"
      region       = "eu-west-1"
      kms_key_id   = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-4e5f-6789-abcd-ef0123456789"
      encrypt      = true
      use_lockfile = true
    }
    error_message = "the output contains the settings of a backend \"s3\" block, with the lock in the bucket"
  }

  assert {
    condition = output.zone == null && toset(keys(output.github)) == toset([
      "deploy_role_arns", "integration_role_arns", "permissions_boundary_arn", "plan_role_arn",
    ])
    error_message = "no zone without a name, and the settings for GitHub's workflows"
  }

  assert {
    condition     = toset(keys(output.github.deploy_role_arns)) == toset(["dev", "prod"])
    error_message = "each environment has its own deploy role"
  }
}

run "a_repository_may_have_ids" {
  command = plan
  variables {
    github = {
      repository     = "example/orders"
      repository_ids = { owner = 123456, repository = 456789 }
      environments   = ["prod"]
    }
  }

  assert {
    condition     = toset(keys(output.github.deploy_role_arns)) == toset(["prod"])
    error_message = "with ids as without"
  }
}

run "a_role_for_integration_tests_where_one_is_named" {
  command = plan
  variables {
    github = { repository = "example/orders", environments = ["dev", "prod"], integrations = ["dev"] }
  }

  assert {
    condition     = toset(keys(output.github.integration_role_arns)) == toset(["dev"])
    error_message = "only this environment has an integration role"
  }
}

run "a_zone_where_one_is_named" {
  command = plan
  variables { zone_name = "example.com" }

  assert {
    condition     = aws_route53_zone.this[0].name == "example.com"
    error_message = "a zone of that name"
  }

  assert {
    condition     = toset(keys(local.zones)) == toset(["dev", "prod"])
    error_message = "every environment can change it"
  }
}

run "a_zone_that_exists" {
  command = plan
  variables {
    github = {
      repository = "example/orders", environments = ["dev", "prod"], zones = { prod = "Z0123456789ABCDEFGHIJ" }
    }
  }

  assert {
    condition     = local.zones == { prod = "Z0123456789ABCDEFGHIJ" }
    error_message = "an environment with a zone can change that zone, and no other"
  }
}

run "an_account_is_twelve_digits" {
  command = plan
  variables { account_id = "12345678901" }
  expect_failures = [var.account_id]
}

run "a_region_is_one_of_aws" {
  command = plan
  variables { region = "Ireland" }
  expect_failures = [var.region]
}

run "a_project_is_a_prefix" {
  command = plan
  variables { project = "My Project" }
  expect_failures = [var.project]
}

# It would have the names of the deployment dev of a project orders.
run "a_project_is_no_deployment" {
  command = plan
  variables { project = "orders-dev" }
  expect_failures = [var.project]
}

run "a_zone_has_a_domain_name" {
  command = plan
  variables { zone_name = "example.com." }
  expect_failures = [var.zone_name]
}
