# Inputs of the network module: address range, availability zones, NAT gateways, endpoints, and flow logs.

variable "name" {
  description = "Prefix of every name in the network."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !startswith(var.name, "sg-")
    error_message = <<-EOT
      name "${var.name}" can't be used: AWS limits the names that are derived from it. Use 3 to 32 lower-case letters,
      digits and hyphens, beginning with a letter, ending with a letter or digit, not beginning with "sg-".
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

variable "cidr" {
  description = "The network's IPv4 range: /16 to /22, private, and a network address."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.cidr))
    error_message = "cidr \"${var.cidr}\" is not an IPv4 range: write one such as \"10.0.0.0/16\"."
  }

  validation {
    condition     = !can(cidrnetmask(var.cidr)) || try(cidrsubnet(var.cidr, 0, 0), "") == var.cidr
    error_message = <<-EOT
      cidr "${var.cidr}" has bits set after its prefix, so it is a host address and not a network: write
      "${try(cidrsubnet(var.cidr, 0, 0), "10.0.0.0/16")}".
    EOT
  }

  validation {
    condition = try(
      tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 22,
      !can(cidrnetmask(var.cidr)),
    )
    error_message = <<-EOT
      cidr "${var.cidr}" has the wrong size: AWS allows at most a /16, and with less than a /22, the public and database
      subnets are too small for a load balancer (/27) and RDS Proxy. Choose a prefix of 16 to 22.
    EOT
  }

  # A range is within another if it is the same network after it is cut to the other's prefix.
  validation {
    condition = !can(cidrnetmask(var.cidr)) || anytrue([
      for range in ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"] :
      try(cidrsubnet("${split("/", var.cidr)[0]}/${split("/", range)[1]}", 0, 0), "") == range
    ])
    error_message = <<-EOT
      cidr "${var.cidr}" is not private: public addresses in this range could not be reached from the VPC. Choose within
      10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918) or 100.64.0.0/10 (RFC 6598).
    EOT
  }

  validation {
    condition     = !startswith(var.cidr, "172.17.")
    error_message = <<-EOT
      cidr "${var.cidr}" overlaps 172.17.0.0/16, the bridge network of Docker and of some AWS services: containers could
      not reach the database. Choose another range.
    EOT
  }
}

variable "reserved_cidrs" {
  description = "IPv4 ranges that the network must not overlap: peered networks, an office, a VPN."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for range in var.reserved_cidrs : can(cidrnetmask(range))])
    error_message = <<-EOT
      reserved_cidrs: ${join(", ", [for range in var.reserved_cidrs : range if !can(cidrnetmask(range))])} is not an
      IPv4 range: write one such as "10.8.0.0/16".
    EOT
  }
}

variable "availability_zones" {
  description = "Names of the 2 or 3 zones to use; empty selects the first zones that support RDS Proxy."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = contains([0, 2, 3], length(var.availability_zones))
    error_message = <<-EOT
      availability_zones has ${length(var.availability_zones)} zones: give 2 or 3 (RDS, its proxy and the load balancer
      need two), or none to select the first availability_zone_count zones that support RDS Proxy.
    EOT
  }

  validation {
    condition     = length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "availability_zones repeats a zone (${join(", ", var.availability_zones)}): give each once."
  }
}

variable "availability_zone_count" {
  description = "Number of zones to use, 2 or 3; ignored if availability_zones is set."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = contains([2, 3], var.availability_zone_count)
    error_message = <<-EOT
      availability_zone_count is ${var.availability_zone_count}, but must be 2 or 3: RDS and its proxy need 2 zones.
    EOT
  }
}

variable "nat_gateways" {
  description = "NAT gateways for the private subnets: \"one_per_az\", \"single\" or \"none\"."
  type        = string
  default     = "one_per_az"
  nullable    = false

  validation {
    condition     = contains(["one_per_az", "single", "none"], var.nat_gateways)
    error_message = "nat_gateways \"${var.nat_gateways}\" is unknown: choose \"one_per_az\", \"single\" or \"none\"."
  }
}

variable "interface_endpoints" {
  description = "Short names of the AWS services with an interface endpoint in the VPC."
  type        = set(string)
  default = [
    "autoscaling", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssm", "ssmmessages",
  ]
  nullable = false

  validation {
    condition = alltrue([
      for service in var.interface_endpoints :
      can(regex("^[a-z][a-z0-9-]*([.][a-z0-9-]+)?$", service)) && service != "s3"
    ])
    error_message = <<-EOT
      interface_endpoints contains an invalid name (${join(", ", var.interface_endpoints)}): write short names such as
      "logs" or "ecr.api", not "com.amazonaws.us-east-1.logs", and leave out "s3", which has a gateway endpoint here,
      free of charge.
    EOT
  }
}

variable "flow_log_retention_days" {
  description = "Retention of flow logs, in days; one of the values that CloudWatch Logs supports."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.flow_log_retention_days,
    )
    error_message = <<-EOT
      flow_log_retention_days ${var.flow_log_retention_days} is not a retention period of CloudWatch Logs: choose 1, 3,
      5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653.
    EOT
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the flow logs' role; null for none."
  type        = string
  default     = null

  validation {
    condition = var.permissions_boundary_arn == null || can(regex(
      "^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn,
    ))
    error_message = <<-EOT
      permissions_boundary_arn "${coalesce(var.permissions_boundary_arn, "null")}" is not the ARN of a policy: give the
      output permissions_boundary_arn of github_oidc, or leave it out.
    EOT
  }
}
