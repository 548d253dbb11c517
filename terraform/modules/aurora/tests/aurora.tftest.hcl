# Tests of the module aurora: its README's example, each engine, serverless and provisioned instances, and policies. The
# provider builds the policy documents itself, without an account; the caller's identity is overridden.

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
  engine             = "postgresql"
  database_name      = "orders"
  instances          = { one = {} }
  serverless         = { min_capacity = 0.5, max_capacity = 4 }
}

run "readme" {
  command = plan

  variables {
    name               = "orders-dev"
    subnet_ids         = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
    security_group_ids = ["sg-0a1b2c3d4e5f60001"]
    engine             = "postgresql"
    engine_version     = "17.5"
    database_name      = "orders"
    instances          = { one = {} }
    serverless         = { min_capacity = 0, max_capacity = 16, seconds_until_auto_pause = 300 }
    ca_cert_identifier = "rds-ca-rsa4096-g1"
  }

  assert {
    condition = alltrue([
      aws_rds_cluster.this.cluster_identifier == "orders-dev",
      aws_rds_cluster.this.engine == "aurora-postgresql",
      aws_rds_cluster.this.engine_version == "17.5",
      aws_rds_cluster.this.port == 5432,
      aws_rds_cluster.this.manage_master_user_password,
      aws_rds_cluster.this.master_password == null,
      aws_rds_cluster.this.iam_database_authentication_enabled,
      aws_rds_cluster.this.storage_encrypted,
      aws_rds_cluster.this.database_name == "orders",
      aws_rds_cluster.this.master_username == "dbadmin",
    ])
    error_message = "an encrypted Aurora PostgreSQL 17.5 with IAM authentication and a password managed by RDS"
  }

  assert {
    condition = [
      for scaling in aws_rds_cluster.this.serverlessv2_scaling_configuration :
      [scaling.min_capacity, scaling.max_capacity, scaling.seconds_until_auto_pause]
    ] == [[0, 16, 300]]
    error_message = "it pauses after 300 s without connections"
  }

  assert {
    condition = {
      for key, instance in aws_rds_cluster_instance.this : key => [
        instance.identifier, instance.instance_class, instance.engine, instance.engine_version,
        instance.ca_cert_identifier,
      ]
    } == { one = ["orders-dev-one", "db.serverless", "aurora-postgresql", "17.5", "rds-ca-rsa4096-g1"] }
    error_message = "one serverless instance, with the given CA"
  }

  assert {
    condition = alltrue([
      for instance in aws_rds_cluster_instance.this : instance.publicly_accessible == false &&
      instance.performance_insights_enabled && instance.performance_insights_retention_period == 7 &&
      instance.monitoring_interval == 60 && instance.auto_minor_version_upgrade
    ])
    error_message = "its instances are private and monitored"
  }

  assert {
    condition = alltrue([
      aws_rds_cluster.this.deletion_protection,
      aws_rds_cluster.this.skip_final_snapshot == false,
      aws_rds_cluster.this.final_snapshot_identifier == "orders-dev-final",
      aws_rds_cluster.this.backup_retention_period == 14,
      aws_rds_cluster.this.copy_tags_to_snapshot,
      aws_rds_cluster.this.allow_major_version_upgrade == false,
      aws_rds_cluster.this.apply_immediately == false,
      aws_rds_cluster.this.engine_lifecycle_support == "open-source-rds-extended-support",
    ])
    error_message = "by default it is protected, backed up, and changed in the maintenance window"
  }

  assert {
    condition = output.log_group_names == {
      iam-db-auth-error = "/aws/rds/cluster/orders-dev/iam-db-auth-error"
      postgresql        = "/aws/rds/cluster/orders-dev/postgresql"
    } && aws_rds_cluster.this.enabled_cloudwatch_logs_exports == toset(keys(output.log_group_names))
    error_message = "the exported logs have groups with RDS's names: ${jsonencode(output.log_group_names)}"
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 365])
    error_message = "logs are kept for a year by default"
  }

  assert {
    condition = {
      for parameter in aws_rds_cluster_parameter_group.this.parameter :
      parameter.name => [parameter.value, parameter.apply_method]
      } == {
      "rds.force_ssl"            = ["1", "pending-reboot"]
      log_min_duration_statement = ["1000", "immediate"]
    } && aws_rds_cluster_parameter_group.this.family == "aurora-postgresql17"
    error_message = "TLS only, with the apply method that RDS reports, and slow statements in the log"
  }

  assert {
    condition = alltrue([
      output.kind == "cluster", output.engine == "postgresql", output.engine_family == "POSTGRESQL",
      output.port == 5432, output.pauses, output.instance_identifiers == tolist(["orders-dev-one"]),
      output.custom_addresses == {},
    ])
    error_message = "the outputs have this repository's name of the engine, and RDS Proxy's name of it"
  }
}

run "policies" {
  command = plan

  variables {
    instances = { one = {}, two = {} }
  }

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
      "arn:aws:logs:us-east-1:123456789012:log-group:/aws/rds/cluster/orders-dev/*",
      "arn:aws:logs:us-east-1:123456789012:log-group:/aws/rds/proxy/orders-dev",
    ])
    error_message = "CloudWatch Logs only for these groups: ${data.aws_iam_policy_document.key.json}"
  }

  assert {
    condition = toset(
      jsondecode(data.aws_iam_policy_document.monitoring_trust.json).Statement[0].Condition.ArnEquals["aws:SourceArn"]
      ) == toset([
        "arn:aws:rds:us-east-1:123456789012:db:orders-dev-one", "arn:aws:rds:us-east-1:123456789012:db:orders-dev-two",
    ])
    error_message = "monitoring only for these instances: ${data.aws_iam_policy_document.monitoring_trust.json}"
  }
}

run "provisioned_with_readers" {
  command = plan

  variables {
    engine_version = "16"
    instances = {
      writer  = { class = "db.r7g.large", promotion_tier = 0 }
      standby = { class = "db.r7g.large" }
      reports = { class = "db.r7g.xlarge", promotion_tier = 15 }
    }
    serverless       = null
    custom_endpoints = { reports = { static_members = ["reports"] }, all = { type = "ANY" } }
  }

  assert {
    condition = {
      for key, instance in aws_rds_cluster_instance.this : key => "${instance.instance_class} ${instance.promotion_tier}"
    } == { writer = "db.r7g.large 0", standby = "db.r7g.large 1", reports = "db.r7g.xlarge 15" }
    error_message = "each instance has its class and its order of promotion"
  }

  assert {
    condition = {
      for key, endpoint in aws_rds_cluster_endpoint.this :
      key => [endpoint.cluster_endpoint_identifier, endpoint.custom_endpoint_type]
    } == { reports = ["orders-dev-reports", "READER"], all = ["orders-dev-all", "ANY"] }
    error_message = "each custom endpoint has its type"
  }

  assert {
    condition     = aws_rds_cluster_endpoint.this["reports"].static_members == toset(["orders-dev-reports"])
    error_message = "the members are identifiers of instances"
  }

  assert {
    condition = alltrue([
      length(aws_rds_cluster.this.serverlessv2_scaling_configuration) == 0,
      aws_rds_cluster_parameter_group.this.family == "aurora-postgresql16",
      output.pauses == false,
    ])
    error_message = "no serverless capacity, and no pause"
  }
}

run "mysql" {
  command = plan

  variables {
    engine         = "mysql"
    engine_version = "8.0.mysql_aurora.3.08.0"
    serverless     = { min_capacity = 0, max_capacity = 2 }
  }

  assert {
    condition = alltrue([
      aws_rds_cluster.this.engine == "aurora-mysql",
      aws_rds_cluster.this.port == 3306,
      aws_rds_cluster_parameter_group.this.family == "aurora-mysql8.0",
      output.engine == "mysql",
      output.engine_family == "MYSQL",
    ])
    error_message = "Aurora MySQL 3"
  }

  assert {
    condition = {
      for parameter in aws_rds_cluster_parameter_group.this.parameter : parameter.name => parameter.value
    } == { require_secure_transport = "ON", slow_query_log = "1", long_query_time = "1" }
    error_message = "TLS only, and what the export of slowquery needs"
  }

  assert {
    condition     = toset(keys(output.log_group_names)) == toset(["error", "slowquery", "iam-db-auth-error"])
    error_message = "MySQL's logs are exported"
  }

  assert {
    condition     = aws_rds_cluster.this.serverlessv2_scaling_configuration[0].seconds_until_auto_pause == 300
    error_message = "300 s without connections, by default"
  }
}

run "throw_away" {
  command = plan

  variables {
    backup_retention_days       = 1
    deletion_protection         = false
    skip_final_snapshot         = true
    monitoring_interval_seconds = 0
    performance_insights        = false
    log_retention_days          = 7
    apply_immediately           = true
    extended_support            = false
  }

  assert {
    condition = alltrue([
      aws_rds_cluster.this.deletion_protection == false,
      aws_rds_cluster.this.skip_final_snapshot,
      aws_rds_cluster.this.apply_immediately,
      length(aws_iam_role.monitoring) == 0,
      aws_rds_cluster.this.engine_version == "17",
      aws_rds_cluster.this.engine_lifecycle_support == "open-source-rds-extended-support-disabled",
      # The security settings stay.
      aws_rds_cluster.this.storage_encrypted,
      aws_rds_cluster.this.iam_database_authentication_enabled,
    ])
    error_message = "without monitoring and protection, and equally secure"
  }
}
