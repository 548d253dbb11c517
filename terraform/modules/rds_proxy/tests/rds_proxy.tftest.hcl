# Tests of the module rds_proxy: its README's example, outputs, linked secrets, and settings.

mock_provider "aws" {
  # A generated value may begin with a digit, which the provider refuses.
  mock_resource "aws_db_proxy_default_target_group" {
    defaults = { name = "default" }
  }
  mock_resource "aws_db_proxy" {
    defaults = {
      arn      = "arn:aws:rds:us-east-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890"
      endpoint = "orders-dev.proxy-c0ffee.us-east-1.rds.amazonaws.com"
    }
  }
  mock_resource "aws_db_proxy_endpoint" {
    defaults = { endpoint = "orders-dev-reader.endpoint.proxy-c0ffee.us-east-1.rds.amazonaws.com" }
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

run "readme" {
  command = plan

  variables {
    name                = "orders-dev"
    role_arn            = "arn:aws:iam::123456789012:role/orders-dev-proxy"
    subnet_ids          = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
    security_group_ids  = ["sg-0a1b2c3d4e5f60001"]
    database_identifier = "orders-dev"
    engine_family       = "MYSQL"
    port                = 3306
    authentication      = "iam"
    secret_arns         = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"]
  }

  assert {
    condition = alltrue([
      aws_db_proxy.this.require_tls,
      aws_db_proxy.this.debug_logging == false,
      aws_db_proxy.this.engine_family == "MYSQL",
      aws_db_proxy.this.idle_client_timeout == 1800,
      aws_db_proxy.this.role_arn == "arn:aws:iam::123456789012:role/orders-dev-proxy",
    ])
    error_message = "TLS is required and statements are not logged"
  }

  assert {
    condition = [for auth in aws_db_proxy.this.auth : [auth.auth_scheme, auth.iam_auth, auth.secret_arn]] == [
      ["SECRETS", "REQUIRED", "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"],
    ]
    error_message = "the linked secret, and no client can use a password"
  }

  assert {
    condition = [
      for pool in aws_db_proxy_default_target_group.this.connection_pool_config : [
        pool.max_connections_percent, pool.max_idle_connections_percent, pool.connection_borrow_timeout,
        length(coalesce(pool.session_pinning_filters, [])),
      ]
    ] == [[90, 50, 30, 0]]
    error_message = "the pool's settings"
  }

  assert {
    condition = alltrue([
      aws_db_proxy_target.this.db_instance_identifier == "orders-dev",
      aws_db_proxy_target.this.db_cluster_identifier == null,
      length(aws_db_proxy_endpoint.reader) == 0,
      aws_db_proxy_target.this.db_proxy_name == "orders-dev",
    ])
    error_message = "the instance is the proxy's target"
  }

  assert {
    condition = alltrue([
      aws_cloudwatch_log_group.this.name == "/aws/rds/proxy/orders-dev",
      aws_cloudwatch_log_group.this.retention_in_days == 365,
    ])
    error_message = "RDS Proxy's log group, with a limited retention"
  }
}

run "outputs" {
  assert {
    condition = alltrue([
      output.name == "orders-dev",
      output.arn == "arn:aws:rds:us-east-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890",
      output.resource_id == "prx-0a1b2c3d4e5f67890",
      output.endpoint == "orders-dev.proxy-c0ffee.us-east-1.rds.amazonaws.com",
      output.reader_endpoint == null,
      output.port == 3306,
      output.authentication == "secret",
      output.log_group_name == "/aws/rds/proxy/orders-dev",
    ])
    error_message = "the resource id is the ARN's last part, not the name"
  }
}

run "two_secrets" {
  command = plan

  variables {
    secret_arns = [
      "arn:aws:secretsmanager:us-east-1:123456789012:secret:node_app-AbCdEf",
      "arn:aws:secretsmanager:us-east-1:123456789012:secret:reports-AbCdEf",
    ]
  }

  assert {
    condition = (
      length(aws_db_proxy.this.auth) == 2 &&
      alltrue([for auth in aws_db_proxy.this.auth : auth.iam_auth == "REQUIRED"])
    )
    error_message = "each secret is linked, and for each of them clients use IAM"
  }
}

run "settings" {
  command = plan

  variables {
    idle_client_timeout_seconds       = 28800
    max_connections_percent           = 100
    max_idle_connections_percent      = 0
    connection_borrow_timeout_seconds = 300
    session_pinning_filters           = ["EXCLUDE_VARIABLE_SETS"]
    debug_logging                     = true
    log_kms_key_arn                   = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
  }

  assert {
    condition = alltrue([
      aws_db_proxy.this.idle_client_timeout == 28800,
      aws_db_proxy.this.debug_logging,
      aws_db_proxy.this.require_tls,
      aws_cloudwatch_log_group.this.kms_key_id == var.log_kms_key_arn,
      aws_db_proxy_default_target_group.this.connection_pool_config[0].connection_borrow_timeout == 300,
      aws_db_proxy_default_target_group.this.connection_pool_config[0].max_connections_percent == 100,
      one(aws_db_proxy_default_target_group.this.connection_pool_config[0].session_pinning_filters) ==
      "EXCLUDE_VARIABLE_SETS",
    ])
    error_message = "settings reach their resources, and TLS stays required"
  }
}

run "postgresql" {
  command = plan

  variables {
    engine_family = "POSTGRESQL"
    port          = 5432
  }

  assert {
    condition = alltrue([
      aws_db_proxy.this.engine_family == "POSTGRESQL",
      aws_db_proxy.this.require_tls,
      alltrue([for auth in aws_db_proxy.this.auth : auth.iam_auth == "REQUIRED"]),
      length(coalesce(aws_db_proxy_default_target_group.this.connection_pool_config[0].session_pinning_filters, [])) == 0,
      output.port == 5432,
    ])
    error_message = "PostgreSQL on its port, with TLS and IAM as for MySQL"
  }
}

run "cluster_with_readers" {
  variables {
    engine_family       = "POSTGRESQL"
    port                = 5432
    database_kind       = "cluster"
    database_identifier = "orders-dev"
    reader_endpoint     = true
  }

  assert {
    condition = alltrue([
      aws_db_proxy_target.this.db_cluster_identifier == "orders-dev",
      aws_db_proxy_target.this.db_instance_identifier == null,
    ])
    error_message = "the cluster is the proxy's target"
  }

  assert {
    condition = alltrue([
      aws_db_proxy_endpoint.reader[0].db_proxy_endpoint_name == "orders-dev-reader",
      aws_db_proxy_endpoint.reader[0].target_role == "READ_ONLY",
      toset(aws_db_proxy_endpoint.reader[0].vpc_subnet_ids) == toset(var.subnet_ids),
      toset(aws_db_proxy_endpoint.reader[0].vpc_security_group_ids) == toset(var.security_group_ids),
      output.reader_endpoint == "orders-dev-reader.endpoint.proxy-c0ffee.us-east-1.rds.amazonaws.com",
    ])
    error_message = "the readers have an endpoint, in the proxy's own network"
  }
}
