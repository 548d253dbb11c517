# Inputs of the cluster's module: network, engine, names, backups, deletion, and monitoring.

variable "name" {
  description = "Identifier of the cluster, and prefix of the names of its instances and resources."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = <<-EOT
      name ${jsonencode(var.name)} can't be the identifier of an Aurora cluster: use 3 to 32 lower-case letters, digits
      and single hyphens, beginning with a letter and not ending with a hyphen.
    EOT
  }
}

variable "subnet_ids" {
  description = "Subnets of the cluster: private, in at least two availability zones."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: RDS needs subnets in at least two availability zones. Give two or more."
  }
}

variable "security_group_ids" {
  description = "Security groups of the cluster."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = <<-EOT
      security_group_ids is empty. AWS would use the VPC's default group, which admits its members. Give the database's
      own group.
    EOT
  }
}

variable "engine" {
  description = "Database engine: mysql or postgresql."
  type        = string
  default     = "mysql"
  nullable    = false

  validation {
    condition     = contains(keys(local.engines), var.engine)
    error_message = <<-EOT
      engine ${jsonencode(var.engine)} is not supported: engine must be one of ${join(", ", keys(local.engines))}. This
      module adds "aurora-" itself.
    EOT
  }
}

variable "engine_version" {
  description = "Version of the engine: 8.0 (Aurora MySQL 3) or PostgreSQL 15 to 18. Without a minor version, RDS selects and upgrades it. null: 8.0 or 17."
  type        = string
  default     = null

  validation {
    condition = var.engine_version == null || can(
      regex(try(local.engines[var.engine].version_pattern, ""), var.engine_version)
    )
    error_message = <<-EOT
      engine_version ${jsonencode(var.engine_version)} is refused for ${var.engine}:
      ${try(local.engines[var.engine].version_help, "the engine is not supported.")}
    EOT
  }
}

variable "database_name" {
  description = "The database that is created with the cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(try(local.engines[var.engine].database_pattern, ""), var.database_name))
    error_message = <<-EOT
      database_name ${jsonencode(var.database_name)}: Aurora ${try(local.engines[var.engine].title, "this engine")}
      requires ${try(local.engines[var.engine].database_rule, "a supported engine")}.
    EOT
  }

  validation {
    condition = !contains(
      try(local.engines[var.engine].reserved_databases, []), lower(var.database_name)
    )
    error_message = <<-EOT
      database_name ${jsonencode(var.database_name)} belongs to the server or is reserved by RDS: use another name.
    EOT
  }
}

variable "master_username" {
  description = "The master user. Only bootstrap logs in as this user, and never by IAM."
  type        = string
  default     = "dbadmin"
  nullable    = false

  validation {
    condition     = can(regex(try(local.engines[var.engine].user_pattern, ""), var.master_username))
    error_message = <<-EOT
      master_username ${jsonencode(var.master_username)}: Aurora ${try(local.engines[var.engine].title, "this engine")}
      requires ${try(local.engines[var.engine].user_rule, "a supported engine")}.
    EOT
  }

  validation {
    condition = !contains(
      try(local.engines[var.engine].reserved_users, []), lower(var.master_username)
    ) && !(var.engine == "postgresql" && startswith(lower(var.master_username), "pg_"))
    error_message = <<-EOT
      master_username ${jsonencode(var.master_username)} is reserved by the server, by RDS or by RDS Proxy: use another
      name, such as dbadmin.
    EOT
  }
}

variable "backup_retention_days" {
  description = "Retention of automated backups, 1 to 35 days."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition = (
      var.backup_retention_days >= 1 && var.backup_retention_days <= 35 &&
      floor(var.backup_retention_days) == var.backup_retention_days
    )
    error_message = <<-EOT
      backup_retention_days ${var.backup_retention_days}: give a whole number from 1 to 35. 0 would switch automated
      backups off, and with them point-in-time recovery.
    EOT
  }
}

variable "extended_support" {
  description = "Whether RDS Extended Support, billed per vCPU and hour, begins at the end of the major version's standard support; otherwise RDS upgrades the major version then. Used at the creation only."
  type        = bool
  default     = true
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the cluster."
  type        = bool
  default     = true
  nullable    = false
}

variable "skip_final_snapshot" {
  description = "Whether a destroy skips the final snapshot. For disposable deployments."
  type        = bool
  default     = false
  nullable    = false
}

variable "final_snapshot_identifier" {
  description = "Name of the final snapshot of a destroy. null: <name>-final."
  type        = string
  default     = null

  validation {
    condition = var.final_snapshot_identifier == null || (
      can(regex("^[A-Za-z][A-Za-z0-9-]{0,253}[A-Za-z0-9]$", var.final_snapshot_identifier)) &&
      !strcontains(coalesce(var.final_snapshot_identifier, "-"), "--")
    )
    error_message = <<-EOT
      final_snapshot_identifier ${jsonencode(var.final_snapshot_identifier)}: RDS requires letters, digits and single
      hyphens, beginning with a letter and not ending with a hyphen.
    EOT
  }
}

variable "monitoring_interval_seconds" {
  description = "Interval of Enhanced Monitoring: 1, 5, 10, 15, 30 or 60; 0: off."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = contains([0, 1, 5, 10, 15, 30, 60], var.monitoring_interval_seconds)
    error_message = <<-EOT
      monitoring_interval_seconds ${var.monitoring_interval_seconds}: RDS accepts 1, 5, 10, 15, 30, 60, or 0 for none.
    EOT
  }
}

variable "performance_insights" {
  description = "Whether Performance Insights is on, with the free retention of seven days."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition = !var.performance_insights || !anytrue([
      for instance in values(var.instances) :
      can(regex(try(local.engines[var.engine].classes_without_insights, "^$"), instance.class))
    ])
    error_message = <<-EOT
      performance_insights: Aurora MySQL does not support it on the classes db.t2 and db.t3, db.t4g.micro and
      db.t4g.small. Set performance_insights = false, or use larger classes, at least db.t4g.medium.
    EOT
  }
}

variable "log_retention_days" {
  description = "Retention of the exported logs, in days."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days
    )
    error_message = <<-EOT
      log_retention_days ${var.log_retention_days}: CloudWatch Logs accepts 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180,
      365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653.
    EOT
  }
}

variable "ca_cert_identifier" {
  description = "CA of the instances' certificates. null: the account's default."
  type        = string
  default     = null

  validation {
    condition     = var.ca_cert_identifier == null || can(regex("^rds-ca-[a-z0-9-]+$", var.ca_cert_identifier))
    error_message = <<-EOT
      ca_cert_identifier ${jsonencode(var.ca_cert_identifier)} is not a CA of RDS: their names begin with "rds-ca-",
      such as rds-ca-rsa2048-g1.
    EOT
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the monitoring role. null: none."
  type        = string
  default     = null

  validation {
    condition = (
      var.permissions_boundary_arn == null ||
      can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    )
    error_message = <<-EOT
      permissions_boundary_arn ${jsonencode(var.permissions_boundary_arn)} is not the ARN of an IAM policy
      (arn:aws:iam::<account>:policy/<name>).
    EOT
  }
}

variable "apply_immediately" {
  description = "Whether changes are applied immediately, not in the next maintenance window. Some restart the server."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags of all resources, and of the snapshots."
  type        = map(string)
  default     = {}
  nullable    = false
}
