# Tests of the module rds: its README's example, policies, and settings. The provider builds the policy documents
# itself, without an account; the caller's identity is overridden.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws", dns_suffix = "amazonaws.com" }
}

override_data {
  target = data.aws_region.current
  values = { id = "us-east-1", name = "us-east-1" }
}

variables {
  name               = "orders-dev"
  subnet_ids         = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
  security_group_ids = ["sg-0a1b2c3d4e5f60001"]
  database_name      = "node_db"
}

run "readme" {
  command = plan

  variables {
    name               = "orders-dev"
    subnet_ids         = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
    security_group_ids = ["sg-0a1b2c3d4e5f60001"]
    database_name      = "node_db"
  }

  assert {
    condition = alltrue([
      aws_db_instance.this.engine == "mysql",
      aws_db_instance.this.engine_version == "8.4",
      aws_db_instance.this.manage_master_user_password,
      aws_db_instance.this.password == null,
      aws_db_instance.this.iam_database_authentication_enabled,
      aws_db_instance.this.storage_encrypted,
      aws_db_instance.this.publicly_accessible == false,
      aws_db_instance.this.port == 3306,
      aws_db_instance.this.username == "dbadmin",
      aws_db_instance.this.db_name == "node_db",
    ])
    error_message = "a private, encrypted MySQL 8.4 with IAM authentication and a password managed by RDS"
  }

  assert {
    condition = alltrue([
      aws_db_instance.this.multi_az,
      aws_db_instance.this.deletion_protection,
      aws_db_instance.this.skip_final_snapshot == false,
      aws_db_instance.this.final_snapshot_identifier == "orders-dev-final",
      aws_db_instance.this.backup_retention_period == 14,
      aws_db_instance.this.copy_tags_to_snapshot,
      aws_db_instance.this.auto_minor_version_upgrade,
      aws_db_instance.this.allow_major_version_upgrade == false,
      aws_db_instance.this.apply_immediately == false,
      aws_db_instance.this.engine_lifecycle_support == "open-source-rds-extended-support",
    ])
    error_message = "by default it is protected, backed up, and changed in the maintenance window"
  }

  assert {
    condition = aws_db_instance.this.enabled_cloudwatch_logs_exports == toset([
      "error", "iam-db-auth-error", "slowquery",
    ])
    error_message = "the exported logs: ${jsonencode(aws_db_instance.this.enabled_cloudwatch_logs_exports)}"
  }

  assert {
    condition = output.log_group_names == {
      error             = "/aws/rds/instance/orders-dev/error"
      iam-db-auth-error = "/aws/rds/instance/orders-dev/iam-db-auth-error"
      slowquery         = "/aws/rds/instance/orders-dev/slowquery"
    }
    error_message = "the log groups have RDS's names: ${jsonencode(output.log_group_names)}"
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 365])
    error_message = "logs are kept for a year by default"
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "mysql8.4"
    error_message = "the parameter group is of the engine's version: ${aws_db_parameter_group.this.family}"
  }

  assert {
    condition = {
      for parameter in aws_db_parameter_group.this.parameter : parameter.name => parameter.value
      } == {
      require_secure_transport = "1"
      slow_query_log           = "1"
      log_output               = "FILE"
      long_query_time          = "1"
    }
    error_message = "TLS only, and what the export of slowquery needs"
  }

  assert {
    condition = alltrue([
      aws_db_instance.this.performance_insights_enabled,
      aws_db_instance.this.performance_insights_retention_period == 7,
      aws_db_instance.this.monitoring_interval == 60,
      length(aws_iam_role.monitoring) == 1,
    ])
    error_message = "Performance Insights and Enhanced Monitoring are on, with the free retention"
  }

  assert {
    condition = alltrue([
      aws_kms_key.this.enable_key_rotation,
      aws_kms_alias.this.name == "alias/orders-dev-database",
    ])
    error_message = "its own key, rotated"
  }
}

run "policies" {
  command = plan

  assert {
    condition = {
      for statement in jsondecode(data.aws_iam_policy_document.key.json).Statement :
      statement.Sid => "${statement.Effect} ${jsonencode(statement.Principal)}"
      } == {
      AccountDecides = "Allow {\"AWS\":\"arn:aws:iam::123456789012:root\"}"
      Logs           = "Allow {\"Service\":\"logs.us-east-1.amazonaws.com\"}"
    }
    error_message = "the account and CloudWatch Logs, no other principal: ${data.aws_iam_policy_document.key.json}"
  }

  assert {
    condition = toset(one([
      for statement in jsondecode(data.aws_iam_policy_document.key.json).Statement :
      statement.Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"] if statement.Sid == "Logs"
      ])) == toset([
      "arn:aws:logs:us-east-1:123456789012:log-group:/aws/rds/instance/orders-dev/*",
      "arn:aws:logs:us-east-1:123456789012:log-group:/aws/rds/proxy/orders-dev",
    ])
    error_message = "CloudWatch Logs only for these groups: ${data.aws_iam_policy_document.key.json}"
  }

  assert {
    condition = jsondecode(data.aws_iam_policy_document.monitoring_trust.json).Statement[0].Condition == {
      StringEquals = { "aws:SourceAccount" = "123456789012" }
      ArnEquals    = { "aws:SourceArn" = "arn:aws:rds:us-east-1:123456789012:db:orders-dev" }
    }
    error_message = "monitoring only for this instance: ${data.aws_iam_policy_document.monitoring_trust.json}"
  }

  assert {
    condition = jsondecode(data.aws_iam_policy_document.monitoring_trust.json).Statement[0].Principal == {
      Service = "monitoring.rds.amazonaws.com"
    }
    error_message = "only Enhanced Monitoring: ${data.aws_iam_policy_document.monitoring_trust.json}"
  }

  assert {
    condition = (
      aws_iam_role_policy_attachment.monitoring[0].policy_arn ==
      "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
    )
    error_message = "the AWS-managed policy for it"
  }
}

run "throw_away" {
  command = plan

  variables {
    engine_version              = "8.4.5"
    instance_class              = "db.t4g.micro"
    max_allocated_storage_gib   = 0
    multi_az                    = false
    backup_retention_days       = 1
    deletion_protection         = false
    skip_final_snapshot         = true
    monitoring_interval_seconds = 0
    performance_insights        = false
    log_retention_days          = 7
    ca_cert_identifier          = "rds-ca-rsa2048-g1"
    apply_immediately           = true
    extended_support            = false
  }

  assert {
    condition = alltrue([
      aws_db_instance.this.engine_version == "8.4.5",
      aws_db_parameter_group.this.family == "mysql8.4",
      aws_db_instance.this.deletion_protection == false,
      aws_db_instance.this.skip_final_snapshot,
      aws_db_instance.this.ca_cert_identifier == "rds-ca-rsa2048-g1",
      length(aws_iam_role.monitoring) == 0,
      aws_db_instance.this.performance_insights_enabled == false,
      aws_db_instance.this.engine_lifecycle_support == "open-source-rds-extended-support-disabled",
      # The security settings stay.
      aws_db_instance.this.storage_encrypted,
      aws_db_instance.this.publicly_accessible == false,
    ])
    error_message = "a small instance, without standby, monitoring and protection, and equally secure"
  }
}

run "names_given" {
  command = plan

  variables {
    master_username           = "owner_1"
    final_snapshot_identifier = "orders-dev-2026-11"
    permissions_boundary_arn  = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition = alltrue([
      aws_db_instance.this.username == "owner_1",
      aws_db_instance.this.final_snapshot_identifier == "orders-dev-2026-11",
      aws_iam_role.monitoring[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary",
    ])
    error_message = "names are used as given"
  }
}

run "postgresql" {
  command = plan

  variables {
    engine = "postgresql"
  }

  assert {
    condition = alltrue([
      aws_db_instance.this.engine == "postgres",
      aws_db_instance.this.engine_version == "17",
      aws_db_instance.this.port == 5432,
      aws_db_instance.this.manage_master_user_password,
      aws_db_instance.this.iam_database_authentication_enabled,
      aws_db_instance.this.storage_encrypted,
      aws_db_instance.this.publicly_accessible == false,
      aws_db_parameter_group.this.family == "postgres17",
    ])
    error_message = "a private, encrypted PostgreSQL 17 with IAM authentication and a password managed by RDS"
  }

  assert {
    condition = {
      for parameter in aws_db_parameter_group.this.parameter :
      parameter.name => [parameter.value, parameter.apply_method]
      } == {
      "rds.force_ssl"            = ["1", "pending-reboot"]
      log_min_duration_statement = ["1000", "immediate"]
    }
    error_message = "TLS only, with the apply method that RDS reports, and slow statements in the log"
  }

  assert {
    condition = output.log_group_names == {
      iam-db-auth-error = "/aws/rds/instance/orders-dev/iam-db-auth-error"
      postgresql        = "/aws/rds/instance/orders-dev/postgresql"
      upgrade           = "/aws/rds/instance/orders-dev/upgrade"
    } && aws_db_instance.this.enabled_cloudwatch_logs_exports == toset(keys(output.log_group_names))
    error_message = "PostgreSQL's logs are exported to groups with RDS's names: ${jsonencode(output.log_group_names)}"
  }

  assert {
    condition = alltrue([
      output.kind == "instance",
      output.engine == "postgresql",
      output.engine_family == "POSTGRESQL",
      output.port == 5432,
      output.reader_address == null,
    ])
    error_message = "the outputs have this repository's name of the engine, and RDS Proxy's name of it"
  }
}

run "postgresql_as_given" {
  command = plan

  variables {
    engine          = "postgresql"
    engine_version  = "15.12"
    instance_class  = "db.t4g.micro"
    database_name   = "orders_1"
    master_username = "orders_master_of_more_than_16_characters"
  }

  assert {
    condition = alltrue([
      aws_db_instance.this.engine_version == "15.12",
      aws_db_parameter_group.this.family == "postgres15",
      aws_db_instance.this.performance_insights_enabled,
      aws_db_instance.this.db_name == "orders_1",
      aws_db_instance.this.username == "orders_master_of_more_than_16_characters",
    ])
    error_message = "versions, classes and names that only PostgreSQL supports"
  }
}
