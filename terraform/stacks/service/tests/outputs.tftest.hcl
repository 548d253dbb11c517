# The outputs are a contract: crates/infra's types read outputs.json, and this test compares it with the stack's real
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
        logs       = output.logs
        proxy      = output.proxy
      } : name => { for key, value in value : key => startswith(jsonencode(value), "\"") }
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
