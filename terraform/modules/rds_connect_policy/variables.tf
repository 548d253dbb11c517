# Inputs of the rds-db:connect policies: the databases' resource ids, the exact users, the roles, and where the databases
# are.

variable "name" {
  description = "Name of the managed policy, if create_policy is true. Further policies are <name>-2, <name>-3 and so on."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,62}[a-z0-9]$", var.name))
    error_message = <<-EOT
      name ${jsonencode(var.name)} can't be used: use 3 to 64 lower-case letters, digits and hyphens, beginning with a
      letter and not ending with a hyphen.
    EOT
  }
}

variable "resource_ids" {
  description = "The ids that AWS assigned to databases, clusters or proxies: db-…, cluster-… or prx-…, never their names."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.resource_ids) > 0
    error_message = "resource_ids is empty, so the policy would allow nothing: give at least one resource id."
  }

  # The same rules and wording as in crates/infra/src/arn.
  validation {
    condition     = !anytrue([for id in var.resource_ids : can(regex("[*?]", id))])
    error_message = <<-EOT
      resource_ids ${jsonencode(var.resource_ids)}: one has a wildcard, which would allow logins to other databases: name
      each resource id.
    EOT
  }

  validation {
    condition     = !anytrue([for id in var.resource_ids : startswith(id, "arn:")])
    error_message = <<-EOT
      resource_ids ${jsonencode(var.resource_ids)}: one is an ARN: give its resource id alone, the part that begins with
      db-, cluster- or prx-.
    EOT
  }

  validation {
    condition = alltrue([
      for id in var.resource_ids :
      can(regex("^(db|cluster|prx)-[A-Za-z0-9]{16,32}$", id)) || can(regex("^arn:|[*?]", id))
    ])
    error_message = <<-EOT
      resource_ids ${jsonencode(var.resource_ids)}: one is not a resource id: a policy takes the id that AWS gave (db-…,
      cluster-… or prx-… and letters and digits), not the name that you gave. Instance: aws_db_instance.resource_id.
      Aurora cluster: aws_rds_cluster.cluster_resource_id; its readers and custom endpoints have no other. Proxy: the last
      part of aws_db_proxy.arn, whose id is the name.
    EOT
  }

  validation {
    condition     = length(distinct(var.resource_ids)) == length(var.resource_ids)
    error_message = "resource_ids ${jsonencode(var.resource_ids)} repeats an id: give each once."
  }
}

variable "users" {
  description = "The exact names of the permitted database users."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.users) > 0
    error_message = "users is empty, so the policy would allow nothing: give at least one database user."
  }

  validation {
    condition     = !anytrue([for user in var.users : can(regex("[*?]|[$][{]", user))])
    error_message = <<-EOT
      users ${jsonencode(var.users)}: IAM reads *, ? and $${…} in a user name as a pattern and would allow other users
      too. Name each user without these characters.
    EOT
  }

  # IAM limits the characters of a policy to U+0020 to U+00FF; names must not contain control characters.
  validation {
    condition     = alltrue([for user in var.users : can(regex("^[\\x{20}-\\x{7E}\\x{A1}-\\x{FF}]+$", user))])
    error_message = <<-EOT
      users ${jsonencode(var.users)}: a name is empty or has a character that an IAM policy can't contain (only U+0020
      to U+00FF without control characters). Rename the database user.
    EOT
  }

  validation {
    condition     = alltrue([for user in var.users : length(user) <= 63])
    error_message = <<-EOT
      users ${jsonencode(var.users)}: a name is longer than the databases' limit (MySQL 32, PostgreSQL 63 characters).
      Give the exact name of the database user.
    EOT
  }
}

variable "region" {
  description = "Region of the database. null: the caller's."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = <<-EOT
      region ${jsonencode(var.region)} is not a region: expected a name such as eu-west-1 (an availability zone has a
      letter at its end, a region has not; wildcards are refused).
    EOT
  }
}

variable "account_id" {
  description = "Account of the database, 12 digits. null: the caller's."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = <<-EOT
      account_id ${jsonencode(var.account_id)} is not an AWS account: give its 12 digits, leading zeros included and
      without dashes.
    EOT
  }
}

variable "partition" {
  description = "Partition of the database: aws, aws-cn or aws-us-gov. null: the caller's."
  type        = string
  default     = null

  validation {
    condition     = var.partition == null || contains(["aws", "aws-cn", "aws-us-gov"], coalesce(var.partition, "-"))
    error_message = "partition ${jsonencode(var.partition)} is unknown: give aws, aws-cn or aws-us-gov."
  }
}

variable "create_policy" {
  description = "Whether to create managed policies. false: only the documents, in the outputs json and jsons."
  type        = bool
  default     = true
  nullable    = false
}

variable "roles" {
  description = "Names of roles that the managed policies are attached to. Not their ARNs."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for role in var.roles : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", role))])
    error_message = <<-EOT
      roles ${jsonencode(var.roles)}: give the names of roles (aws_iam_role.name), neither ARNs nor paths, nor wildcards.
    EOT
  }

  validation {
    condition     = length(distinct(var.roles)) == length(var.roles)
    error_message = "roles ${jsonencode(var.roles)} repeats a role: give each once."
  }

  validation {
    condition     = length(var.roles) == 0 || var.create_policy
    error_message = "roles: without create_policy there is no managed policy to attach. Set create_policy = true, or use json."
  }
}

variable "max_policies" {
  description = "Largest number of policies, 1 to 20. IAM's default quota is 10 for a role, together with its other managed policies."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.max_policies >= 1 && var.max_policies <= 20 && floor(var.max_policies) == var.max_policies
    error_message = "max_policies ${var.max_policies}: give a whole number from 1 to 20, IAM's largest quota for a role."
  }
}

variable "tags" {
  description = "Tags of the policies."
  type        = map(string)
  default     = {}
  nullable    = false
}
