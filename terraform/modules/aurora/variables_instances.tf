# Inputs of the cluster's module about its instances: classes, serverless capacity, and custom endpoints.

variable "instances" {
  description = "The instances, by name. class: db.serverless, or a provisioned class. promotion_tier: 0 to 15; the lowest becomes the writer first."
  type = map(object({
    class          = optional(string, "db.serverless")
    promotion_tier = optional(number, 1)
  }))
  nullable = false

  validation {
    condition     = length(var.instances) >= 1 && length(var.instances) <= 16
    error_message = <<-EOT
      instances: a cluster needs 1 to 16 instances, and has ${length(var.instances)}. Without an instance, it has data but
      no server, and its endpoints do not answer. Give at least one, such as { one = {} }.
    EOT
  }

  validation {
    condition = alltrue([
      for name in keys(var.instances) : can(regex("^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$", name)) && !strcontains(name, "--")
    ])
    error_message = <<-EOT
      instances (${join(", ", keys(var.instances))}): a name is the last part of an instance's identifier. Use 1 to 22
      lower-case letters, digits and single hyphens, not beginning or ending with a hyphen.
    EOT
  }

  validation {
    condition = alltrue([
      for instance in values(var.instances) : can(regex("^db\\.(serverless|[a-z0-9-]+\\.[a-z0-9.-]+)$", instance.class))
    ])
    error_message = <<-EOT
      instances: a class (${join(", ", [for instance in values(var.instances) : instance.class])}) is neither
      db.serverless nor a class such as db.r7g.large.
    EOT
  }

  validation {
    condition = alltrue([
      for instance in values(var.instances) :
      instance.promotion_tier >= 0 && instance.promotion_tier <= 15 &&
      floor(instance.promotion_tier) == instance.promotion_tier
    ])
    error_message = "instances: promotion_tier must be a whole number from 0 to 15."
  }
}

variable "serverless" {
  description = "Capacity of the db.serverless instances, in ACUs. min_capacity 0: they pause after seconds_until_auto_pause (default 300) without connections. null: no such instance."
  type = object({
    min_capacity             = number
    max_capacity             = number
    seconds_until_auto_pause = optional(number)
  })
  default = null

  validation {
    condition = var.serverless != null || !contains([
      for instance in values(var.instances) : instance.class
    ], "db.serverless")
    error_message = <<-EOT
      serverless is null, but an instance has the class db.serverless, the default. Give its capacity, such as
      serverless = { min_capacity = 0.5, max_capacity = 4 }, or a provisioned class in instances, such as db.r7g.large.
    EOT
  }

  validation {
    condition = var.serverless == null || try(
      var.serverless.max_capacity >= 1 && var.serverless.max_capacity <= 256 &&
      floor(var.serverless.max_capacity * 2) == var.serverless.max_capacity * 2, false
    )
    error_message = "serverless.max_capacity must be from 1 to 256 ACUs, in steps of 0.5."
  }

  validation {
    condition = var.serverless == null || try(
      var.serverless.min_capacity >= 0 && var.serverless.min_capacity <= var.serverless.max_capacity &&
      floor(var.serverless.min_capacity * 2) == var.serverless.min_capacity * 2, false
    )
    error_message = "serverless.min_capacity must be 0, or from 0.5 ACUs to max_capacity, in steps of 0.5."
  }

  validation {
    condition = try(var.serverless.seconds_until_auto_pause, null) == null || try(
      var.serverless.seconds_until_auto_pause >= 300 && var.serverless.seconds_until_auto_pause <= 86400 &&
      floor(var.serverless.seconds_until_auto_pause) == var.serverless.seconds_until_auto_pause, false
    )
    error_message = "serverless.seconds_until_auto_pause must be a whole number from 300 (5 minutes) to 86400 (a day)."
  }

  validation {
    condition = (
      try(var.serverless.seconds_until_auto_pause, null) == null || try(var.serverless.min_capacity == 0, false)
    )
    error_message = <<-EOT
      serverless.seconds_until_auto_pause has an effect only with min_capacity = 0: with a higher minimum, a cluster never
      pauses. Set min_capacity = 0, or remove seconds_until_auto_pause.
    EOT
  }

  # Minor versions without a pause: the API refuses 0 there. A major version alone is a newer minor version.
  validation {
    condition = !try(var.serverless.min_capacity == 0, false) || try(
      var.engine == "mysql"
      ? (
        tonumber(try(regex("mysql_aurora\\.3\\.([0-9]+)", coalesce(var.engine_version, "8.0"))[0], "8")) >= 8
      )
      : (
        tonumber(try(split(".", var.engine_version)[1], "99"))
        >= lookup({ "15" = 7, "16" = 3 }, split(".", coalesce(var.engine_version, "17"))[0], 0)
      ),
      true
    )
    error_message = <<-EOT
      serverless.min_capacity = 0 needs a version that can pause: Aurora PostgreSQL 15.7, 16.3 or 17, or Aurora MySQL
      3.08.0, or a later one; engine_version is ${coalesce(var.engine_version, "null")}. Give a later version, or
      min_capacity = 0.5.
    EOT
  }

  validation {
    condition = var.serverless == null || contains([
      for instance in values(var.instances) : instance.class
    ], "db.serverless")
    error_message = <<-EOT
      serverless has no effect: no instance has the class db.serverless, and provisioned instances neither scale nor
      pause. Remove it, or change an instance's class.
    EOT
  }
}

variable "custom_endpoints" {
  description = "Endpoints for a part of the instances, by name. type: READER, or ANY for writer and readers. static_members: names of instances; null for all."
  type = map(object({
    type           = optional(string, "READER")
    static_members = optional(list(string))
  }))
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for name in keys(var.custom_endpoints) :
      can(regex("^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$", name)) && !strcontains(name, "--")
    ])
    error_message = <<-EOT
      custom_endpoints (${join(", ", keys(var.custom_endpoints))}): a name is the last part of an endpoint's identifier.
      Use 1 to 22 lower-case letters, digits and single hyphens, not beginning or ending with a hyphen.
    EOT
  }

  validation {
    condition     = alltrue([for endpoint in values(var.custom_endpoints) : contains(["READER", "ANY"], endpoint.type)])
    error_message = "custom_endpoints: type must be READER, or ANY for writer and readers."
  }

  # RDS supports five for a cluster.
  validation {
    condition     = length(var.custom_endpoints) <= 5
    error_message = "custom_endpoints: RDS supports at most 5 for a cluster, and there are ${length(var.custom_endpoints)}."
  }

  validation {
    condition = alltrue(flatten([
      for endpoint in values(var.custom_endpoints) : [
        for member in coalesce(endpoint.static_members, []) : contains(keys(var.instances), member)
      ]
    ]))
    error_message = <<-EOT
      custom_endpoints: static_members must be names in instances (${join(", ", keys(var.instances))}), without the
      cluster's name.
    EOT
  }

  validation {
    condition = alltrue([
      for endpoint in values(var.custom_endpoints) : try(length(endpoint.static_members) > 0, true)
    ])
    error_message = <<-EOT
      custom_endpoints: static_members is empty, so the endpoint would have no instance. Name instances, or leave it out
      for all.
    EOT
  }
}
