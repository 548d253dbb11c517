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

run "wildcards" {
  command = plan

  variables {
    name                      = "orders-*"
    database_users            = ["*"]
    proxy_resource_id         = "*"
    proxy_authentication      = "*"
    proxy_secret_kms_key_arns = ["*"]
    database_resource_id      = "*"
    master_secret_arn         = "arn:aws:secretsmanager:us-east-1:123456789012:secret:*"
    master_secret_kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/*"
    parameter_path            = "/dev/*"
    image_parameter           = "/dev/app/*"
    repository_arn            = "arn:aws:ecr:us-east-1:123456789012:repository/*"
    permissions_boundary_arn  = "*"
  }

  expect_failures = [
    var.name,
    var.database_users,
    var.proxy_resource_id,
    var.proxy_authentication,
    var.proxy_secret_kms_key_arns,
    var.database_resource_id,
    var.master_secret_arn,
    var.master_secret_kms_key_arn,
    var.parameter_path,
    var.image_parameter,
    var.repository_arn,
    var.permissions_boundary_arn,
  ]
}

run "names_where_ids_are_meant" {
  command = plan

  variables {
    proxy_resource_id         = "orders-dev"
    database_resource_id      = "orders-dev"
    database_admin_user       = "$${aws:username}"
    proxy_secret_arns         = ["orders-dev"]
    proxy_secret_kms_key_arns = ["alias/orders-dev"]
    master_secret_arn         = "orders-dev"
    master_secret_kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/orders-dev"
    parameter_path            = "dev/database"
    image_parameter           = "/aws/image"
    repository_arn            = "orders-dev"
    permissions_boundary_arn  = "boundary"
  }

  expect_failures = [
    var.proxy_resource_id,
    var.database_resource_id,
    var.database_admin_user,
    var.proxy_secret_arns,
    var.proxy_secret_kms_key_arns,
    var.master_secret_arn,
    var.master_secret_kms_key_arn,
    var.parameter_path,
    var.image_parameter,
    var.repository_arn,
    var.permissions_boundary_arn,
  ]
}

run "ids_of_other_things" {
  command = plan

  variables {
    proxy_resource_id    = "db-ABCDEFGHIJKLMNOPQRSTUVWX12"
    database_resource_id = "prx-0a1b2c3d4e5f67890"
    database_admin_user  = "iam_admi?"
    parameter_path       = "/ssm/database"
    image_parameter      = "/dev"
  }

  expect_failures = [
    var.proxy_resource_id,
    var.database_resource_id,
    var.database_admin_user,
    var.parameter_path,
    var.image_parameter,
  ]
}

run "wildcards_for_users" {
  command = plan

  variables {
    database_users = ["*"]
  }

  expect_failures = [var.database_users]
}

run "wildcards_for_admin_and_secret" {
  command = plan

  variables {
    database_admin_user = "*"
    proxy_secret_arns   = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:*"]
  }

  expect_failures = [
    var.database_admin_user,
    var.proxy_secret_arns,
  ]
}

run "a_policy_variable_for_a_user" {
  command = plan

  variables {
    database_users = ["$${aws:username}"]
  }

  expect_failures = [var.database_users]
}

run "no_users" {
  command = plan

  variables {
    database_users = []
  }

  expect_failures = [var.database_users]
}

run "no_database_user" {
  command = plan

  variables {
    database_admin_user = ""
    parameter_path      = "/"
    image_parameter     = "/dev/app/"
  }

  expect_failures = [
    var.database_admin_user,
    var.parameter_path,
    var.image_parameter,
  ]
}

run "an_empty_user" {
  command = plan

  variables {
    database_users = ["node_app", ""]
  }

  expect_failures = [var.database_users]
}

run "a_user_longer_than_mysql_allows" {
  command = plan

  variables {
    database_users = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
  }

  expect_failures = [var.database_users]
}

run "an_admin_longer_than_mysql_allows" {
  command = plan

  variables {
    database_admin_user = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.database_admin_user]
}

run "a_user_of_rds_proxy" {
  command = plan

  variables {
    database_users = ["rdsproxyadmin"]
  }

  expect_failures = [var.database_users]
}

run "the_app_as_the_admin" {
  command = plan

  variables {
    database_users = ["node_app", "iam_admin"]
  }

  expect_failures = [var.database_admin_user]
}

run "secret_without_a_secret" {
  command = plan

  variables {
    proxy_authentication = "secret"
  }

  expect_failures = [var.proxy_secret_arns]
}

run "an_engine_that_is_a_cluster" {
  command = plan

  variables {
    engine = "aurora-postgresql"
  }

  expect_failures = [var.engine]
}

run "users_of_postgresql" {
  command = plan

  variables {
    engine         = "postgresql"
    database_users = ["rds_iam", "PG_monitor"]
  }

  expect_failures = [var.database_users]
}

run "a_user_longer_than_postgresql_allows" {
  command = plan

  variables {
    engine         = "postgresql"
    database_users = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
  }

  expect_failures = [var.database_users]
}

run "an_admin_longer_than_postgresql_allows" {
  command = plan

  variables {
    engine              = "postgresql"
    database_admin_user = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
  }

  expect_failures = [var.database_admin_user]
}

run "an_app_without_its_settings" {
  command = plan

  variables {
    parameter_path  = null
    image_parameter = null
    repository_arn  = null
  }

  expect_failures = [var.parameter_path, var.image_parameter, var.repository_arn]
}

run "a_proxy_without_its_id" {
  command = plan

  variables {
    proxy_resource_id = null
  }

  expect_failures = [var.proxy_resource_id]
}

run "a_proxy_without_a_user" {
  command = plan

  variables {
    with_app       = false
    database_users = []
  }

  expect_failures = [var.database_users]
}

run "a_user_with_the_prefix_of_rds" {
  command = plan

  variables {
    engine         = "postgresql"
    database_users = ["rds_reserved"]
  }

  expect_failures = [var.database_users]
}
