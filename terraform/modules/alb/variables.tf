# Inputs of the load balancer module: network, ports, access logs, certificate, and domain.

variable "name" {
  description = "Name of the load balancer and, with the port, of its target group."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,24}[a-z0-9]$", var.name)) && !startswith(var.name, "internal-")
    error_message = <<-EOT
      name "${var.name}" can't be used: with "-" and a port it names the target group, which may have 32 characters. Use
      3 to 26 lower-case letters, digits and hyphens, beginning with a letter, ending with a letter or digit, not
      beginning with "internal-" (reserved by AWS).
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
      tags contains a key that begins with "aws:" or a value of over 256 characters, which AWS refuses: rename or
      shorten it.
    EOT
  }
}

variable "vpc_id" {
  description = "VPC of the targets."
  type        = string

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "vpc_id \"${var.vpc_id}\" is not a VPC id: give the output id of the vpc module, \"vpc-…\"."
  }
}

variable "subnet_ids" {
  description = "Public subnets, in at least two zones."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = <<-EOT
      subnet_ids has ${length(var.subnet_ids)} subnets: a load balancer needs two or more, in different zones. Give the
      output public_subnet_ids of the vpc module.
    EOT
  }

  validation {
    condition     = alltrue([for id in var.subnet_ids : startswith(id, "subnet-")])
    error_message = "subnet_ids must contain only subnet ids, \"subnet-…\"; it contains ${join(", ", var.subnet_ids)}."
  }
}

variable "security_group_id" {
  description = "Security group of the load balancer."
  type        = string

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = <<-EOT
      security_group_id "${var.security_group_id}" is not a security group id: give the output alb_id of the
      security_group module, "sg-…".
    EOT
  }
}

variable "target_port" {
  description = "Port that the app listens on."
  type        = number
  default     = 3000
  nullable    = false

  validation {
    condition     = var.target_port >= 1024 && var.target_port <= 65535 && floor(var.target_port) == var.target_port
    error_message = <<-EOT
      target_port ${var.target_port} is not possible: the app runs without privileges, so choose 1024 to 65535.
    EOT
  }
}

variable "management_port" {
  description = "Port on which the app answers health checks. No listener forwards to it."
  type        = number
  default     = 3001
  nullable    = false

  validation {
    condition = (
      var.management_port >= 1024 && var.management_port <= 65535 && floor(var.management_port) == var.management_port
    )
    error_message = <<-EOT
      management_port ${var.management_port} is not possible: the app runs without privileges, so choose 1024 to 65535.
    EOT
  }

  validation {
    condition     = var.management_port != var.target_port
    error_message = <<-EOT
      management_port is target_port (${var.target_port}), which the listeners forward to: choose another one.
    EOT
  }
}

variable "access_log_bucket" {
  description = "Name of the bucket for access logs, in the same region and encrypted with SSE-S3."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.access_log_bucket))
    error_message = <<-EOT
      access_log_bucket "${var.access_log_bucket}" is not a bucket name (an ARN is not accepted): give the output bucket
      of the s3 module.
    EOT
  }
}

variable "certificate_arn" {
  description = "ACM certificate to use; null creates one if domain_name and zone_id are set."
  type        = string
  default     = null

  validation {
    condition = var.certificate_arn == null || can(regex(
      "^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.certificate_arn,
    ))
    error_message = <<-EOT
      certificate_arn "${coalesce(var.certificate_arn, "null")}" is not the ARN of an ACM certificate
      ("arn:aws:acm:<region>:<account>:certificate/<id>"). Leave it out to create one from domain_name and zone_id.
    EOT
  }
}

variable "domain_name" {
  description = "Name that clients use, such as \"orders.example.com\"; null for the load balancer's own."
  type        = string
  default     = null

  validation {
    condition = var.domain_name == null || can(regex(
      "^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.domain_name,
    ))
    error_message = <<-EOT
      domain_name "${coalesce(var.domain_name, "null")}" is not a host name: write it in lower case, without scheme,
      port, path, wildcard or closing dot, such as "orders.example.com".
    EOT
  }

  validation {
    condition     = var.domain_name == null || var.certificate_arn != null || var.zone_id != null
    error_message = <<-EOT
      domain_name "${coalesce(var.domain_name, "null")}" is set without zone_id and without certificate_arn: set zone_id
      to create the certificate and the record, or certificate_arn to use an existing certificate.
    EOT
  }

  validation {
    condition     = var.domain_name != null || var.zone_id == null
    error_message = <<-EOT
      zone_id is set without domain_name, so there is no record to create: set domain_name, or leave out both.
    EOT
  }
}

variable "zone_id" {
  description = "Public Route 53 zone of domain_name; null if the name is managed elsewhere."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null || can(regex("^[A-Z0-9]{1,32}$", var.zone_id))
    error_message = <<-EOT
      zone_id "${coalesce(var.zone_id, "null")}" is not the id of a Route 53 zone: write "Z0123456789ABCDEFGHIJ",
      without "/hostedzone/".
    EOT
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the load balancer."
  type        = bool
  default     = true
  nullable    = false
}
