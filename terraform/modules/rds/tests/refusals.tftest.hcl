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
  database_name      = "node_db"
}

run "shapes" {
  command = plan

  variables {
    name                        = "Orders"
    subnet_ids                  = ["subnet-0a1b2c3d4e5f60001"]
    security_group_ids          = []
    engine_version              = "9.1"
    instance_class              = "t4g.medium"
    allocated_storage_gib       = 19
    database_name               = "node-db"
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
    var.instance_class,
    var.allocated_storage_gib,
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

run "too_much" {
  command = plan

  variables {
    name                  = "orders--dev"
    engine_version        = "5.7.44"
    allocated_storage_gib = 70000
    backup_retention_days = 36
    database_name         = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    master_username       = "aaaaaaaaaaaaaaaaa"
  }

  expect_failures = [
    var.name,
    var.engine_version,
    var.allocated_storage_gib,
    var.backup_retention_days,
    var.database_name,
    var.master_username,
  ]
}

run "reserved_by_rds" {
  command = plan

  variables {
    database_name   = "mysql"
    master_username = "rdsadmin"
    engine_version  = "8.4.*"
  }

  expect_failures = [
    var.database_name,
    var.master_username,
    var.engine_version,
  ]
}

run "reserved_by_rds_proxy" {
  command = plan

  variables {
    database_name   = "Information_Schema"
    master_username = "RDSProxyAdmin"
    engine_version  = "8.1"
  }

  expect_failures = [
    var.database_name,
    var.master_username,
    var.engine_version,
  ]
}

run "past_its_standard_support" {
  command = plan

  variables {
    engine_version = "8.0.45"
  }

  expect_failures = [var.engine_version]
}

run "growth_by_less_than_a_tenth" {
  command = plan

  variables {
    allocated_storage_gib     = 100
    max_allocated_storage_gib = 109
  }

  expect_failures = [var.max_allocated_storage_gib]
}

run "performance_insights_on_a_class_without_it" {
  command = plan

  variables {
    instance_class = "db.t4g.small"
  }

  expect_failures = [var.performance_insights]
}

run "an_aurora_engine" {
  command = plan

  variables {
    engine = "aurora-postgresql"
  }

  # Without a supported engine, its version and names can't be checked: only the engine is reported.
  expect_failures = [var.engine]
}

run "versions_of_the_other_engine" {
  command = plan

  variables {
    engine         = "postgresql"
    engine_version = "8.4"
  }

  expect_failures = [var.engine_version]
}

run "a_postgresql_that_bootstrap_does_not_support" {
  command = plan

  variables {
    engine          = "postgresql"
    engine_version  = "14.12"
    database_name   = "template1"
    master_username = "rds_iam"
  }

  expect_failures = [
    var.engine_version,
    var.database_name,
    var.master_username,
  ]
}

run "names_that_postgresql_does_not_support" {
  command = plan

  variables {
    engine          = "postgresql"
    engine_version  = "17.x"
    database_name   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    master_username = "PG_master"
  }

  expect_failures = [
    var.engine_version,
    var.database_name,
    var.master_username,
  ]
}

run "a_master_that_rds_for_postgresql_reserves" {
  command = plan

  variables {
    engine          = "postgresql"
    master_username = "admin"
  }

  expect_failures = [var.master_username]
}

run "a_database_name_that_rds_reserves" {
  command = plan

  variables {
    engine        = "postgresql"
    database_name = "admin"
  }

  expect_failures = [var.database_name]
}

run "a_database_name_without_a_letter_first" {
  command = plan

  variables {
    engine        = "postgresql"
    database_name = "_orders"
  }

  expect_failures = [var.database_name]
}
