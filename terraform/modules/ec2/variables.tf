# Inputs of the instances' module: network, image, settings, ports, gateway, instance type, and size of the group.

variable "name" {
  description = "Name of the group, the launch template and the instances, and part of the log group's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 32 lower-case letters, digits and hyphens: a letter first, no hyphen at the end."
  }
}

variable "subnet_ids" {
  description = "Private subnets to run in, one per availability zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2 && length(distinct(var.subnet_ids)) == length(var.subnet_ids)
    error_message = "subnet_ids must name at least two different subnets: a single zone is not highly available."
  }
}

variable "security_group_ids" {
  description = "Security groups of the instances."
  type        = list(string)

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "security_group_ids must name at least one group: without one, instances get the VPC's default group."
  }
}

variable "instance_profile_name" {
  description = "Name of the instance profile. The service uses its role, also to pull its image and to write its log."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9+=,.@_-]{1,128}$", var.instance_profile_name))
    error_message = "instance_profile_name must be the name of an instance profile, not an ARN and not empty."
  }
}

variable "target_group_arns" {
  description = "Target groups that the instances register with."
  type        = list(string)

  validation {
    condition     = length(var.target_group_arns) > 0
    error_message = "target_group_arns must name at least one group: without one, the service gets no requests."
  }
}

variable "repository_url" {
  description = "ECR repository of the image. Instances run no other image."
  type        = string

  validation {
    condition = can(regex(
      "^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9]+([._/-][a-z0-9]+)*$", var.repository_url
    ))
    error_message = "repository_url must be <account>.dkr.ecr.<region>.amazonaws.com/<name>, without scheme or tag."
  }
}

variable "image_parameter" {
  description = "SSM parameter with the image to run: `<repository_url>@sha256:<digest>`. It may be created later."
  type        = string

  validation {
    condition     = can(regex("^(/[a-zA-Z0-9_.-]+)+$", var.image_parameter))
    error_message = "image_parameter must be a full name, such as /dev/app/image, of letters, digits and _.-/ only."
  }
}

variable "parameter_path" {
  description = "Path of the SSM parameters engine, endpoint, port, dbname, username and region, which the service reads."
  type        = string

  validation {
    condition     = can(regex("^(/[a-zA-Z0-9_.-]+)+$", var.parameter_path))
    error_message = "parameter_path must be a path, such as /dev/database: letters, digits, _.-/ and no / at its end."
  }
}

variable "app_port" {
  description = "Port that the service listens on."
  type        = number
  default     = 3000

  validation {
    condition     = var.app_port >= 1024 && var.app_port <= 65535 && floor(var.app_port) == var.app_port
    error_message = "app_port must be a port from 1024 to 65535: the service is not root and can't open lower ones."
  }
}

variable "management_port" {
  description = "Port of /livez, /readyz, /metrics and /api/identity. No listener forwards to it."
  type        = number
  default     = 3001

  validation {
    condition = (
      var.management_port >= 1024 && var.management_port <= 65535 && floor(var.management_port) == var.management_port
    )
    error_message = "management_port must be a port from 1024 to 65535: the service is not root."
  }

  validation {
    condition     = var.management_port != var.app_port
    error_message = "management_port must differ from app_port: its routes are not for the load balancer's clients."
  }
}

variable "gateway" {
  description = "Gateway beside the service: ports of 127.0.0.1 that are logged in to databases by IAM. Null for none."
  type = object({
    image      = string                 # `<ECR repository>@sha256:<digest>`
    listeners  = map(string)            # connection strings without a password, by port
    admin_port = optional(number, 9090) # port of 127.0.0.1 for /startup, /readiness and /metrics
  })
  default = null

  validation {
    condition = var.gateway == null ? true : can(regex(
      "^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9]+([._/-][a-z0-9]+)*@sha256:[0-9a-f]{64}$",
      var.gateway.image
    ))
    error_message = "gateway.image must be <ECR repository>@sha256:<64 hex digits>, without scheme: a tag can move."
  }

  validation {
    condition     = var.gateway == null ? true : length(var.gateway.listeners) > 0
    error_message = "gateway.listeners must have at least one port with its connection string; for no gateway, set gateway = null."
  }

  validation {
    condition = var.gateway == null ? true : alltrue([
      for port in keys(var.gateway.listeners) :
      can(regex("^[1-9][0-9]{3,4}$", port)) && try(tonumber(port) >= 1024 && tonumber(port) <= 65535, false)
    ])
    error_message = "The keys of gateway.listeners must be ports from 1024 to 65535: the gateway is not root."
  }

  validation {
    condition = var.gateway == null ? true : alltrue([
      for url in values(var.gateway.listeners) : !can(regex("^[^/]*://[^@]*:[^@]*@", url))
    ])
    error_message = "A connection string in gateway.listeners has a password. Remove it: a token takes its place."
  }

  # Within a script's single quotes, so without a quote, a space or a line break.
  validation {
    condition = var.gateway == null ? true : alltrue([
      for url in values(var.gateway.listeners) : can(regex(
        "^(mysql|postgres|postgresql)://([^@]*@)?[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?][^@]*)?$", url
      )) && can(regex("^[A-Za-z0-9._~:/?@&=%+,-]+$", url))
    ])
    error_message = "gateway.listeners must have values like mysql://app@HOST/orders or postgres://app@HOST/orders; escape as in URLs."
  }

  validation {
    condition = var.gateway == null ? true : (
      var.gateway.admin_port >= 1024 && var.gateway.admin_port <= 65535
      && floor(var.gateway.admin_port) == var.gateway.admin_port
    )
    error_message = "gateway.admin_port must be a port from 1024 to 65535: the gateway is not root."
  }

  validation {
    condition = var.gateway == null ? true : length(distinct(concat(
      keys(var.gateway.listeners), formatlist("%v", [var.gateway.admin_port, var.app_port, var.management_port])
    ))) == length(var.gateway.listeners) + 3
    error_message = "Ports of gateway.listeners, gateway.admin_port, app_port and management_port must differ: they share a network."
  }
}

variable "instance_type" {
  description = "Type of the instances, arm64 or x86-64; the image must be built for it."
  type        = string
  default     = "t4g.small"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", var.instance_type))
    error_message = "instance_type must be an EC2 instance type, such as t4g.small."
  }
}

variable "ami_id" {
  description = "AMI of Amazon Linux 2023; null for the newest, which every plan reads again: see README."
  type        = string
  default     = null

  validation {
    condition     = var.ami_id == null || can(regex("^ami-([0-9a-f]{8}|[0-9a-f]{17})$", var.ami_id))
    error_message = "ami_id must be the id of an AMI, such as ami-0123456789abcdef0, or null for the newest."
  }
}

variable "min_size" {
  description = "Minimum number of instances."
  type        = number
  default     = 2

  validation {
    condition     = var.min_size >= 1 && floor(var.min_size) == var.min_size
    error_message = "min_size must be a whole number of at least 1."
  }
}

variable "max_size" {
  description = "Maximum number of instances. A refresh may start replacements above it."
  type        = number
  default     = 4

  validation {
    condition     = var.max_size >= var.min_size && floor(var.max_size) == var.max_size
    error_message = "max_size must be a whole number, and not below min_size."
  }
}

variable "desired" {
  description = "Number of instances to set at every apply; null, the usual value, leaves it to the scaling policy."
  type        = number
  default     = null

  validation {
    condition = var.desired == null ? true : (
      var.desired >= var.min_size && var.desired <= var.max_size && floor(var.desired) == var.desired
    )
    error_message = "desired must be a whole number from min_size to max_size, or null."
  }
}

variable "log_retention_days" {
  description = "Retention of the service's log, in days."
  type        = number
  default     = 365

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days
    )
    error_message = "log_retention_days must be a retention period of CloudWatch Logs, such as 30, 90 or 365."
  }
}

variable "tags" {
  description = "Tags for all resources that support them."
  type        = map(string)
  default     = {}
  nullable    = false
}
