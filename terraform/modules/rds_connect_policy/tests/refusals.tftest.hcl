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
  name         = "orders-dev"
  resource_ids = ["prx-0a1b2c3d4e5f67890"]
  users        = ["node_app"]
}

run "wildcards" {
  command = plan

  variables {
    resource_ids = ["*"]
    users        = ["node_app", "*"]
    region       = "*"
    account_id   = "*"
    partition    = "*"
    name         = "orders-*"
  }

  expect_failures = [
    var.resource_ids,
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
    resource_ids = ["db-ABCDEFGHIJKLMNOPQRSTUVWX1?"]
    users        = ["node_ap?"]
  }

  expect_failures = [
    var.resource_ids,
    var.users,
  ]
}

run "names_where_ids_are_meant" {
  command = plan

  variables {
    resource_ids = ["orders-dev"]
    users        = ["$${aws:username}"]
    region       = "eu-west-1a"
    account_id   = "1234-5678-9012"
    partition    = "aws-eu"
    name         = "Orders"
  }

  expect_failures = [
    var.resource_ids,
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
    resource_ids = ["db-production"]
    users        = []
  }

  expect_failures = [
    var.resource_ids,
    var.users,
  ]
}

run "an_id_of_nothing_known_and_an_empty_user" {
  command = plan

  variables {
    resource_ids = ["ins-ABCDEFGHIJKLMNOPQRSTUVWX12"]
    users        = [""]
  }

  expect_failures = [
    var.resource_ids,
    var.users,
  ]
}

run "an_id_in_capitals_and_a_line_break" {
  command = plan

  variables {
    resource_ids = ["DB-ABCDEFGHIJKLMNOPQRSTUVWX12"]
    users        = ["node\napp"]
  }

  expect_failures = [
    var.resource_ids,
    var.users,
  ]
}

run "an_id_with_a_hyphen_and_a_user_outside_latin_1" {
  command = plan

  variables {
    resource_ids = ["db-ABCDEFGHIJKLMNOPQRST-UVWX12"]
    users        = ["używczyk"]
  }

  expect_failures = [
    var.resource_ids,
    var.users,
  ]
}

run "an_arn_and_a_user_that_is_too_long" {
  command = plan

  variables {
    resource_ids = ["arn:aws:rds:us-east-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890"]
    users        = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
  }

  expect_failures = [
    var.resource_ids,
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

run "no_resource" {
  command = plan

  variables {
    resource_ids = []
  }

  expect_failures = [var.resource_ids]
}

run "a_resource_twice" {
  command = plan

  variables {
    resource_ids = ["prx-0a1b2c3d4e5f67890", "prx-0a1b2c3d4e5f67890"]
  }

  expect_failures = [var.resource_ids]
}

run "a_role_by_its_arn_and_too_many_policies" {
  command = plan

  variables {
    roles        = ["arn:aws:iam::123456789012:role/orders-dev-jobs"]
    max_policies = 21
  }

  expect_failures = [var.roles, var.max_policies]
}

run "a_role_twice" {
  command = plan

  variables {
    roles = ["orders-dev-jobs", "orders-dev-jobs"]
  }

  expect_failures = [var.roles]
}

run "a_role_without_a_policy" {
  command = plan

  variables {
    roles         = ["orders-dev-jobs"]
    create_policy = false
  }

  expect_failures = [var.roles]
}

run "more_policies_than_a_role_can_have" {
  command = plan

  variables {
    users = [for number in range(400) : format("user_%058d", number)]
  }

  expect_failures = [output.policy_count]
}

run "more_users_than_one_document_has" {
  command = plan

  variables {
    users         = [for number in range(100) : format("user_%058d", number)]
    create_policy = false
  }

  expect_failures = [output.json]
}
