# Tests of the module bootstrap_lambda: its README's example, the function, its run on apply, declared users, and the
# environment's size.

mock_provider "aws" {
  override_during = plan

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:us-east-1:123456789012:function:orders-dev-bootstrap" }
  }

  mock_resource "aws_lambda_invocation" {
    defaults = { result = "{\"mode\":\"apply\",\"outcome\":\"clean\"}" }
  }
}

variables {
  name               = "orders-dev"
  package            = "tests/package.zip"
  role_arn           = "arn:aws:iam::123456789012:role/orders-dev-bootstrap"
  subnet_ids         = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
  security_group_ids = ["sg-0a1b2c3d4e5f60001"]
  rds_conf = {
    RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
    REGION             = "us-east-1"
    MASTER_SECRET_NAME = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
    DB_NAME            = "node_db"
    IAM_ADMIN_USER     = "iam_admin"
  }
}

run "readme" {
  command = plan

  variables {
    name               = "orders-dev"
    package            = "tests/package.zip"
    role_arn           = "arn:aws:iam::123456789012:role/orders-dev-bootstrap"
    subnet_ids         = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
    security_group_ids = ["sg-0a1b2c3d4e5f60001"]
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      RDS_PORT           = "3306"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
      RDS_RESOURCE_ID    = "db-ABCDEFGHIJKLMNOPQRSTUVWX12"
      AWS_ACCOUNT_ID     = "123456789012"
    }
  }

  assert {
    condition     = output.function_name == "orders-dev-bootstrap"
    error_message = "The function is named after the deployment."
  }

  assert {
    condition     = output.function_arn == "arn:aws:lambda:us-east-1:123456789012:function:orders-dev-bootstrap"
    error_message = "function_arn is the function's."
  }

  assert {
    condition     = jsondecode(output.report).outcome == "clean"
    error_message = "report is the function's response."
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == var.rds_conf
    error_message = "The keys of rds.conf are the function's environment, and the users are the standard ones."
  }
}

run "function" {
  command = plan

  assert {
    condition = (
      aws_lambda_function.this.runtime == "provided.al2023" && aws_lambda_function.this.handler == "bootstrap"
      && aws_lambda_function.this.architectures == tolist(["arm64"])
    )
    error_message = "The function runs on Amazon Linux 2023, by default on Graviton."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1
    error_message = "Two runs at once would wait for each other's lock."
  }

  assert {
    condition = (
      aws_lambda_function.this.vpc_config[0].subnet_ids == toset(var.subnet_ids)
      && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(var.security_group_ids)
    )
    error_message = "The function runs in the VPC: the database accepts no other clients."
  }

  assert {
    condition     = aws_lambda_function.this.source_code_hash == filebase64sha256("tests/package.zip")
    error_message = "A changed package changes the function."
  }

  assert {
    condition = (
      aws_cloudwatch_log_group.this.name == "/aws/lambda/orders-dev-bootstrap"
      && aws_cloudwatch_log_group.this.retention_in_days == 365
    )
    error_message = "The log's retention is limited."
  }
}

run "invocation" {
  command = plan

  assert {
    condition     = jsondecode(aws_lambda_invocation.this[0].input) == { mode = "apply" }
    error_message = "An apply runs bootstrap in the mode apply."
  }

  assert {
    condition     = aws_lambda_invocation.this[0].lifecycle_scope == "CREATE_ONLY"
    error_message = "A destroy does not run bootstrap."
  }

  assert {
    condition     = aws_lambda_invocation.this[0].triggers["package"] == filebase64sha256("tests/package.zip")
    error_message = "A changed package triggers a run."
  }

  assert {
    condition     = aws_lambda_invocation.this[0].triggers["configuration"] == sha256(jsonencode(var.rds_conf))
    error_message = "A changed configuration triggers a run."
  }
}

run "users" {
  command = plan

  variables {
    users = <<-EOT
      [[user]]
      name = "node_app"

      [[user.grant]]
      privileges = ["SELECT"]
    EOT
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables["RDS_IAM_USERS"] == var.users
    error_message = "The function gets the declaration unchanged."
  }

  assert {
    condition     = aws_lambda_invocation.this[0].triggers["configuration"] != sha256(jsonencode(var.rds_conf))
    error_message = "A changed declaration triggers a run."
  }
}

run "no_invocation" {
  command = plan

  variables {
    invoke = false
  }

  assert {
    condition     = length(aws_lambda_invocation.this) == 0 && output.report == null
    error_message = "If invoke is false, bootstrap does not run, and there is no report."
  }
}

# ü is one character and two bytes; the limit is in bytes.
run "users_of_nearly_3_kb" {
  command = plan

  variables {
    users = format("[[user]]\nname = \"node_app\"\n# %s", join("", [for i in range(1000) : "üe"]))
  }

  assert {
    condition     = local.environment_bytes > 3072 && local.environment_bytes <= 4096
    error_message = "They fit."
  }
}

run "environment_over_4_kb" {
  command = plan

  variables {
    users = format("[[user]]\nname = \"node_app\"\n# %s", join("", [for i in range(1000) : "üe"]))
    rds_conf = {
      RDS_ENDPOINT       = "orders-dev.c0ffee.us-east-1.rds.amazonaws.com"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "orders/master"
      DB_NAME            = "node_db"
      IAM_ADMIN_USER     = "iam_admin"
      RDS_CA_BUNDLE      = join("", [for i in range(500) : "üü"])
    }
  }

  expect_failures = [aws_lambda_function.this]
}

run "aurora_postgresql" {
  command = plan

  variables {
    timeout_seconds = 180
    rds_conf = {
      ENGINE             = "postgresql"
      RDS_ENDPOINT       = "orders-dev.cluster-c0ffee.us-east-1.rds.amazonaws.com"
      RDS_PORT           = "5432"
      REGION             = "us-east-1"
      MASTER_SECRET_NAME = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-0a1b2c3d-AbCdEf"
      DB_NAME            = "orders"
      IAM_ADMIN_USER     = "iam_admin"
      RDS_RESOURCE_ID    = "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12"
      AWS_ACCOUNT_ID     = "123456789012"
    }
  }

  assert {
    condition = (
      aws_lambda_function.this.environment[0].variables == var.rds_conf && aws_lambda_function.this.timeout == 180
    )
    error_message = "The function gets engine, port and id of the cluster."
  }

  assert {
    condition     = length(aws_lambda_invocation.this) == 1
    error_message = "An apply runs it for a cluster, too."
  }
}
