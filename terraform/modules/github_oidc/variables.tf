# Inputs of GitHub's access: repository, branch, environments, promotions, integrations, hosted zones, and state bucket.

variable "name" {
  description = "The project: prefix of all names, and the value of the tag Project that deployments set on their keys."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,31}$", var.name))
    error_message = <<-EOT
      name must be 2 to 32 lower-case letters and digits, a letter first. No hyphen: a project orders-dev would share
      its names with the deployment orders-dev of a project orders, which could then change its resources.
    EOT
  }
}

variable "repository" {
  description = "The GitHub repository that can use the roles: org/name."
  type        = string

  validation {
    condition = (
      can(regex("^[a-zA-Z0-9][a-zA-Z0-9-]{0,38}/[a-zA-Z0-9._-]{1,100}$", var.repository))
      && !endswith(var.repository, ".git")
    )
    error_message = "repository must be one repository as org/name, without wildcard, scheme or .git address."
  }
}

variable "repository_ids" {
  description = <<-EOT
    GitHub's ids of the repository's owner and of the repository. Tokens of repositories created, renamed or transferred
    since July 2026 contain them in their subjects, and no login works without them. The README shows how to find them.
  EOT
  type = object({
    owner      = number
    repository = number
  })
  default = null

  validation {
    condition = var.repository_ids == null ? true : alltrue([
      for id in [var.repository_ids.owner, var.repository_ids.repository] : try(id >= 1 && floor(id) == id, false)
    ])
    error_message = "repository_ids must be two whole numbers: `gh api repos/<org>/<name> --jq '[.owner.id, .id]'`."
  }
}

variable "main_branch" {
  description = "The branch that can deploy. It can also plan, as pull requests can."
  type        = string
  default     = "main"

  validation {
    condition = (
      can(regex("^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,199}$", var.main_branch)) && !startswith(var.main_branch, "refs/")
    )
    error_message = "main_branch must be the name of one branch, such as main, without wildcard and without the prefix refs/heads/."
  }
}

variable "environments" {
  description = <<-EOT
    GitHub environments, each with its own role that deploys `<name>-<environment>`. Also the first parts of SSM paths
    and of the states' keys. Protect each environment on GitHub: see README.
  EOT
  type        = list(string)

  validation {
    condition     = length(var.environments) >= 1 && length(var.environments) <= 20
    error_message = "environments must have 1 to 20 entries: without one, no deployment is possible, and IAM limits the size of policies."
  }

  validation {
    condition     = alltrue([for e in var.environments : can(regex("^[a-z][a-z0-9]{1,9}$", e))])
    error_message = "environments must have 2 to 10 lower-case letters and digits, such as prod: no hyphen, no wildcard."
  }

  validation {
    condition     = length(distinct(var.environments)) == length(var.environments)
    error_message = "environments must not repeat a name."
  }

  # `<name>-plan`, `<name>-deploy-…`, `<name>-boundary` and `<name>-state-…` are names of the account's resources.
  validation {
    condition     = length(setintersection(var.environments, ["boundary", "deploy", "plan", "state"])) == 0
    error_message = "environments must not be boundary, deploy, plan or state: the account's own resources have these names."
  }
}

variable "promotions" {
  description = <<-EOT
    Environment to the source of its images, such as { prod = "dev" }: its deploy role can read the source's image
    repository, and the parameter with the source's image. Without entries, promotions are not possible.
  EOT
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for to, from in var.promotions : contains(var.environments, to) && contains(var.environments, from) && to != from
    ])
    error_message = "promotions must map an entry of environments to a different one."
  }
}

variable "integrations" {
  description = <<-EOT
    Environments with a role for integration tests: jobs with the GitHub environment `<environment>-integration` reach
    the database through the jump host. The deployment attaches the role's policies.
  EOT
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = (
      alltrue([for e in var.integrations : contains(var.environments, e)]) &&
      length(distinct(var.integrations)) == length(var.integrations)
    )
    error_message = "integrations must be entries of environments, without wildcard, and must not repeat a name."
  }
}

variable "zones" {
  description = <<-EOT
    Environment to the id of the Route 53 zone for its records, such as { prod = "Z0123456789ABCDEFGHIJ" }. An
    environment without a zone has no domain, and can't change any zone.
  EOT
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for environment, zone in var.zones :
      contains(var.environments, environment) && can(regex("^[A-Z0-9]{1,32}$", zone))
    ])
    error_message = "zones must map environments to ids of zones, such as Z0123456789ABCDEFGHIJ, without /hostedzone/."
  }
}

variable "state_bucket_arn" {
  description = "ARN of the bucket with Terraform's state."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.state_bucket_arn))
    error_message = "state_bucket_arn must be one bucket's ARN, such as arn:aws:s3:::orders-state, without /*."
  }
}

variable "state_kms_key_arn" {
  description = "ARN of the key that encrypts the state."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+$", var.state_kms_key_arn))
    error_message = "state_kms_key_arn must be the ARN of one key (…:key/…): an alias does not work in a policy."
  }
}

variable "regions" {
  description = "AWS regions of deployments; empty for the provider's own."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for r in var.regions : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", r))])
    error_message = "regions must be names of AWS regions, without wildcard, such as eu-west-1."
  }

  validation {
    condition     = length(var.regions) <= 4
    error_message = "regions must have at most 4 entries: each uses a part of the 10,240 characters of a role's policies."
  }
}

variable "create_provider" {
  description = "Whether to create the identity provider. An account has one for all repositories: false if it exists already."
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
