variable "name" {
  description = "The project: prefix of all names, and the value of the tag Project that deployments give their keys."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,31}$", var.name))
    error_message = <<-EOT
      name must be 2 to 32 lower-case letters and digits, a letter first. No hyphen: the project orders-dev would have
      the names of the deployment orders-dev of the project orders, which could then change them.
    EOT
  }
}

variable "repository" {
  description = "The repository on GitHub that may use the roles: org/name."
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
    GitHub's ids of the repository's owner and of the repository. Repositories made, renamed or transferred since
    July 2026 have them in their tokens' subjects, and no login works without them. The README says how to find them.
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
  description = "The branch that deploys, and that plans beside pull requests."
  type        = string
  default     = "main"

  validation {
    condition = (
      can(regex("^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,199}$", var.main_branch)) && !startswith(var.main_branch, "refs/")
    )
    error_message = "main_branch must be one branch's name, such as main: no wildcard, and no refs/heads/ before it."
  }
}

variable "environments" {
  description = <<-EOT
    GitHub environments, each with a role of its own that deploys `<name>-<environment>`. Also the first parts of SSM
    paths and of the states' keys. Protect each on GitHub: see README.
  EOT
  type        = list(string)

  validation {
    condition     = length(var.environments) >= 1 && length(var.environments) <= 20
    error_message = "environments must name 1 to 20: with none nothing can be deployed, and IAM's policies have limits."
  }

  validation {
    condition     = alltrue([for e in var.environments : can(regex("^[a-z][a-z0-9]{1,8}$", e))])
    error_message = "environments must have 2 to 9 lower-case letters and digits, such as prod: no hyphen, no wildcard."
  }

  validation {
    condition     = length(distinct(var.environments)) == length(var.environments)
    error_message = "environments must not name one twice."
  }

  # `<name>-plan`, `<name>-deploy-…`, `<name>-boundary` and `<name>-state-…` are the account's.
  validation {
    condition     = length(setintersection(var.environments, ["boundary", "deploy", "plan", "state"])) == 0
    error_message = "environments must not be boundary, deploy, plan or state: those names are taken by the account."
  }
}

variable "promotions" {
  description = <<-EOT
    Environment to the one whose images it takes, such as { prod = "dev" }: its deploy role may read that one's image
    repository, and the parameter that names what runs there. None: nothing is promoted.
  EOT
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for to, from in var.promotions : contains(var.environments, to) && contains(var.environments, from) && to != from
    ])
    error_message = "promotions must name two different environments each, of those in environments."
  }
}

variable "zones" {
  description = <<-EOT
    Environment to the id of the Route 53 zone that it writes its names in, such as { prod = "Z0123456789ABCDEFGHIJ" }.
    An environment without one has no domain: it changes no zone.
  EOT
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for environment, zone in var.zones :
      contains(var.environments, environment) && can(regex("^[A-Z0-9]{1,32}$", zone))
    ])
    error_message = "zones must give environments ids of zones, such as Z0123456789ABCDEFGHIJ, without /hostedzone/."
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
    error_message = "state_kms_key_arn must be the ARN of one key (…:key/…): an alias can't stand in a policy."
  }
}

variable "regions" {
  description = "AWS regions that may be deployed to. None for the provider's own."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for r in var.regions : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", r))])
    error_message = "regions must be names of AWS regions, without wildcard, such as eu-west-1."
  }

  validation {
    condition     = length(var.regions) <= 4
    error_message = "regions has at most 4: each takes its part of the 10,240 characters of a role's policies."
  }
}

variable "create_provider" {
  description = "Whether to make the identity provider. An account has one for all repositories: false where it exists."
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
