# Inputs of the RDS Proxy module: role, network, database, authentication, connection limits, and logs.

variable "name" {
  description = "Name of the proxy, and the first label of its endpoint."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = <<-EOT
      name ${jsonencode(var.name)} can't be the name of an RDS Proxy: use 3 to 32 lower-case letters, digits and single
      hyphens, beginning with a letter and not ending with a hyphen.
    EOT
  }
}

variable "role_arn" {
  description = "Role for the proxy's logins to the database. Its policy must exist before the proxy."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", var.role_arn))
    error_message = <<-EOT
      role_arn ${jsonencode(var.role_arn)} is not the ARN of a role: give arn:aws:iam::<account>:role/<name>, such as
      the output proxy_role_arn of the module iam.
    EOT
  }
}

variable "subnet_ids" {
  description = "Subnets of the proxy: private, in at least two availability zones that support RDS Proxy."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: RDS Proxy needs subnets in at least two availability zones. Give two or more."
  }
}

variable "security_group_ids" {
  description = "Security groups of the proxy."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = <<-EOT
      security_group_ids is empty. AWS would use the VPC's default group, which admits its members. Give the proxy's own
      group.
    EOT
  }
}

variable "database_kind" {
  description = "Kind of the database behind the proxy: instance or cluster, the output kind of the modules rds and aurora."
  type        = string
  default     = "instance"
  nullable    = false

  validation {
    condition     = contains(["instance", "cluster"], var.database_kind)
    error_message = <<-EOT
      database_kind ${jsonencode(var.database_kind)} is unknown: give "instance" (RDS) or "cluster" (Aurora).
    EOT
  }
}

variable "database_identifier" {
  description = "Identifier of the instance or cluster behind the proxy: its name, not its resource id."
  type        = string
  nullable    = false

  validation {
    condition = (
      can(regex("^[a-z][a-z0-9-]*[a-z0-9]$", var.database_identifier)) && length(var.database_identifier) <= 63
    )
    error_message = <<-EOT
      database_identifier ${jsonencode(var.database_identifier)} is not the identifier of an instance or cluster: give
      the name (aws_db_instance.identifier, aws_rds_cluster.cluster_identifier), neither the id db-… or cluster-… nor an
      ARN.
    EOT
  }
}

variable "database_pauses" {
  description = "Whether the cluster pauses without connections, the output pauses of the module aurora. Such a cluster is refused."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.database_pauses
    error_message = <<-EOT
      database_pauses: the cluster should pause without connections (min_capacity = 0), but RDS Proxy keeps connections
      open, so it would never pause. Connect without a proxy, or give the cluster min_capacity = 0.5.
    EOT
  }
}

variable "engine_family" {
  description = "RDS Proxy's name of the engine: MYSQL or POSTGRESQL, also for Aurora."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["MYSQL", "POSTGRESQL"], var.engine_family)
    error_message = <<-EOT
      engine_family ${jsonencode(var.engine_family)} is not supported: engine_family must be "MYSQL" or "POSTGRESQL", the
      output engine_family of the modules rds and aurora.
    EOT
  }
}

variable "port" {
  description = "Port of the proxy: 3306 for MySQL, 5432 for PostgreSQL. RDS Proxy listens on the engine's default port only."
  type        = number
  nullable    = false

  validation {
    condition     = var.port == lookup({ MYSQL = 3306, POSTGRESQL = 5432 }, var.engine_family, var.port)
    error_message = <<-EOT
      port ${var.port}: RDS Proxy listens only on 3306 for MYSQL and on 5432 for POSTGRESQL, and engine_family is
      ${var.engine_family}.
    EOT
  }
}

variable "reader_endpoint" {
  description = "Whether to add an endpoint that leads to the readers of a cluster."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.reader_endpoint || var.database_kind == "cluster"
    error_message = "reader_endpoint: an instance has no readers. Set it to false, or use a cluster (database_kind = \"cluster\")."
  }
}

variable "authentication" {
  description = "The proxy's authentication to the database: iam (end to end) or secret (linked secrets). Clients use IAM."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["iam", "secret"], var.authentication)
    error_message = <<-EOT
      authentication ${jsonencode(var.authentication)} is unknown: give "iam" (clients and proxy log in by IAM) or
      "secret" (clients by IAM, the proxy with a password from secret_arns).
    EOT
  }
}

variable "secret_arns" {
  description = "Secrets linked to the proxy. Required for secret; with provider versions before 6.15, also for iam."
  type        = list(string)
  nullable    = false

  validation {
    condition     = var.authentication != "secret" || length(var.secret_arns) > 0
    error_message = <<-EOT
      secret_arns is empty: with authentication = "secret", the proxy has no password for the database. Link at least
      one secret, such as the master secret, or choose authentication = "iam".
    EOT
  }

  validation {
    condition = alltrue([
      for arn in var.secret_arns : can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+$", arn))
    ])
    error_message = <<-EOT
      secret_arns ${jsonencode(var.secret_arns)}: give whole ARNs of secrets
      (arn:aws:secretsmanager:<region>:<account>:secret:<name>), neither names nor wildcards.
    EOT
  }

  # Each secret is one entry of a set of at most 200: AWS's quota for a proxy.
  validation {
    condition     = length(var.secret_arns) <= 200 && length(distinct(var.secret_arns)) == length(var.secret_arns)
    error_message = "secret_arns: a proxy supports at most 200 secrets, without repetition. Remove repeated or excess entries."
  }
}

variable "idle_client_timeout_seconds" {
  description = "Idle time after which a client's connection is closed, in seconds, 1 to 28800 (eight hours)."
  type        = number
  default     = 1800
  nullable    = false

  validation {
    condition = (
      var.idle_client_timeout_seconds >= 1 && var.idle_client_timeout_seconds <= 28800 &&
      floor(var.idle_client_timeout_seconds) == var.idle_client_timeout_seconds
    )
    error_message = <<-EOT
      idle_client_timeout_seconds ${var.idle_client_timeout_seconds}: RDS Proxy requires a whole number from 1 to 28800.
    EOT
  }
}

variable "max_connections_percent" {
  description = "The proxy's limit of connections, in percent of the database's max_connections, 1 to 100."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition = (
      var.max_connections_percent >= 1 && var.max_connections_percent <= 100 &&
      floor(var.max_connections_percent) == var.max_connections_percent
    )
    error_message = "max_connections_percent ${var.max_connections_percent}: give a whole number from 1 to 100."
  }
}

variable "max_idle_connections_percent" {
  description = "Limit of idle connections, in percent of the database's max_connections, 0 to max_connections_percent."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition = (
      var.max_idle_connections_percent >= 0 && var.max_idle_connections_percent <= var.max_connections_percent &&
      floor(var.max_idle_connections_percent) == var.max_idle_connections_percent
    )
    error_message = <<-EOT
      max_idle_connections_percent ${var.max_idle_connections_percent}: give a whole number from 0 to
      max_connections_percent (${var.max_connections_percent}).
    EOT
  }
}

variable "connection_borrow_timeout_seconds" {
  description = "Timeout of a client for a connection of the pool, in seconds, 1 to 300. After it, an error (MySQL: 9501)."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition = (
      var.connection_borrow_timeout_seconds >= 1 && var.connection_borrow_timeout_seconds <= 300 &&
      floor(var.connection_borrow_timeout_seconds) == var.connection_borrow_timeout_seconds
    )
    error_message = <<-EOT
      connection_borrow_timeout_seconds ${var.connection_borrow_timeout_seconds}: give a whole number from 1 to 300. 0
      would let clients wait forever.
    EOT
  }
}

variable "session_pinning_filters" {
  description = "Statements that do not pin a session: EXCLUDE_VARIABLE_SETS, or none. MySQL only."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for filter in var.session_pinning_filters : filter == "EXCLUDE_VARIABLE_SETS"])
    error_message = <<-EOT
      session_pinning_filters ${jsonencode(var.session_pinning_filters)}: RDS Proxy supports only EXCLUDE_VARIABLE_SETS.
    EOT
  }

  validation {
    condition     = length(var.session_pinning_filters) == 0 || var.engine_family != "POSTGRESQL"
    error_message = "session_pinning_filters: RDS Proxy supports them only for MySQL. Leave them out for PostgreSQL."
  }
}

variable "debug_logging" {
  description = "Whether the proxy logs SQL statements. They contain data: enable it only for debugging, and for hours."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_retention_days" {
  description = "Retention of the proxy's log, in days."
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

variable "log_kms_key_arn" {
  description = "Key for the proxy's log. Its policy must permit CloudWatch Logs, like that of the module rds."
  type        = string
  default     = null

  validation {
    condition = (
      var.log_kms_key_arn == null ||
      can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.log_kms_key_arn))
    )
    error_message = <<-EOT
      log_kms_key_arn ${jsonencode(var.log_kms_key_arn)} is not the ARN of a key: give
      arn:aws:kms:<region>:<account>:key/<id>; CloudWatch Logs accepts no alias.
    EOT
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}
