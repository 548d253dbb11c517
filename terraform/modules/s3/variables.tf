# Inputs of the log bucket's module: name, retention of logs, and whether a destroy deletes them.

variable "name" {
  description = "Prefix of the bucket's name, which is followed by \"-logs-\" and the account's id."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !startswith(var.name, "xn--")
    error_message = <<-EOT
      name "${var.name}" can't be used: it is the prefix of a bucket name. Use 3 to 32 lower-case letters, digits and
      hyphens, beginning with a letter, ending with a letter or digit, and not beginning with "xn--" (reserved by S3).
    EOT
  }
}

variable "tags" {
  description = "Tags for every resource."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.tags : !startswith(lower(key), "aws:") && length(value) <= 256])
    error_message = <<-EOT
      tags contains a key that begins with "aws:" or a value of over 256 characters, which S3 refuses: rename or shorten
      it.
    EOT
  }
}

variable "force_destroy" {
  description = "Whether a destroy deletes the bucket with all logs in it. Only for disposable environments."
  type        = bool
  default     = false
  nullable    = false
}

variable "retention_days" {
  description = "Retention of logs, in days."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition = (
      var.retention_days >= 1 && var.retention_days <= 3653 && floor(var.retention_days) == var.retention_days
    )
    error_message = "retention_days ${var.retention_days} is out of range: keep logs for 1 to 3653 whole days."
  }
}
