# Inputs of the service stack: account, region, environment, and the settings of network, database, proxy, app,
# bootstrap, and alarms.

variable "account_id" {
  description = "The AWS account to deploy to. Terraform refuses any other account."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account, as a string, leading zeros included."
  }
}

variable "region" {
  description = "The AWS region, such as eu-west-1. There is no default."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of an AWS region, such as eu-west-1."
  }
}

variable "project" {
  description = "The project: the first part of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,14}$", var.project))
    error_message = "project must have 2 to 15 lower-case letters and digits, beginning with a letter: no hyphen."
  }
}

variable "environment" {
  description = "The environment: the second part of every name, and the first part of parameter paths."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,8}$", var.environment))
    error_message = "environment must have 2 to 9 lower-case letters and digits, beginning with a letter, such as dev."
  }
}

variable "disposable" {
  description = <<-EOT
    Whether this environment is disposable: no deletion protection, no final snapshot, and a destroy deletes buckets and
    repositories with their contents. To destroy an environment that is not disposable, first apply this as true.
  EOT
  type        = bool
  default     = false
}

variable "network" {
  description = <<-EOT
    The network. cidr: range of the VPC, at least a /22. availability_zones: names; empty for the first zones that
    support RDS Proxy. reserved_cidrs: networks that it must not overlap. nat_gateways: one_per_az, single or none; with
    NAT, the app can open HTTPS connections beyond the VPC's endpoints, which the app of this repository does not need.
    admin_access: adds a security group for a jump host with access to the database.
  EOT
  type = object({
    cidr               = optional(string, "10.0.0.0/16")
    availability_zones = optional(list(string), [])
    reserved_cidrs     = optional(list(string), [])
    nat_gateways       = optional(string, "none")
    admin_access       = optional(bool, false)
  })
  default  = {}
  nullable = false
}

variable "engine" {
  description = "Database engine: mysql. PostgreSQL is not supported yet."
  type        = string
  default     = "mysql"
  nullable    = false

  validation {
    condition     = contains(["mysql"], var.engine)
    error_message = "engine must be \"mysql\": PostgreSQL is not supported yet."
  }
}

variable "database" {
  description = <<-EOT
    The database. name: the app's schema. admin_user: the IAM user that bootstrap creates and then logs in as; not the
    master user. The other settings are those of the rds module.
  EOT
  type = object({
    name                        = string
    admin_user                  = optional(string, "iam_admin")
    engine_version              = optional(string, "8.4")
    instance_class              = optional(string, "db.t4g.medium")
    allocated_storage_gib       = optional(number, 20)
    max_allocated_storage_gib   = optional(number, 100)
    multi_az                    = optional(bool, true)
    backup_retention_days       = optional(number, 14)
    monitoring_interval_seconds = optional(number, 60)
    performance_insights        = optional(bool, true)
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,32}$", var.database.admin_user))
    error_message = "database.admin_user must have 1 to 32 letters, digits and _ + = , . @ -: bootstrap creates no other users."
  }

  validation {
    condition     = !contains(local.reserved_users, lower(var.database.admin_user)) && !startswith(lower(var.database.admin_user), "mysql.")
    error_message = "database.admin_user must be a separate user: not the master user, and not reserved by RDS or MySQL."
  }
}

variable "proxy" {
  description = <<-EOT
    RDS Proxy, which logs in to the database by IAM. reads_master_secret: whether its role can read the master secret,
    which provider 5 requires it to link. AWS's migration keeps this permission while a secret is linked; set it to
    false after the switch to end-to-end IAM to remove it. The other settings are those of the module.
  EOT
  type = object({
    reads_master_secret               = optional(bool, true)
    idle_client_timeout_seconds       = optional(number, 1800)
    max_connections_percent           = optional(number, 90)
    max_idle_connections_percent      = optional(number, 50)
    connection_borrow_timeout_seconds = optional(number, 30)
    debug_logging                     = optional(bool, false)
  })
  default  = {}
  nullable = false
}

variable "app" {
  description = <<-EOT
    The service. database_user: its database user. port: the port for users, through the load balancer. management_port:
    the port for /livez, /readyz, /metrics and /api/identity; no listener forwards to it. certificate_arn, or
    domain_name and zone_id, enable HTTPS. allowed_cidrs: the load balancer's clients. min_size and max_size: numbers of
    instances.
  EOT
  type = object({
    database_user   = optional(string, "node_app")
    port            = optional(number, 3000)
    management_port = optional(number, 3001)
    allowed_cidrs   = optional(list(string), ["0.0.0.0/0"])
    certificate_arn = optional(string)
    domain_name     = optional(string)
    zone_id         = optional(string)
    instance_type   = optional(string, "t4g.small")
    ami_id          = optional(string)
    min_size        = optional(number, 2)
    max_size        = optional(number, 4)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.app.management_port != var.app.port
    error_message = "app.management_port must differ from app.port, which the load balancer's listeners forward to."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,32}$", var.app.database_user))
    error_message = "app.database_user must have 1 to 32 letters, digits and _ + = , . @ -: bootstrap creates no other users."
  }

  validation {
    condition     = !contains(local.reserved_users, lower(var.app.database_user)) && !startswith(lower(var.app.database_user), "mysql.")
    error_message = "app.database_user must be a separate user: not the master user, and not reserved by RDS or MySQL."
  }

  validation {
    condition     = lower(var.app.database_user) != lower(var.database.admin_user)
    error_message = "app.database_user must not be database.admin_user: the app would get the privileges to create users."
  }
}

variable "bootstrap" {
  description = <<-EOT
    The program that creates the database users, as a Lambda function that runs on apply. package: the zip file that
    `cargo xtask infra package` writes. users_file: the declaration of users (TOML); null for only app.database_user,
    with SELECT, INSERT, UPDATE and DELETE (and with the table of the example app if the user is node_app).
    reserved_concurrency: 1 prevents two runs at once in Lambda, which is not possible in accounts with a limit of 10;
    -1 relies on bootstrap's lock in the database.
  EOT
  type = object({
    package              = string
    architecture         = optional(string, "arm64")
    users_file           = optional(string)
    reserved_concurrency = optional(number, -1)
  })
  nullable = false
}

variable "alarm_topic_arns" {
  description = "SNS topics for the alarms. Without topics, alarms are visible only in the console."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of all roles: `permissions_boundary_arn` of stacks/account. Required for deployments by CI."
  type        = string
  default     = null
}
