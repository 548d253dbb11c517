# The RDS instance with IAM authentication and a master password managed by RDS, its subnet group, its parameter group
# (TLS only), and its log groups. local.engines has the settings of each engine.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  # Per engine: version, parameter group, logs, port and reserved names. A second engine is one more entry.
  engines = {
    mysql = {
      port          = 3306
      engine_family = "MYSQL" # RDS Proxy's name of the engine

      version_pattern = "^8\\.4(\\.[0-9]+)?$"
      # The parameter group family consists of the engine's name and this number of parts of its version.
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

      reserved_databases = ["mysql", "sys", "information_schema", "performance_schema", "innodb", "rdsadmin"]
      reserved_users     = ["rdsadmin", "rdsproxyadmin", "rdsrepladmin", "rds_superuser_role"]
    }
  }
  engine = local.engines[var.engine]

  family = "${var.engine}${join(".", slice(split(".", var.engine_version), 0, local.engine.family_parts))}"

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

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  identifier     = var.name
  engine         = var.engine
  engine_version = var.engine_version
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

  enabled_cloudwatch_logs_exports       = local.log_types
  monitoring_interval                   = var.monitoring_interval_seconds
  monitoring_role_arn                   = one(aws_iam_role.monitoring[*].arn)
  performance_insights_enabled          = var.performance_insights
  performance_insights_kms_key_id       = var.performance_insights ? aws_kms_key.this.arn : null
  performance_insights_retention_period = var.performance_insights ? 7 : null

  tags = var.tags

  depends_on = [
    aws_cloudwatch_log_group.this,
    aws_iam_role_policy_attachment.monitoring,
    aws_kms_key_policy.this,
  ]
}
