variable "name" {
  description = "Name of the deployment; the function is `<name>-bootstrap`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 32 lower-case letters, digits and hyphens: a letter first, no hyphen at the end."
  }
}

variable "package" {
  description = "Path of the zip with the program, named bootstrap inside. `cargo xtask infra package` writes it."
  type        = string

  validation {
    condition     = fileexists(var.package)
    error_message = "package: no file at ${var.package}. Make it with `cargo xtask infra package`."
  }
}

variable "architecture" {
  description = "What the package was built for: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "role_arn" {
  description = "ARN of the role that the function works as."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z0-9+=,.@_/-]+$", var.role_arn))
    error_message = "role_arn must be the ARN of a role, such as arn:aws:iam::123456789012:role/orders-dev-bootstrap."
  }
}

variable "subnet_ids" {
  description = "Private subnets that it runs in, from which it reaches the database and AWS's endpoints."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids must name at least one: outside of the VPC, the function can't reach the database."
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
  description = "The keys of rds.conf: which database, and whose secret. They become the function's environment."
  type        = map(string)
  nullable    = false

  validation {
    condition = length(setsubtract(keys(var.rds_conf), [
      "RDS_ENDPOINT", "RDS_PORT", "REGION", "MASTER_SECRET_NAME", "DB_NAME", "IAM_ADMIN_USER", "RDS_DIAL",
      "RDS_CA_BUNDLE", "RDS_RESOURCE_ID", "AWS_ACCOUNT_ID", "ENGINE",
    ])) == 0
    error_message = "rds_conf: rds.conf doesn't know all of ${join(", ", keys(var.rds_conf))}: see README."
  }

  validation {
    condition = alltrue([
      for key in ["RDS_ENDPOINT", "REGION", "MASTER_SECRET_NAME", "DB_NAME", "IAM_ADMIN_USER"] :
      try(length(var.rds_conf[key]) > 0, false)
    ])
    error_message = "rds_conf must have RDS_ENDPOINT, REGION, MASTER_SECRET_NAME, DB_NAME, IAM_ADMIN_USER, none empty."
  }

  # Everyone who may read the function's configuration reads this, and so does Terraform's state.
  validation {
    condition = alltrue([
      for value in values(var.rds_conf) :
      !can(regex("(?i)[{}\\s]|-----BEGIN|X-Amz-|password=|\\b(AKIA|ASIA)[A-Z0-9]{16}\\b", value))
    ])
    error_message = "rds_conf has what looks like a secret. MASTER_SECRET_NAME is its name or ARN, never its content."
  }
}

variable "users" {
  description = "Declaration of the database users (TOML, see crates/bootstrap). None for users.toml of the package."
  type        = string
  default     = null

  validation {
    condition     = var.users == null ? true : can(regex("\\[\\[ *user *\\]\\]", var.users))
    error_message = "users must be the text of a declaration with at least one [[user]], not a file's name; or null."
  }

  # Checked by itself too: at a first plan, most of rds_conf is not known yet.
  validation {
    condition     = var.users == null ? true : length(base64encode(var.users)) <= 4096
    error_message = "users has over 3 KB. Lambda's environment holds 4 KB, and rds_conf needs some: shorten it."
  }

  validation {
    condition = var.users == null ? true : (
      !can(regex("(?i)-----BEGIN|X-Amz-|\\bpassword *=|\\b(AKIA|ASIA)[A-Z0-9]{16}\\b", var.users))
    )
    error_message = "users holds what looks like a secret. The users it declares log in by IAM and have none."
  }
}

variable "timeout_seconds" {
  description = "How long a run may take."
  type        = number
  default     = 120

  validation {
    condition = (
      var.timeout_seconds >= 30 && var.timeout_seconds <= 900 && floor(var.timeout_seconds) == var.timeout_seconds
    )
    error_message = "timeout_seconds must be a whole number from 30 to 900, which is the most that Lambda allows."
  }
}

variable "reserved_concurrency" {
  description = "1: never two runs at once. -1: unreserved, as where the account's limit leaves nothing to reserve."
  type        = number
  default     = -1

  validation {
    condition     = contains([1, -1], var.reserved_concurrency)
    error_message = "reserved_concurrency must be 1, or -1 where the account's limit leaves nothing to reserve."
  }
}

variable "log_retention_days" {
  description = "For how many days the function's log is kept."
  type        = number
  default     = 365

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days
    )
    error_message = "log_retention_days must be a number of days that CloudWatch Logs knows, such as 30, 90 or 365."
  }
}

variable "invoke" {
  description = "Whether an apply that changes anything here runs the function."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags for everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false
}
