# Inputs that a plan refuses, before any change. Each run sets several variables to wrong values, and each must be
# refused.
mock_provider "aws" {
  # A generated value may begin with a digit, which the provider refuses.
  mock_resource "aws_db_proxy_default_target_group" {
    defaults = { name = "default" }
  }
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
  name                = "orders-dev"
  role_arn            = "arn:aws:iam::123456789012:role/orders-dev-proxy"
  subnet_ids          = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
  security_group_ids  = ["sg-0a1b2c3d4e5f60001"]
  database_identifier = "orders-dev"
  engine_family       = "MYSQL"
  port                = 3306
  authentication      = "secret"
  secret_arns         = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"]
}

run "shapes" {
  command = plan

  variables {
    name                              = "Orders"
    role_arn                          = "orders-dev-proxy"
    subnet_ids                        = ["subnet-0a1b2c3d4e5f60001"]
    security_group_ids                = []
    database_identifier               = "arn:aws:rds:us-east-1:123456789012:db:orders-dev"
    database_kind                     = "server"
    authentication                    = "password"
    idle_client_timeout_seconds       = 0
    max_connections_percent           = 0
    connection_borrow_timeout_seconds = 0
    session_pinning_filters           = ["EXCLUDE_ALL"]
    log_retention_days                = 100
    log_kms_key_arn                   = "alias/orders-dev"
  }

  expect_failures = [
    var.name,
    var.role_arn,
    var.subnet_ids,
    var.security_group_ids,
    var.database_identifier,
    var.database_kind,
    var.authentication,
    var.idle_client_timeout_seconds,
    var.max_connections_percent,
    var.connection_borrow_timeout_seconds,
    var.session_pinning_filters,
    var.log_retention_days,
    var.log_kms_key_arn,
  ]
}

run "too_much" {
  command = plan

  variables {
    name                = "orders--dev"
    database_identifier = "db-ABCDEFGHIJKLMNOPQRSTUVWX12"
    secret_arns = [
      "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf",
      "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf",
    ]
    idle_client_timeout_seconds       = 28801
    max_connections_percent           = 101
    connection_borrow_timeout_seconds = 301
  }

  expect_failures = [
    var.name,
    var.database_identifier,
    var.secret_arns,
    var.idle_client_timeout_seconds,
    var.max_connections_percent,
    var.connection_borrow_timeout_seconds,
  ]
}

run "a_name_for_a_secret_and_idle_below_nothing" {
  command = plan

  variables {
    secret_arns                  = ["orders-dev"]
    max_idle_connections_percent = -1
  }

  expect_failures = [
    var.secret_arns,
    var.max_idle_connections_percent,
  ]
}

run "secret_without_a_secret_and_idle_above_open" {
  command = plan

  variables {
    secret_arns                  = []
    max_connections_percent      = 40
    max_idle_connections_percent = 50
  }

  expect_failures = [
    var.secret_arns,
    var.max_idle_connections_percent,
  ]
}

run "fractions_and_a_wildcard" {
  command = plan

  variables {
    secret_arns                       = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:*"]
    idle_client_timeout_seconds       = 1.5
    max_idle_connections_percent      = 10.5
    connection_borrow_timeout_seconds = 2.5
  }

  expect_failures = [
    var.secret_arns,
    var.idle_client_timeout_seconds,
    var.max_idle_connections_percent,
    var.connection_borrow_timeout_seconds,
  ]
}

run "the_other_engine_s_port" {
  command = plan

  variables {
    engine_family = "POSTGRESQL"
    port          = 3306
  }

  expect_failures = [var.port]
}

run "another_port_than_the_default" {
  command = plan

  variables {
    port = 3307
  }

  expect_failures = [var.port]
}

run "filters_that_postgresql_does_not_have" {
  command = plan

  variables {
    engine_family           = "POSTGRESQL"
    port                    = 5432
    session_pinning_filters = ["EXCLUDE_VARIABLE_SETS"]
  }

  expect_failures = [var.session_pinning_filters]
}

run "readers_of_an_instance" {
  command = plan

  variables {
    reader_endpoint = true
  }

  expect_failures = [var.reader_endpoint]
}

run "a_cluster_that_should_pause" {
  command = plan

  variables {
    database_kind   = "cluster"
    database_pauses = true
  }

  expect_failures = [var.database_pauses]
}

run "an_engine_by_another_name" {
  command = plan

  variables {
    engine_family = "postgresql"
  }

  expect_failures = [var.engine_family]
}
