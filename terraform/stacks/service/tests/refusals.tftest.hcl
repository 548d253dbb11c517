# Tests of inputs that the service stack refuses before any change.

mock_provider "aws" {
  source = "./tests"
}

variables {
  account_id  = "123456789012"
  region      = "us-east-1"
  project     = "orders"
  environment = "dev"
  database    = { name = "node_db" }
  bootstrap   = { package = "../../modules/bootstrap_lambda/tests/package.zip" }
}

run "an_account_is_twelve_digits" {
  command = plan
  variables { account_id = "1234" }
  expect_failures = [var.account_id]
}

run "a_region_has_no_default" {
  command = plan
  variables { region = "" }
  expect_failures = [var.region]
}

run "a_project_is_a_prefix" {
  command = plan
  variables { project = "Orders--" }
  expect_failures = [var.project]
}

# It would have the names of the deployment dev of a project orders.
run "a_project_is_no_deployment" {
  command = plan
  variables { project = "orders-dev" }
  expect_failures = [var.project]
}

run "an_environment_is_one_word" {
  command = plan
  variables { environment = "pre-prod" }
  expect_failures = [var.environment]
}

run "the_admin_is_not_the_master" {
  command = plan
  variables { database = { name = "node_db", admin_user = "dbadmin" } }
  expect_failures = [var.database]
}

run "the_app_is_not_the_admin" {
  command = plan
  variables { app = { database_user = "iam_admin" } }
  expect_failures = [var.app]
}

run "the_app_is_not_the_master" {
  command = plan
  variables { app = { database_user = "DBAdmin" } }
  expect_failures = [var.app]
}

run "a_user_is_one_that_bootstrap_makes" {
  command = plan
  variables { app = { database_user = "a/b" } }
  expect_failures = [var.app]
}

run "an_admin_is_one_that_bootstrap_makes" {
  command = plan
  variables { database = { name = "node_db", admin_user = "mysql.sys" } }
  expect_failures = [var.database]
}

run "machines_and_people_have_a_port_each" {
  command = plan
  variables { app = { management_port = 3000 } }
  expect_failures = [var.app]
}

run "aurora_is_not_an_engine" {
  command = plan
  variables { engine = "aurora-postgresql" }
  expect_failures = [var.engine]
}

run "a_version_of_the_other_engine" {
  command = plan
  variables {
    engine   = "postgresql"
    database = { name = "node_db", engine_version = "8.4" }
  }
  expect_failures = [var.database]
}

run "users_that_postgresql_reserves" {
  command = plan
  variables {
    engine   = "postgresql"
    database = { name = "node_db", admin_user = "pg_monitor" }
  }
  expect_failures = [var.database]
}

run "an_app_as_rds_iam" {
  command = plan
  variables {
    engine = "postgresql"
    app    = { database_user = "rds_iam" }
  }
  expect_failures = [var.app]
}

# RDS keeps the prefix for itself.
run "an_app_with_the_prefix_of_rds" {
  command = plan
  variables {
    engine = "postgresql"
    app    = { database_user = "rds_reserved" }
  }
  expect_failures = [var.app]
}

run "a_tunnel_for_a_user_of_the_server" {
  command = plan
  variables {
    engine    = "postgresql"
    jump_host = { database_users = ["postgres_fdw"] }
  }
  expect_failures = [var.jump_host]
}

run "a_user_longer_than_mysql_allows" {
  command = plan
  variables { app = { database_user = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" } }
  expect_failures = [var.app]
}

run "a_proxy_in_front_of_a_cluster_that_should_pause" {
  command = plan
  variables {
    engine = "postgresql"
    database = {
      name    = "node_db"
      cluster = { instances = { one = {} }, serverless = { min_capacity = 0, max_capacity = 4 } }
    }
  }
  expect_failures = [var.proxy]
}

run "a_reader_endpoint_without_a_reader" {
  command = plan
  variables {
    database = {
      name    = "node_db"
      cluster = { instances = { one = {} }, serverless = { min_capacity = 0.5, max_capacity = 4 } }
    }
    proxy = { reader_endpoint = true }
  }
  expect_failures = [var.proxy]
}

run "a_reader_endpoint_of_an_instance" {
  command = plan
  variables { proxy = { reader_endpoint = true } }
  expect_failures = [var.proxy]
}

run "no_declared_user" {
  command = plan
  variables {
    app       = null
    proxy     = null
    jump_host = {}
  }
  expect_failures = [var.jump_host]
}

run "a_tunnel_for_the_admin" {
  command = plan
  variables { jump_host = { database_users = ["IAM_admin"] } }
  expect_failures = [var.jump_host]
}

run "integration_tests_as_the_admin" {
  command = plan
  variables { jump_host = { integration = { database_user = "IAM_admin" } } }
  expect_failures = [var.jump_host]
}

run "integration_tests_as_a_pattern" {
  command = plan
  variables { jump_host = { integration = { database_user = "test*" } } }
  expect_failures = [var.jump_host]
}

run "a_tunnel_for_a_pattern" {
  command = plan
  variables { jump_host = { database_users = ["*"] } }
  expect_failures = [var.jump_host]
}
