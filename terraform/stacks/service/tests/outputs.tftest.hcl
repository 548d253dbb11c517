# The outputs are a contract: crates/infra's types read outputs*.json, and these tests compare them with the stack's real
# outputs.

mock_provider "aws" {
  source = "./tests"
}

variables {
  account_id  = "123456789012"
  region      = "us-east-1"
  project     = "orders"
  environment = "dev"
  database    = { name = "node_db" }
  app         = { domain_name = "orders.example.test", zone_id = "Z0123456789ABCDEFGHIJ" }
  bootstrap   = { package = "../../modules/bootstrap_lambda/tests/package.zip" }
}

# The mocks give every subnet the same id; two zones need two.
override_resource {
  target = module.vpc.aws_subnet.public["us-east-1b"]
  values = { id = "subnet-0a1b2c3d4e5f67891" }
}

override_resource {
  target = module.vpc.aws_subnet.private["us-east-1b"]
  values = { id = "subnet-0a1b2c3d4e5f67893" }
}

override_resource {
  target = module.vpc.aws_subnet.database["us-east-1b"]
  values = { id = "subnet-0a1b2c3d4e5f67895" }
}

run "outputs" {
  assert {
    condition = {
      for name, output in jsondecode(file("outputs.json")) : name => {
        for key, value in output.value : key => startswith(jsonencode(value), "\"")
      }
      } == {
      for name, value in {
        app        = output.app
        bootstrap  = output.bootstrap
        database   = output.database
        deployment = output.deployment
        jump_host  = output.jump_host
        logs       = output.logs
        proxy      = output.proxy
      } : name => { for key, value in value : key => startswith(jsonencode(value), "\"") } if value != null
    }
    error_message = "outputs.json and outputs.tf differ in outputs, keys or types"
  }

  assert {
    condition     = output.database.resource_id == "db-ABCDEFGHIJKLMNOPQRSTUVWX12"
    error_message = "the database's resource id is the one that AWS assigned, not its name"
  }

  assert {
    condition     = output.proxy.resource_id == "prx-0a1b2c3d4e5f67890"
    error_message = "the proxy's resource id comes from its ARN, not from its name"
  }

  assert {
    condition     = output.app.parameter_path == "/dev/database" && output.app.url == "https://orders.example.test"
    error_message = "the app's settings are under the environment's path, and its URL is its domain"
  }
}

run "another_user_is_declared" {
  command = plan
  variables { app = { database_user = "orders_app", domain_name = "orders.example.test", zone_id = "Z0123456789ABCDEFGHIJ" } }

  assert {
    condition     = strcontains(local.only_the_app, "name = \"orders_app\"")
    error_message = "bootstrap gets the app's database user to create"
  }
}

run "the_proxy_logs_in_by_iam" {
  command = plan

  assert {
    condition     = output.proxy.authentication == "iam"
    error_message = "bootstrap creates IAM users: with a secret, no user of the app could log in"
  }

  assert {
    condition     = var.proxy.reads_master_secret
    error_message = "the proxy can read the secret that it is created with, as in AWS's migration"
  }
}

run "what_is_launched_has_the_deployments_tags" {
  command = plan

  assert {
    condition     = local.instance_tags == { Project = "orders", Environment = "dev", ManagedBy = "terraform" }
    error_message = "default_tags do not reach instances, and the deploy role identifies its own by these tags"
  }
}

run "outputs_postgres" {
  variables { engine = "postgresql" }

  assert {
    condition = {
      for name, output in jsondecode(file("outputs.postgres.json")) : name => {
        for key, value in output.value : key => startswith(jsonencode(value), "\"")
      }
      } == {
      for name, value in {
        app        = output.app
        bootstrap  = output.bootstrap
        database   = output.database
        deployment = output.deployment
        jump_host  = output.jump_host
        logs       = output.logs
        proxy      = output.proxy
      } : name => { for key, value in value : key => startswith(jsonencode(value), "\"") } if value != null
    }
    error_message = "outputs.postgres.json and outputs.tf differ in outputs, keys or types"
  }

  assert {
    condition = (
      output.database.engine == "postgresql" && output.database.kind == "instance" && output.database.port == 5432 &&
      output.proxy.port == 5432
    )
    error_message = "PostgreSQL, at its port, behind a proxy"
  }

  assert {
    condition     = module.rds[0].log_group_names["postgresql"] == "/aws/rds/instance/orders-dev/postgresql"
    error_message = "the instance is PostgreSQL's"
  }
}

run "outputs_jump" {
  variables {
    engine = "postgresql"
    database = {
      name           = "orders"
      engine_version = "17.5"
      cluster = {
        instances  = { one = {} }
        serverless = { min_capacity = 0, max_capacity = 16, seconds_until_auto_pause = 300 }
      }
    }
    proxy     = null
    app       = null
    jump_host = { roles = ["developers"], database_users = ["db_user"] }
  }

  assert {
    condition = {
      for name, output in jsondecode(file("outputs.jump.json")) : name => {
        for key, value in output.value : key => startswith(jsonencode(value), "\"")
      }
      } == {
      for name, value in {
        app        = output.app
        bootstrap  = output.bootstrap
        database   = output.database
        deployment = output.deployment
        jump_host  = output.jump_host
        logs       = output.logs
        proxy      = output.proxy
      } : name => { for key, value in value : key => startswith(jsonencode(value), "\"") } if value != null
    }
    error_message = "outputs.jump.json and outputs.tf differ in outputs, keys or types"
  }

  assert {
    condition = alltrue([
      output.app == null, output.proxy == null, output.logs == null,
      length(module.rds) == 0, length(module.ecr) == 0, length(module.alb) == 0,
    ])
    error_message = "there is no app, proxy or bucket"
  }

  assert {
    condition     = join(" ", local.interface_endpoints) == "logs secretsmanager ssm ssmmessages"
    error_message = "no endpoints that only an app calls"
  }

  assert {
    condition = (
      output.database.kind == "cluster" && output.database.resource_id == "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12" &&
      output.database.reader_endpoint == "orders-dev.cluster-ro-c0ffee.us-east-1.rds.amazonaws.com"
    )
    error_message = "the resource id and the readers are the cluster's"
  }

  assert {
    condition = module.tunnel_connect[0].resource_arns == [
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:cluster-ABCDEFGHIJKLMNOPQRSTUVWX12/db_user",
    ]
    error_message = "people with tunnels log in to the cluster, as their user"
  }

  assert {
    condition     = strcontains(local.only_the_app, "name = \"db_user\"")
    error_message = "bootstrap creates the users of people with tunnels"
  }
}

# The role of integration tests gets two policies: the tunnel's, and a login as one user.
run "integration_tests_have_one_instance_and_one_user" {
  variables {
    engine = "postgresql"
    jump_host = {
      roles = ["developers"], database_users = ["analyst"], integration = { database_user = "tester" }
    }
  }

  assert {
    condition = module.integration_connect[0].resource_arns == [
      "arn:aws:rds-db:us-east-1:123456789012:dbuser:${module.rds[0].resource_id}/tester",
    ]
    error_message = "integration tests log in as their user, directly at the database"
  }

  assert {
    condition = join(" ", local.integration_roles) == "orders-integration-dev" && (
      module.tunnel_connect[0].resource_arns == [
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:${module.rds[0].resource_id}/analyst",
      ]
    )
    error_message = "one role of stacks/account, and neither that role nor people get the users of the other"
  }

  assert {
    condition     = strcontains(local.only_the_app, "name = \"tester\"")
    error_message = "bootstrap creates the user of integration tests"
  }
}

run "no_integration_tests_by_default" {
  command = plan
  variables { jump_host = { roles = ["developers"], database_users = ["analyst"] } }

  assert {
    condition     = length(module.integration_connect) == 0 && length(local.integration_roles) == 0
    error_message = "nothing is attached to a role that may not exist"
  }
}

run "the_app_connects_to_the_database_without_a_proxy" {
  command = plan
  variables { proxy = null }

  assert {
    condition     = output.proxy == null && length(module.rds_proxy) == 0 && module.security_group.proxy_id == null
    error_message = "no proxy, and no group for one"
  }

  assert {
    condition     = module.iam.proxy_role_arn == null
    error_message = "no role of a proxy"
  }
}

run "the_app_s_role_is_not_for_the_users_of_tunnels" {
  command = plan
  variables { jump_host = { database_users = ["analyst"] } }

  assert {
    condition     = join(" ", local.app_users) == "node_app" && join(" ", local.tunnel_users) == "analyst"
    error_message = "the app logs in as its own user"
  }

  assert {
    condition     = strcontains(local.only_the_app, "node_app") && strcontains(local.only_the_app, "analyst")
    error_message = "bootstrap creates both"
  }
}

# Only then has the function the users of its package: node_app, and its table.
run "the_example_app_s_users_are_in_the_package" {
  command = plan

  assert {
    condition     = local.interface_endpoints == null
    error_message = "an app has all endpoints of the module"
  }

  assert {
    condition     = local.only_the_app == null
    error_message = "the declaration in the package is used unchanged"
  }
}

run "a_cluster_with_readers_behind_a_proxy" {
  variables {
    engine = "mysql"
    database = {
      name = "node_db"
      cluster = {
        instances = { writer = { class = "db.r7g.large" }, reader = { class = "db.r7g.large", promotion_tier = 2 } }
      }
    }
    proxy = { reader_endpoint = true }
  }

  assert {
    condition = (
      output.proxy.reader_endpoint == "orders-dev-reader.endpoint.proxy-c0ffee.us-east-1.rds.amazonaws.com" &&
      output.database.engine == "mysql" && output.database.port == 3306
    )
    error_message = "Aurora MySQL, with an endpoint of the proxy for readers"
  }
}

# The longest names: every resource's name has a limit of its own.
run "names_of_the_longest_deployment" {
  variables {
    project     = "abcdefghijklmno"
    environment = "abcdefghij"
    engine      = "postgresql"
    database = {
      name = "orders"
      cluster = {
        instances  = { one = {}, two = {} }
        serverless = { min_capacity = 0.5, max_capacity = 4 }
      }
    }
    proxy     = { reader_endpoint = true }
    jump_host = { roles = ["developers"], database_users = ["db_user"] }
  }

  assert {
    condition     = module.tunnel_connect[0].policy_count == 1 && output.database.kind == "cluster"
    error_message = "a deployment of the longest project and environment has every part"
  }
}
