# The RDS instance with IAM authentication and a master password managed by RDS, its subnet group, its parameter group
# (TLS only), and its log groups. local.engines has the settings of each engine.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  # Per engine: names, version, parameter group, logs, port and reserved names.
  engines = {
    mysql = {
      title         = "MySQL"
      rds_engine    = "mysql"
      port          = 3306
      engine_family = "MYSQL" # RDS Proxy's name of the engine

      default_version = "8.4"
      version_pattern = "^8\\.4(\\.[0-9]+)?$"
      version_help = join(" ", [
        "RDS Proxy does not support MySQL's innovation releases (8.1 to 8.3, 9.x), and 5.7 and 8.0 are past their",
        "standard support. Give 8.4, or 8.4 with a patch level, such as 8.4.5.",
      ])
      # The parameter group family consists of RDS's name of the engine and this number of parts of its version.
      family_parts = 2

      # RDS's names of the log types, which are also part of the log groups' names. Only iam-db-auth-error contains the
      # reason for a refused token: CloudTrail does not record logins.
      log_types = ["error", "slowquery", "iam-db-auth-error"]

      # No login without TLS, independent of the user's own REQUIRE: tokens are sent as clear text inside TLS. The
      # export of slowquery requires that the log is enabled and written to a file.
      parameters = {
        require_secure_transport = "1"
        slow_query_log           = "1"
        log_output               = "FILE"
        long_query_time          = "1"
      }
      static_parameters = {}

      database_pattern   = "^[A-Za-z][A-Za-z0-9_]{0,63}$"
      database_rule      = "1 to 64 letters, digits and underscores, a letter first"
      user_pattern       = "^[A-Za-z][A-Za-z0-9_]{0,15}$"
      user_rule          = "1 to 16 letters, digits and underscores, a letter first"
      reserved_databases = ["mysql", "sys", "information_schema", "performance_schema", "innodb", "rdsadmin"]
      reserved_users     = ["rdsadmin", "rdsproxyadmin", "rdsrepladmin", "rds_superuser_role"]

      # Classes that do not support Performance Insights.
      classes_without_insights = [
        "db.t2.micro", "db.t2.small", "db.t3.micro", "db.t3.small", "db.t4g.micro", "db.t4g.small",
      ]
    }

    postgresql = {
      title         = "PostgreSQL"
      rds_engine    = "postgres"
      port          = 5432
      engine_family = "POSTGRESQL"

      default_version = "17"
      version_pattern = "^1[5-8](\\.[0-9]+)?$"
      version_help = join(" ", [
        "bootstrap supports PostgreSQL 15 to 18. Give the major version, such as 17, or one with a minor version, such",
        "as 17.5.",
      ])
      family_parts = 1

      log_types = ["postgresql", "upgrade", "iam-db-auth-error"]

      # Statements over a second are logged, as by MySQL's slow query log.
      parameters = { log_min_duration_statement = "1000" }
      # No login without TLS. RDS has this value by default since PostgreSQL 15, reports it as applied at a reboot, and
      # would report every other apply method as a change in each plan.
      static_parameters = { "rds.force_ssl" = "1" }

      # RDS requires a letter first, unlike PostgreSQL.
      database_pattern   = "^[A-Za-z][A-Za-z0-9_]{0,62}$"
      database_rule      = "1 to 63 letters, digits and underscores, a letter first"
      user_pattern       = "^[A-Za-z][A-Za-z0-9_]{0,62}$"
      user_rule          = "1 to 63 letters, digits and underscores, a letter first"
      reserved_databases = ["template0", "template1", "rdsadmin", "admin", "db", "user"]
      reserved_users = [
        "admin", "rdsadmin", "rdsproxyadmin", "rdsrepladmin", "rdstopmgr", "rds_superuser", "rds_iam", "rds_password",
        "rds_replication", "rds_ad", "public", "none", "user", "current_user", "session_user", "current_role",
      ]

      classes_without_insights = []
    }
  }
  engine = local.engines[var.engine]

  engine_version = coalesce(var.engine_version, local.engine.default_version)
  version_parts  = slice(split(".", local.engine_version), 0, local.engine.family_parts)
  family         = "${local.engine.rds_engine}${join(".", local.version_parts)}"

  log_types = toset(local.engine.log_types)

  monitored = var.monitoring_interval_seconds > 0
}

# Created before the instance: RDS would create them with unlimited retention and without the key.
resource "aws_cloudwatch_log_group" "this" {
  for_each = local.log_types

  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = var.tags

  # CloudWatch Logs checks the key immediately.
  depends_on = [aws_kms_key_policy.this]
}

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "${var.name}: private subnets of the database"
  subnet_ids  = var.subnet_ids
  tags        = var.tags
}

# name_prefix, because a new major version needs a new group beside the old one.
resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-"
  description = "${var.name}: TLS only, slow query log"
  family      = local.family
  tags        = var.tags

  dynamic "parameter" {
    for_each = local.engine.parameters

    content {
      name  = parameter.key
      value = parameter.value
    }
  }

  dynamic "parameter" {
    for_each = local.engine.static_parameters

    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = "pending-reboot"
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  identifier     = var.name
  engine         = local.engine.rds_engine
  engine_version = local.engine_version
  instance_class = var.instance_class

  storage_type          = "gp3"
  allocated_storage     = var.allocated_storage_gib
  max_allocated_storage = var.max_allocated_storage_gib
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.this.arn

  db_name                             = var.database_name
  port                                = local.engine.port
  username                            = var.master_username
  manage_master_user_password         = true
  master_user_secret_kms_key_id       = aws_kms_key.this.arn
  iam_database_authentication_enabled = true

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = var.security_group_ids
  publicly_accessible    = false
  multi_az               = var.multi_az
  parameter_group_name   = aws_db_parameter_group.this.name
  ca_cert_identifier     = var.ca_cert_identifier

  backup_retention_period   = var.backup_retention_days
  copy_tags_to_snapshot     = true
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = var.skip_final_snapshot
  final_snapshot_identifier = coalesce(var.final_snapshot_identifier, "${var.name}-final")

  # A new major version is a separate step, with a test before it.
  allow_major_version_upgrade = false
  auto_minor_version_upgrade  = true
  apply_immediately           = var.apply_immediately
  engine_lifecycle_support = (
    var.extended_support ? "open-source-rds-extended-support" : "open-source-rds-extended-support-disabled"
  )

  enabled_cloudwatch_logs_exports       = local.log_types
  monitoring_interval                   = var.monitoring_interval_seconds
  monitoring_role_arn                   = one(aws_iam_role.monitoring[*].arn)
  performance_insights_enabled          = var.performance_insights
  performance_insights_kms_key_id       = var.performance_insights ? aws_kms_key.this.arn : null
  performance_insights_retention_period = var.performance_insights ? 7 : null

  tags = var.tags

  lifecycle {
    # RDS accepts it at the creation only; the provider would show the same change in every plan.
    ignore_changes = [engine_lifecycle_support]
  }

  depends_on = [
    aws_cloudwatch_log_group.this,
    aws_iam_role_policy_attachment.monitoring,
    aws_kms_key_policy.this,
  ]
}
