# Inputs of the alarms module: the watched resources, the limit of errors, and the SNS topics.

variable "name" {
  description = "Prefix of the alarms' names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 32 lower-case letters, digits and hyphens: a letter first, no hyphen at the end."
  }
}

variable "database_kind" {
  description = "Kind of the database: instance or cluster, the output kind of the modules rds and aurora."
  type        = string
  default     = "instance"
  nullable    = false

  validation {
    condition     = contains(["instance", "cluster"], var.database_kind)
    error_message = "database_kind must be \"instance\" (RDS) or \"cluster\" (Aurora)."
  }
}

variable "database_identifier" {
  description = "Identifier of the database instance or cluster: its name, not its resource id."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,62}$", var.database_identifier))
    error_message = "database_identifier must be the name of an instance or cluster, such as orders-dev, not its ARN."
  }
}

variable "allocated_storage_gib" {
  description = "Initial storage of an instance, in GiB. The alarm fires if less than a tenth of it is free. Clusters have none."
  type        = number
  default     = null

  validation {
    condition = var.database_kind == "cluster" || try(
      var.allocated_storage_gib >= 20 && floor(var.allocated_storage_gib) == var.allocated_storage_gib, false
    )
    error_message = "allocated_storage_gib must be a whole number of at least 20, equal to that of the instance."
  }
}

variable "serverless" {
  description = "Whether the cluster has serverless instances, whose capacity is watched."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.serverless || var.database_kind == "cluster"
    error_message = "serverless is possible only with database_kind = \"cluster\": an instance has no capacity in ACUs."
  }
}

variable "with_proxy" {
  description = "Whether there is an RDS Proxy, with proxy_name."
  type        = bool
  default     = true
  nullable    = false
}

variable "proxy_name" {
  description = "Name of the RDS Proxy. Required with with_proxy."
  type        = string
  default     = null

  validation {
    condition     = !var.with_proxy || can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,62}$", var.proxy_name))
    error_message = "proxy_name must be the name of a proxy, such as orders-dev, not its id prx-… or ARN."
  }
}

variable "with_app" {
  description = "Whether there is an app, with load_balancer_arn_suffix and target_group_arn_suffix."
  type        = bool
  default     = true
  nullable    = false
}

variable "load_balancer_arn_suffix" {
  description = "CloudWatch's name of the load balancer, the output arn_suffix of the module alb. Required with with_app."
  type        = string
  default     = null

  validation {
    condition     = !var.with_app || can(regex("^app/[a-zA-Z0-9-]+/[0-9a-f]+$", var.load_balancer_arn_suffix))
    error_message = "load_balancer_arn_suffix must have the form app/orders-dev/0123456789abcdef: use the output of the alb module."
  }
}

variable "target_group_arn_suffix" {
  description = "CloudWatch's name of the target group, the output of the same name of the module alb. Required with with_app."
  type        = string
  default     = null

  validation {
    condition     = !var.with_app || can(regex("^targetgroup/[a-zA-Z0-9-]+/[0-9a-f]+$", var.target_group_arn_suffix))
    error_message = "target_group_arn_suffix must have the form targetgroup/orders-dev-3000/0123456789abcdef."
  }
}

variable "function_name" {
  description = "Name of the bootstrap function."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.function_name))
    error_message = "function_name must be the name of a function, not its ARN."
  }
}

variable "errors_per_5_minutes" {
  description = "Number of 5xx responses in five minutes that triggers the alarm."
  type        = number
  default     = 10

  validation {
    condition     = var.errors_per_5_minutes >= 1 && floor(var.errors_per_5_minutes) == var.errors_per_5_minutes
    error_message = "errors_per_5_minutes must be a whole number of at least 1."
  }
}

variable "topic_arns" {
  description = "SNS topics for the alarms. Without topics, alarms are visible only in the console."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.topic_arns : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[^:*]+$", arn))])
    error_message = "topic_arns must be ARNs of SNS topics, arn:aws:sns:<region>:<account>:<name>."
  }
}

variable "tags" {
  description = "Tags for every alarm."
  type        = map(string)
  default     = {}
  nullable    = false
}
