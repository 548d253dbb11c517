# Inputs of the service stack: account, region, environment, and the settings of network, database, proxy, app, jump host,
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
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment))
    error_message = "environment must have 2 to 10 lower-case letters and digits, beginning with a letter, such as dev."
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
    admin_access: adds a security group with access to the database, for a host other than jump_host.
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
  description = "Database engine: mysql or postgresql, also for Aurora."
  type        = string
  default     = "mysql"
  nullable    = false

  validation {
    condition     = contains(["mysql", "postgresql"], var.engine)
    error_message = "engine must be \"mysql\" or \"postgresql\"; for Aurora, set database.cluster in addition."
  }
}

variable "database" {
  description = <<-EOT
    The database. name: the app's database. admin_user: the IAM user that bootstrap creates and then logs in as; not the
    master user. cluster: an Aurora cluster instead of an instance of RDS, with the settings of the aurora module. The
    other settings are those of the rds and aurora modules; instance_class, allocated_storage_gib,
    max_allocated_storage_gib and multi_az apply only to an instance of RDS.
  EOT
  type = object({
    name                        = string
    admin_user                  = optional(string, "iam_admin")
    engine_version              = optional(string)
    instance_class              = optional(string, "db.t4g.medium")
    allocated_storage_gib       = optional(number, 20)
    max_allocated_storage_gib   = optional(number, 100)
    multi_az                    = optional(bool, true)
    backup_retention_days       = optional(number, 14)
    monitoring_interval_seconds = optional(number, 60)
    performance_insights        = optional(bool, true)
    ca_cert_identifier          = optional(string)
    extended_support            = optional(bool, true)
    cluster = optional(object({
      instances = map(object({
        class          = optional(string, "db.serverless")
        promotion_tier = optional(number, 1)
      }))
      serverless = optional(object({
        min_capacity             = number
        max_capacity             = number
        seconds_until_auto_pause = optional(number)
      }))
      custom_endpoints = optional(map(object({
        type           = optional(string, "READER")
        static_members = optional(list(string))
      })), {})
    }))
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]+$", var.database.admin_user)) && length(var.database.admin_user) <= lookup(local.user_limit, var.engine, 63)
    error_message = "database.admin_user must have 1 to ${lookup(local.user_limit, var.engine, 63)} letters, digits and _ + = , . @ -: bootstrap creates no other users."
  }

  validation {
    condition = !(
      contains(lookup(local.reserved_users, var.engine, []), lower(var.database.admin_user)) ||
      can(regex(lookup(local.reserved_pattern, var.engine, "^$"), lower(var.database.admin_user)))
    )
    error_message = "database.admin_user must be a separate user: not the master user, and not reserved by RDS or the server."
  }

  # The versions themselves are checked by the modules.
  validation {
    condition = (
      var.database.engine_version == null ||
      can(regex(var.engine == "postgresql" ? "^1[0-9](\\.|$)" : "^[589]\\.", var.database.engine_version))
    )
    error_message = "database.engine_version ${jsonencode(var.database.engine_version)} is not a version of ${var.engine}."
  }
}

variable "proxy" {
  description = <<-EOT
    RDS Proxy, which logs in to the database by IAM; null for none: the app then connects to the database.
    reads_master_secret: whether its role can read the master secret, which provider 5 requires it to link. AWS's
    migration keeps this permission while a secret is linked; set it to false after the switch to end-to-end IAM to remove
    it. reader_endpoint: an endpoint for the readers of a cluster of two instances or more. The other settings are those of
    the module.
  EOT
  type = object({
    reads_master_secret               = optional(bool, true)
    reader_endpoint                   = optional(bool, false)
    idle_client_timeout_seconds       = optional(number, 1800)
    max_connections_percent           = optional(number, 90)
    max_idle_connections_percent      = optional(number, 50)
    connection_borrow_timeout_seconds = optional(number, 30)
    debug_logging                     = optional(bool, false)
  })
  default = {}

  validation {
    condition     = var.proxy == null || try(var.database.cluster.serverless.min_capacity, 1) != 0
    error_message = <<-EOT
      proxy: the cluster should pause without connections (min_capacity = 0), but RDS Proxy keeps connections open, so it
      would never pause. Set proxy = null, or min_capacity = 0.5.
    EOT
  }

  # RDS would create the endpoint, and refuse its connections.
  validation {
    condition     = !try(var.proxy.reader_endpoint, false) || try(length(var.database.cluster.instances) >= 2, false)
    error_message = <<-EOT
      proxy.reader_endpoint: the database has no reader. Give database.cluster two instances or more, or set it to false.
    EOT
  }
}

variable "app" {
  description = <<-EOT
    The service; null for none: no load balancer, instances, image repository and bucket for logs. database_user: its
    database user. port: the port for users, through the load balancer. management_port: the port for /livez, /readyz,
    /metrics and /api/identity; no listener forwards to it. certificate_arn, or domain_name and zone_id, enable HTTPS.
    allowed_cidrs: the load balancer's clients. min_size and max_size: numbers of instances.
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
  default = {}

  validation {
    condition     = try(var.app.management_port != var.app.port, true)
    error_message = "app.management_port must differ from app.port, which the load balancer's listeners forward to."
  }

  validation {
    condition = var.app == null || try(
      can(regex("^[A-Za-z0-9_+=,.@-]+$", var.app.database_user)) &&
      length(var.app.database_user) <= lookup(local.user_limit, var.engine, 63), false
    )
    error_message = "app.database_user must have 1 to ${lookup(local.user_limit, var.engine, 63)} letters, digits and _ + = , . @ -: bootstrap creates no other users."
  }

  validation {
    condition = var.app == null || try(
      !contains(lookup(local.reserved_users, var.engine, []), lower(var.app.database_user)) &&
      !can(regex(lookup(local.reserved_pattern, var.engine, "^$"), lower(var.app.database_user))), false
    )
    error_message = "app.database_user must be a separate user: not the master user, and not reserved by RDS or the server."
  }

  validation {
    condition     = try(lower(var.app.database_user) != lower(var.database.admin_user), true)
    error_message = "app.database_user must not be database.admin_user: the app would get the privileges to create users."
  }
}

variable "jump_host" {
  description = <<-EOT
    A host for tunnels to the database, through Session Manager alone; null for none. roles: names of the roles of those who
    may use it. database_users: the database users that they may log in as, directly at the database. integration: the
    tunnel for integration tests on GitHub, whose role of stacks/account, `<project>-integration-<environment>`, logs in as
    this one database_user.
  EOT
  type = object({
    instance_type  = optional(string, "t4g.nano")
    ami_id         = optional(string)
    roles          = optional(list(string), [])
    database_users = optional(list(string), [])
    integration    = optional(object({ database_user = string }))
  })
  default = null

  validation {
    condition = alltrue([
      for user in flatten([try(var.jump_host.database_users, []), try(var.jump_host.integration.database_user, [])]) :
      can(regex("^[A-Za-z0-9_+=,.@-]+$", user)) && length(user) <= lookup(local.user_limit, var.engine, 63)
    ])
    error_message = "jump_host.database_users and jump_host.integration must have 1 to ${lookup(local.user_limit, var.engine, 63)} letters, digits and _ + = , . @ -: bootstrap creates no other users."
  }

  validation {
    condition = !anytrue([
      for user in flatten([try(var.jump_host.database_users, []), try(var.jump_host.integration.database_user, [])]) :
      contains(lookup(local.reserved_users, var.engine, []), lower(user)) ||
      can(regex(lookup(local.reserved_pattern, var.engine, "^$"), lower(user))) ||
      lower(user) == lower(var.database.admin_user)
    ])
    error_message = "jump_host.database_users and jump_host.integration must be separate users: not the master user, not database.admin_user, and not reserved by RDS or the server."
  }

  validation {
    condition = !(
      var.app == null && length(try(var.jump_host.database_users, [])) == 0 &&
      try(var.jump_host.integration, null) == null && var.bootstrap.users_file == null
    )
    error_message = <<-EOT
      Without an app, nothing declares a database user, and bootstrap would create the example app's. Give
      jump_host.database_users, jump_host.integration or bootstrap.users_file.
    EOT
  }
}

variable "bootstrap" {
  description = <<-EOT
    The program that creates the database users, as a Lambda function that runs on apply. package: the zip file that
    `cargo xtask infra package` writes. users_file: the declaration of users (TOML); null for only app.database_user and
    jump_host.database_users, with SELECT, INSERT, UPDATE and DELETE (and with the table of the example app if the only user
    is node_app).
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
