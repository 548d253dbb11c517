# Inputs of the account stack: account, region, project, GitHub's access, the hosted zone to create, and whether the
# account is disposable.

variable "account_id" {
  description = "The AWS account to prepare. Terraform refuses any other account."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account, as a string, leading zeros included."
  }
}

variable "region" {
  description = "The AWS region of the state bucket. There is no default."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of an AWS region, such as eu-west-1."
  }
}

variable "project" {
  description = "The project: the prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,14}$", var.project))
    error_message = "project must have 2 to 15 lower-case letters and digits, beginning with a letter: no hyphen."
  }
}

variable "github" {
  description = <<-EOT
    GitHub's access. repository: org/name on GitHub. repository_ids: GitHub's ids of owner and repository, required for
    repositories created, renamed or transferred since July 2026. main_branch: the only branch that can deploy.
    environments: the protected environments, each with its own role. promotions: environment to the source of its
    images, such as { prod = "dev" }. integrations: the environments with a role for integration tests. zones:
    environment to the id of the Route 53 zone for its records, if it is not the one of zone_name. create_provider: false
    if the account has GitHub's identity provider already.
  EOT
  type = object({
    repository      = string
    repository_ids  = optional(object({ owner = number, repository = number }))
    main_branch     = optional(string, "main")
    environments    = list(string)
    promotions      = optional(map(string), {})
    integrations    = optional(list(string), [])
    zones           = optional(map(string), {})
    create_provider = optional(bool, true)
  })
  nullable = false
}

variable "zone_name" {
  description = "Domain of a public hosted zone to create, such as example.com; null if the zone exists already."
  type        = string
  default     = null

  validation {
    condition     = var.zone_name == null || can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.zone_name))
    error_message = "zone_name must be a domain name in lower case without a dot at the end, such as example.com."
  }
}

variable "disposable" {
  description = "Whether the state bucket can be deleted with the states in it. Only for disposable accounts."
  type        = bool
  default     = false
}
