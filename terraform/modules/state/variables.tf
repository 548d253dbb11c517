# Inputs of the state bucket's module: name, retention of old states, and whether a destroy deletes them.

variable "name" {
  description = "Name of the bucket and of its key's alias. It must be globally unique: include the account's id."
  type        = string

  validation {
    condition = (
      can(regex("^[a-z][a-z0-9-]{1,61}[a-z0-9]$", var.name))
      && !endswith(var.name, "-s3alias") && !endswith(var.name, "--ol-s3")
    )
    error_message = "name must be 3 to 63 lower-case letters, digits and hyphens, a letter first, no ending reserved by S3."
  }
}

variable "force_destroy" {
  description = "Whether the bucket can be destroyed with the states in it. Only for disposable accounts."
  type        = bool
  default     = false
  nullable    = false
}

variable "noncurrent_days" {
  description = "Number of days for which a replaced or deleted state can be restored."
  type        = number
  default     = 90

  validation {
    condition = (
      var.noncurrent_days >= 7 && var.noncurrent_days <= 3650 && floor(var.noncurrent_days) == var.noncurrent_days
    )
    error_message = "noncurrent_days must be a whole number from 7 to 3650: with fewer, damage may be noticed too late."
  }
}

variable "tags" {
  description = "Tags for all resources that support them."
  type        = map(string)
  default     = {}
  nullable    = false
}
