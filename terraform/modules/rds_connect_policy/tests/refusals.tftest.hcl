# Inputs that a plan refuses, before any change. Each run sets several variables to wrong values, and each must be
# refused.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_region" {
    defaults = { id = "us-east-1", name = "us-east-1" }
  }
}

variables {
  name        = "orders-dev"
  resource_id = "prx-0a1b2c3d4e5f67890"
  users       = ["node_app"]
}

run "wildcards" {
  command = plan

  variables {
    resource_id = "*"
    users       = ["node_app", "*"]
    region      = "*"
    account_id  = "*"
    partition   = "*"
    name        = "orders-*"
  }

  expect_failures = [
    var.resource_id,
    var.users,
    var.region,
    var.account_id,
    var.partition,
    var.name,
  ]
}

run "a_wildcard_inside" {
  command = plan

  variables {
    resource_id = "db-ABCDEFGHIJKLMNOPQRSTUVWX1?"
    users       = ["node_ap?"]
  }

  expect_failures = [
    var.resource_id,
    var.users,
  ]
}

run "names_where_ids_are_meant" {
  command = plan

  variables {
    resource_id = "orders-dev"
    users       = ["$${aws:username}"]
    region      = "eu-west-1a"
    account_id  = "1234-5678-9012"
    partition   = "aws-eu"
    name        = "Orders"
  }

  expect_failures = [
    var.resource_id,
    var.users,
    var.region,
    var.account_id,
    var.partition,
    var.name,
  ]
}

run "a_name_like_an_id_and_nothing_allowed" {
  command = plan

  variables {
    resource_id = "db-production"
    users       = []
  }

  expect_failures = [
    var.resource_id,
    var.users,
  ]
}

run "an_id_of_nothing_known_and_an_empty_user" {
  command = plan

  variables {
    resource_id = "ins-ABCDEFGHIJKLMNOPQRSTUVWX12"
    users       = [""]
  }

  expect_failures = [
    var.resource_id,
    var.users,
  ]
}

run "an_id_in_capitals_and_a_line_break" {
  command = plan

  variables {
    resource_id = "DB-ABCDEFGHIJKLMNOPQRSTUVWX12"
    users       = ["node\napp"]
  }

  expect_failures = [
    var.resource_id,
    var.users,
  ]
}

run "an_id_with_a_hyphen_and_a_user_outside_latin_1" {
  command = plan

  variables {
    resource_id = "db-ABCDEFGHIJKLMNOPQRST-UVWX12"
    users       = ["używczyk"]
  }

  expect_failures = [
    var.resource_id,
    var.users,
  ]
}

run "an_arn_and_a_user_that_is_too_long" {
  command = plan

  variables {
    resource_id = "arn:aws:rds:us-east-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890"
    users       = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
  }

  expect_failures = [
    var.resource_id,
    var.users,
  ]
}

run "region_without_its_partition" {
  command = plan

  variables {
    region = "cn-north-1"
  }

  expect_failures = [output.json]
}

run "partition_without_its_region" {
  command = plan

  variables {
    partition = "aws-us-gov"
  }

  expect_failures = [output.json]
}
