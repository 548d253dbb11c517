# Inputs of the roles' module: database users, resource ids, secrets, keys, parameters, image repository, and the
# permissions boundary.

variable "name" {
  description = "Prefix of the names of all roles and of their log groups."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = <<-EOT
      name ${jsonencode(var.name)} can't be used: use 3 to 32 lower-case letters, digits and hyphens, beginning with a
      letter and not ending with a hyphen.
    EOT
  }
}

variable "engine" {
  description = "Database engine: mysql or postgresql. It determines the length of user names, and which are reserved."
  type        = string
  default     = "mysql"
  nullable    = false

  validation {
    condition     = contains(keys(local.engines), var.engine)
    error_message = <<-EOT
      engine ${jsonencode(var.engine)} is not supported: engine must be one of ${join(", ", keys(local.engines))}.
    EOT
  }
}

variable "with_app" {
  description = "Whether there is an app: its role needs database_users, parameter_path, image_parameter and repository_arn."
  type        = bool
  default     = true
  nullable    = false
}

variable "with_proxy" {
  description = "Whether there is an RDS Proxy. Without one, the app logs in directly to the database."
  type        = bool
  default     = true
  nullable    = false
}

variable "database_users" {
  description = "The exact names of the database users of app and proxy. Empty only without both."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.database_users) > 0 || !(var.with_app || var.with_proxy)
    error_message = <<-EOT
      database_users is empty, so neither app nor proxy could log in: give at least one database user, or set with_app and
      with_proxy to false.
    EOT
  }

  validation {
    condition     = !anytrue([for user in var.database_users : can(regex("[*?]|[$][{]", user))])
    error_message = <<-EOT
      database_users ${jsonencode(var.database_users)}: IAM reads *, ? and $${…} in a user name as a pattern and would
      allow other users too. Name each user without these characters.
    EOT
  }

  validation {
    condition = alltrue([
      for user in var.database_users :
      length(user) >= 1 && length(user) <= try(local.engines[var.engine].user_limit, 63)
    ])
    error_message = <<-EOT
      database_users ${jsonencode(var.database_users)}: user names of ${try(local.engines[var.engine].title, "a database")}
      have 1 to ${try(local.engines[var.engine].user_limit, 63)} characters. Shorten or remove the others.
    EOT
  }

  validation {
    condition = !anytrue([
      for user in var.database_users : try(
        contains(local.engines[var.engine].reserved, lower(user)) ||
        can(regex(local.engines[var.engine].reserved_pattern, lower(user))), false
      )
    ])
    error_message = <<-EOT
      database_users ${jsonencode(var.database_users)} contains a user of RDS, of RDS Proxy or of the server itself: use
      a separate user for the app.
    EOT
  }
}

variable "proxy_resource_id" {
  description = "The id prx-… of the app's proxy, never its name. Required with with_proxy."
  type        = string
  default     = null

  validation {
    condition     = !var.with_proxy || can(regex("^prx-[A-Za-z0-9]{16,}$", var.proxy_resource_id))
    error_message = <<-EOT
      proxy_resource_id ${jsonencode(var.proxy_resource_id)} is not the id of a proxy: give the id prx-… that AWS
      assigned, the last part of aws_db_proxy.arn (its id is the name), without wildcards.
    EOT
  }
}

variable "proxy_authentication" {
  description = "The proxy's authentication to the database: iam (end to end) or secret (linked secrets)."
  type        = string
  default     = "iam"
  nullable    = false

  validation {
    condition     = contains(["iam", "secret"], var.proxy_authentication)
    error_message = <<-EOT
      proxy_authentication ${jsonencode(var.proxy_authentication)} is unknown: give "iam" or "secret", the same value as
      to the module rds_proxy.
    EOT
  }
}

variable "proxy_secret_arns" {
  description = "Secrets that are linked to the proxy. Its role can read them."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = !var.with_proxy || var.proxy_authentication != "secret" || length(var.proxy_secret_arns) > 0
    error_message = <<-EOT
      proxy_secret_arns is empty: with proxy_authentication = "secret", the proxy needs a secret. Give its linked
      secrets.
    EOT
  }

  validation {
    condition = alltrue([
      for arn in var.proxy_secret_arns :
      can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+$", arn))
    ])
    error_message = <<-EOT
      proxy_secret_arns ${jsonencode(var.proxy_secret_arns)}: give whole ARNs of secrets
      (arn:aws:secretsmanager:<region>:<account>:secret:<name>), neither names nor wildcards.
    EOT
  }
}

variable "proxy_secret_kms_key_arns" {
  description = "Keys that encrypt these secrets, unless they are under aws/secretsmanager."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([
      for arn in var.proxy_secret_kms_key_arns :
      can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))
    ])
    error_message = <<-EOT
      proxy_secret_kms_key_arns ${jsonencode(var.proxy_secret_kms_key_arns)}: give whole ARNs of keys
      (arn:aws:kms:<region>:<account>:key/<id>); a policy does not work by an alias.
    EOT
  }
}

variable "database_resource_id" {
  description = "The id db-… or cluster-… of the database, never its name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(db|cluster)-[A-Za-z0-9]{16,}$", var.database_resource_id))
    error_message = <<-EOT
      database_resource_id ${jsonencode(var.database_resource_id)} is not the id of a database: give the id db-… or
      cluster-… that AWS assigned (aws_db_instance.resource_id, aws_rds_cluster.cluster_resource_id), without wildcards.
    EOT
  }
}

variable "database_admin_user" {
  description = "Bootstrap's IAM admin user, for logins directly to the database."
  type        = string
  nullable    = false

  validation {
    condition = (
      length(var.database_admin_user) >= 1 &&
      length(var.database_admin_user) <= try(local.engines[var.engine].user_limit, 63) &&
      !can(regex("[*?]|[$][{]", var.database_admin_user))
    )
    error_message = <<-EOT
      database_admin_user ${jsonencode(var.database_admin_user)}: give one user of 1 to
      ${try(local.engines[var.engine].user_limit, 63)} characters, without *, ? and $${…}, which IAM would read as a
      pattern.
    EOT
  }

  validation {
    condition     = !contains(var.database_users, var.database_admin_user)
    error_message = <<-EOT
      database_admin_user ${jsonencode(var.database_admin_user)} is in database_users: the app could log in as the
      admin. Use two different users.
    EOT
  }
}

variable "master_secret_arn" {
  description = "The secret with the master user's password, which bootstrap reads."
  type        = string
  nullable    = false

  validation {
    condition = can(
      regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+$", var.master_secret_arn)
    )
    error_message = <<-EOT
      master_secret_arn ${jsonencode(var.master_secret_arn)} is not the ARN of a secret: give
      arn:aws:secretsmanager:<region>:<account>:secret:<name>, without wildcards.
    EOT
  }
}

variable "master_secret_kms_key_arn" {
  description = "The key that encrypts the master secret."
  type        = string
  nullable    = false

  validation {
    condition = can(
      regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.master_secret_kms_key_arn)
    )
    error_message = <<-EOT
      master_secret_kms_key_arn ${jsonencode(var.master_secret_kms_key_arn)} is not the ARN of a key: give
      arn:aws:kms:<region>:<account>:key/<id>; a policy does not work by an alias.
    EOT
  }
}

variable "parameter_path" {
  description = "Path of the SSM parameters with the app's database settings, such as /dev/database. Required with with_app."
  type        = string
  default     = null

  validation {
    condition = !var.with_app || (
      can(regex("^(/[A-Za-z0-9_.-]+){2,14}$", var.parameter_path)) &&
      !can(regex("(?i)^/(aws|ssm)", var.parameter_path))
    )
    error_message = <<-EOT
      parameter_path ${jsonencode(var.parameter_path)}: give a path of at least two parts, such as /dev/database, of
      letters, digits, _ . and -, that does not begin with /aws or /ssm or end with a slash.
    EOT
  }
}

variable "image_parameter" {
  description = "The SSM parameter with the app's image, by digest, such as /dev/app/image. Required with with_app."
  type        = string
  default     = null

  validation {
    condition = !var.with_app || (
      can(regex("^(/[A-Za-z0-9_.-]+){2,15}$", var.image_parameter)) &&
      !can(regex("(?i)^/(aws|ssm)", var.image_parameter))
    )
    error_message = <<-EOT
      image_parameter ${jsonencode(var.image_parameter)}: give the full name of one parameter, such as /dev/app/image,
      of letters, digits, _ . and -, that does not begin with /aws or /ssm or end with a slash.
    EOT
  }
}

variable "repository_arn" {
  description = "The ECR repository of the app's image. Required with with_app."
  type        = string
  default     = null

  validation {
    condition = !var.with_app || can(
      regex("^arn:aws[a-z-]*:ecr:[a-z0-9-]+:[0-9]{12}:repository/[a-z0-9][a-z0-9._/-]*$", var.repository_arn)
    )
    error_message = <<-EOT
      repository_arn ${jsonencode(var.repository_arn)} is not the ARN of one repository: give
      arn:aws:ecr:<region>:<account>:repository/<name>, without wildcards.
    EOT
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of all roles. null: none."
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

variable "tags" {
  description = "Tags of all roles and of the instance profile."
  type        = map(string)
  default     = {}
  nullable    = false
}
