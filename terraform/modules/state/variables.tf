variable "name" {
  description = "Name of the bucket and of its key's alias. It must be free world-wide: put the account's id in it."
  type        = string

  validation {
    condition = (
      can(regex("^[a-z][a-z0-9-]{1,61}[a-z0-9]$", var.name))
      && !endswith(var.name, "-s3alias") && !endswith(var.name, "--ol-s3")
    )
    error_message = "name must be 3 to 63 lower-case letters, digits and hyphens, a letter first, no ending S3 keeps."
  }
}

variable "force_destroy" {
  description = "Whether the bucket may be destroyed with the states in it. Only for accounts that are thrown away."
  type        = bool
  default     = false
  nullable    = false
}

variable "noncurrent_days" {
  description = "For how many days a state that was replaced or deleted can be brought back."
  type        = number
  default     = 90

  validation {
    condition = (
      var.noncurrent_days >= 7 && var.noncurrent_days <= 3650 && floor(var.noncurrent_days) == var.noncurrent_days
    )
    error_message = "noncurrent_days must be a whole number from 7 to 3650: with fewer, damage is noticed too late."
  }
}

variable "tags" {
  description = "Tags for everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false
}
