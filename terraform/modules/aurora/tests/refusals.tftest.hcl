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
  name               = "orders-dev"
  subnet_ids         = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
  security_group_ids = ["sg-0a1b2c3d4e5f60001"]
  engine             = "postgresql"
  database_name      = "orders"
  instances          = { one = {} }
  serverless         = { min_capacity = 0.5, max_capacity = 4 }
}

run "shapes" {
  command = plan

  variables {
    name                        = "Orders"
    subnet_ids                  = ["subnet-0a1b2c3d4e5f60001"]
    security_group_ids          = []
    engine_version              = "8.4"
    database_name               = "orders-db"
    master_username             = "db-admin"
    backup_retention_days       = 0
    monitoring_interval_seconds = 7
    log_retention_days          = 100
    final_snapshot_identifier   = "orders--final"
    ca_cert_identifier          = "global-bundle"
    permissions_boundary_arn    = "boundary"
  }

  expect_failures = [
    var.name,
    var.subnet_ids,
    var.security_group_ids,
    var.engine_version,
    var.database_name,
    var.master_username,
    var.backup_retention_days,
    var.monitoring_interval_seconds,
    var.log_retention_days,
    var.final_snapshot_identifier,
    var.ca_cert_identifier,
    var.permissions_boundary_arn,
  ]
}

run "reserved_names" {
  command = plan

  variables {
    database_name   = "rdsadmin"
    master_username = "rds_superuser"
    engine_version  = "14.12"
  }

  expect_failures = [
    var.database_name,
    var.master_username,
    var.engine_version,
  ]
}

run "an_engine_with_the_prefix_of_rds" {
  command = plan

  variables {
    engine = "aurora-postgresql"
  }

  expect_failures = [var.engine]
}

run "a_version_of_mysql_that_is_not_aurora_s" {
  command = plan

  variables {
    engine         = "mysql"
    engine_version = "8.0.39"
  }

  expect_failures = [var.engine_version]
}

run "no_instance" {
  command = plan

  variables {
    instances  = {}
    serverless = null
  }

  expect_failures = [var.instances]
}

run "a_serverless_instance_without_a_capacity" {
  command = plan

  variables {
    serverless = null
  }

  expect_failures = [var.serverless]
}

run "a_capacity_without_a_serverless_instance" {
  command = plan

  variables {
    instances = { one = { class = "db.r7g.large" } }
  }

  expect_failures = [var.serverless]
}

run "a_class_that_is_none" {
  command = plan

  variables {
    instances = { one = { class = "r7g.large" }, two = {} }
  }

  expect_failures = [var.instances]
}

run "a_name_that_an_instance_can_t_have" {
  command = plan

  variables {
    instances = { One = {} }
  }

  expect_failures = [var.instances]
}

run "a_tier_that_does_not_exist" {
  command = plan

  variables {
    instances = { one = { promotion_tier = 16 } }
  }

  expect_failures = [var.instances]
}

run "a_maximum_that_is_too_large" {
  command = plan

  variables {
    serverless = { min_capacity = 1, max_capacity = 257 }
  }

  expect_failures = [var.serverless]
}

run "a_capacity_between_the_steps" {
  command = plan

  variables {
    serverless = { min_capacity = 0.7, max_capacity = 4 }
  }

  expect_failures = [var.serverless]
}

run "a_minimum_above_the_maximum" {
  command = plan

  variables {
    serverless = { min_capacity = 8, max_capacity = 4 }
  }

  expect_failures = [var.serverless]
}

run "a_pause_after_a_minute" {
  command = plan

  variables {
    serverless = { min_capacity = 0, max_capacity = 4, seconds_until_auto_pause = 60 }
  }

  expect_failures = [var.serverless]
}

run "a_pause_of_a_cluster_that_never_pauses" {
  command = plan

  variables {
    serverless = { min_capacity = 0.5, max_capacity = 4, seconds_until_auto_pause = 300 }
  }

  expect_failures = [var.serverless]
}

run "a_pause_that_postgresql_16_2_does_not_have" {
  command = plan

  variables {
    engine_version = "16.2"
    serverless     = { min_capacity = 0, max_capacity = 4 }
  }

  expect_failures = [var.serverless]
}

run "a_pause_that_postgresql_16_3_has" {
  command = plan

  variables {
    engine_version = "16.3"
    serverless     = { min_capacity = 0, max_capacity = 4 }
  }

  assert {
    condition     = output.pauses
    error_message = "16.3 is the first release of 16 that pauses"
  }
}

run "a_pause_that_aurora_mysql_3_07_does_not_have" {
  command = plan

  variables {
    engine         = "mysql"
    engine_version = "8.0.mysql_aurora.3.07.1"
    serverless     = { min_capacity = 0, max_capacity = 4 }
  }

  expect_failures = [var.serverless]
}

run "endpoints_that_can_t_be" {
  command = plan

  variables {
    custom_endpoints = { reports = { type = "WRITER", static_members = ["orders-dev-one"] }, "-" = {} }
  }

  expect_failures = [var.custom_endpoints]
}

run "an_endpoint_without_a_member" {
  command = plan

  variables {
    custom_endpoints = { reports = { static_members = [] } }
  }

  expect_failures = [var.custom_endpoints]
}

run "six_endpoints" {
  command = plan

  variables {
    custom_endpoints = { a = {}, b = {}, c = {}, d = {}, e = {}, f = {} }
  }

  expect_failures = [var.custom_endpoints]
}

run "performance_insights_on_a_class_without_it" {
  command = plan

  variables {
    engine     = "mysql"
    instances  = { one = { class = "db.t3.medium" } }
    serverless = null
  }

  expect_failures = [var.performance_insights]
}

run "a_database_name_that_rds_reserves" {
  command = plan

  variables {
    database_name = "admin"
  }

  expect_failures = [var.database_name]
}

run "a_database_name_without_a_letter_first" {
  command = plan

  variables {
    database_name = "_orders"
  }

  expect_failures = [var.database_name]
}
