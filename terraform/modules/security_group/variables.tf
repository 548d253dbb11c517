# Inputs of the security groups' module: VPC, optional parts, clients of the load balancer, ports, and optional access.

variable "name" {
  description = "Prefix of the groups' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !startswith(var.name, "sg-")
    error_message = <<-EOT
      name "${var.name}" can't be used: it is the prefix of the security groups' names. Use 3 to 32 lower-case letters,
      digits and hyphens, beginning with a letter, ending with a letter or digit, not beginning with "sg-" (reserved by
      AWS).
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
  description = "VPC of the groups."
  type        = string

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "vpc_id \"${var.vpc_id}\" is not a VPC id: give the output id of the vpc module, \"vpc-…\"."
  }
}

variable "vpc_cidr" {
  description = "IPv4 range of the VPC, where the interface endpoints are."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && !endswith(var.vpc_cidr, "/0")
    error_message = <<-EOT
      vpc_cidr "${var.vpc_cidr}" is not the IPv4 range of a VPC: give the output cidr of the vpc module, such as
      "10.0.0.0/16".
    EOT
  }
}

variable "with_app" {
  description = "Whether there is an app with its load balancer."
  type        = bool
  default     = true
  nullable    = false
}

variable "with_proxy" {
  description = "Whether there is an RDS Proxy. Without one, the app connects to the database."
  type        = bool
  default     = true
  nullable    = false
}

variable "alb_ingress_cidrs" {
  description = "IPv4 ranges of the load balancer's clients; [\"0.0.0.0/0\"] makes it public. Required with with_app."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.alb_ingress_cidrs) > 0 || !var.with_app
    error_message = <<-EOT
      alb_ingress_cidrs is empty, so no client could reach the load balancer: give your networks, or ["0.0.0.0/0"] for
      public access.
    EOT
  }

  validation {
    condition = alltrue([
      for cidr in var.alb_ingress_cidrs : try(cidrsubnet(cidr, 0, 0) == cidr && can(cidrnetmask(cidr)), false)
    ])
    error_message = <<-EOT
      alb_ingress_cidrs (${join(", ", var.alb_ingress_cidrs)}) must contain only IPv4 networks such as
      "198.51.100.0/24", without bits set after the prefix. IPv6 has no effect: the load balancer has only IPv4
      addresses.
    EOT
  }

  validation {
    condition     = length(distinct(var.alb_ingress_cidrs)) == length(var.alb_ingress_cidrs)
    error_message = "alb_ingress_cidrs repeats a range (${join(", ", var.alb_ingress_cidrs)}): give each once."
  }
}

variable "app_port" {
  description = "Port that the app listens on."
  type        = number
  default     = 3000
  nullable    = false

  validation {
    condition     = var.app_port >= 1024 && var.app_port <= 65535 && floor(var.app_port) == var.app_port
    error_message = "app_port ${var.app_port} is not possible: the app has no privileges, so choose 1024 to 65535."
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
      management_port ${var.management_port} is not possible: the app has no privileges, so choose 1024 to 65535.
    EOT
  }

  validation {
    condition     = var.management_port != var.app_port
    error_message = "management_port is app_port (${var.app_port}): choose another, which no listener forwards to."
  }
}

variable "database_port" {
  description = "Port of the database and of its proxy. RDS Proxy supports only 3306 (MySQL) and 5432 (PostgreSQL)."
  type        = number
  default     = 3306
  nullable    = false

  validation {
    condition     = contains([3306, 5432], var.database_port)
    error_message = <<-EOT
      database_port ${var.database_port} is not supported by RDS Proxy, which listens only on 3306 (MySQL) or 5432
      (PostgreSQL): choose one of them, also for the database.
    EOT
  }
}

variable "s3_prefix_list_id" {
  description = "Managed prefix list of S3 in this region, for image layers. Required with with_app."
  type        = string
  default     = null

  validation {
    condition     = !var.with_app || startswith(coalesce(var.s3_prefix_list_id, "-"), "pl-")
    error_message = <<-EOT
      s3_prefix_list_id ${jsonencode(var.s3_prefix_list_id)} is not a prefix list id: give the output s3_prefix_list_id of
      the vpc module, "pl-…".
    EOT
  }
}

variable "internet_egress" {
  description = "Whether app and bootstrap can connect to any address on port 443. Otherwise, they can connect only to the VPC's endpoints and, for the app, S3."
  type        = bool
  default     = false
  nullable    = false
}

variable "with_jump_host" {
  description = "Whether to add a group for a jump host, used through Session Manager, with access to the database and the proxy."
  type        = bool
  default     = false
  nullable    = false
}

variable "admin_access" {
  description = "The same group, with access to the database alone, for a host that is not of the module jump_host."
  type        = bool
  default     = false
  nullable    = false
}
