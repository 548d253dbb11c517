# Inputs of the bootstrap function's module: package, role, network, database settings (rds.conf), and declared users.

variable "name" {
  description = "Name of the deployment; the function is `<name>-bootstrap`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 32 lower-case letters, digits and hyphens: a letter first, no hyphen at the end."
  }
}

variable "package" {
  description = "Path of the zip file that contains the program as `bootstrap`. `cargo xtask infra package` writes it."
  type        = string

  validation {
    condition     = fileexists(var.package)
    error_message = "package: no file at ${var.package}. Create it with `cargo xtask infra package`."
  }
}

variable "architecture" {
  description = "Architecture of the package: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "role_arn" {
  description = "ARN of the function's role."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z0-9+=,.@_/-]+$", var.role_arn))
    error_message = "role_arn must be the ARN of a role, such as arn:aws:iam::123456789012:role/orders-dev-bootstrap."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the function, with routes to the database and to AWS's endpoints."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids must name at least one subnet: outside the VPC, the function can't reach the database."
  }
}

variable "security_group_ids" {
  description = "Security groups of the function."
  type        = list(string)

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "security_group_ids must name at least one group: the database accepts no other clients."
  }
}

variable "rds_conf" {
  description = "The keys of rds.conf, such as the database's endpoint and secret. They become the function's environment."
  type        = map(string)
  nullable    = false

  validation {
    condition = length(setsubtract(keys(var.rds_conf), [
      "RDS_ENDPOINT", "RDS_PORT", "REGION", "MASTER_SECRET_NAME", "DB_NAME", "IAM_ADMIN_USER", "RDS_DIAL",
      "RDS_CA_BUNDLE", "RDS_RESOURCE_ID", "AWS_ACCOUNT_ID", "ENGINE",
    ])) == 0
    error_message = "rds_conf has a key that rds.conf does not support, in ${join(", ", keys(var.rds_conf))}: see README."
  }

  validation {
    condition = alltrue([
      for key in ["RDS_ENDPOINT", "REGION", "MASTER_SECRET_NAME", "DB_NAME", "IAM_ADMIN_USER"] :
      try(length(var.rds_conf[key]) > 0, false)
    ])
    error_message = "rds_conf must have RDS_ENDPOINT, REGION, MASTER_SECRET_NAME, DB_NAME, IAM_ADMIN_USER, none empty."
  }

  validation {
    condition     = contains(["mysql", "postgresql", "postgres"], lookup(var.rds_conf, "ENGINE", "mysql"))
    error_message = <<-EOT
      rds_conf has ENGINE ${jsonencode(lookup(var.rds_conf, "ENGINE", "mysql"))}: give "mysql" or "postgresql", also for
      Aurora, or leave it out for mysql.
    EOT
  }

  validation {
    condition = contains(["db-", "cluster-"], try(
      regex("^(db-|cluster-)[A-Za-z0-9]{16,}$", lookup(var.rds_conf, "RDS_RESOURCE_ID", "db-AAAAAAAAAAAAAAAA"))[0], "-"
    ))
    error_message = <<-EOT
      rds_conf has RDS_RESOURCE_ID ${jsonencode(lookup(var.rds_conf, "RDS_RESOURCE_ID", ""))}: give the id db-… of an
      instance or cluster-… of a cluster, which AWS assigned, not a name and not the id of a proxy. Bootstrap logs in to
      the database itself.
    EOT
  }

  # Visible to everyone with read access to the function's configuration or to Terraform's state.
  validation {
    condition = alltrue([
      for value in values(var.rds_conf) :
      !can(regex("(?i)[{}\\s]|-----BEGIN|X-Amz-|password=|\\b(AKIA|ASIA)[A-Z0-9]{16}\\b", value))
    ])
    error_message = "rds_conf appears to contain a secret. MASTER_SECRET_NAME is the secret's name or ARN, never its content."
  }
}

variable "users" {
  description = "Declaration of the database users (TOML, see crates/bootstrap); null for the file of the engine in the package."
  type        = string
  default     = null

  validation {
    condition     = var.users == null ? true : can(regex("\\[\\[ *user *\\]\\]", var.users))
    error_message = "users must be the text of a declaration with at least one [[user]], not a file name; or null."
  }

  # Also checked separately: at the first plan, most of rds_conf is not known yet.
  validation {
    condition     = var.users == null ? true : length(base64encode(var.users)) <= 4096
    error_message = "users exceeds 3 KB. Lambda's environment is limited to 4 KB, and rds_conf needs a part of it: shorten it."
  }

  validation {
    condition = var.users == null ? true : (
      !can(regex("(?i)-----BEGIN|X-Amz-|\\bpassword *=|\\b(AKIA|ASIA)[A-Z0-9]{16}\\b", var.users))
    )
    error_message = "users appears to contain a secret. The declared users log in by IAM and have none."
  }
}

variable "timeout_seconds" {
  description = "Maximum duration of a run, in seconds."
  type        = number
  default     = 120

  validation {
    condition = (
      var.timeout_seconds >= 30 && var.timeout_seconds <= 900 && floor(var.timeout_seconds) == var.timeout_seconds
    )
    error_message = "timeout_seconds must be a whole number from 30 to 900, Lambda's maximum."
  }
}

variable "reserved_concurrency" {
  description = "1: never two runs at once. -1: not reserved, for accounts whose limit leaves nothing to reserve."
  type        = number
  default     = -1

  validation {
    condition     = contains([1, -1], var.reserved_concurrency)
    error_message = "reserved_concurrency must be 1, or -1 if the account's limit leaves nothing to reserve."
  }
}

variable "log_retention_days" {
  description = "Retention of the function's log, in days."
  type        = number
  default     = 365

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days
    )
    error_message = "log_retention_days must be a retention period of CloudWatch Logs, such as 30, 90 or 365."
  }
}

variable "invoke" {
  description = "Whether an apply runs the function if the package, rds_conf or users changed."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags for all resources that support them."
  type        = map(string)
  default     = {}
  nullable    = false
}
