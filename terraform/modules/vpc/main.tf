# The VPC and its public, private and database subnets, in two or three availability zones that support RDS Proxy.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# All zones of the region, in any state: without impaired zones, a plan during an outage would move the subnets to other
# zones.
data "aws_availability_zones" "this" {
  #checkov:skip=CKV_AWS_394:all zones are needed to distinguish unknown from unsuitable ones; subnets use the first few
  filter {
    name   = "zone-type"
    values = ["availability-zone"]
  }
}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  # RDS Proxy does not exist in these zones. An id identifies the same zone in every account; a name does not.
  zones_without_proxy = ["use1-az3", "usw1-az2"]
  zone_ids            = zipmap(data.aws_availability_zones.this.names, data.aws_availability_zones.this.zone_ids)
  proxy_zones = [
    for zone in data.aws_availability_zones.this.names : zone
    if !contains(local.zones_without_proxy, local.zone_ids[zone])
  ]
  unknown_zones = [for zone in var.availability_zones : zone if !contains(keys(local.zone_ids), zone)]
  refused_zones = [
    for zone in var.availability_zones : "${zone} (${local.zone_ids[zone]})"
    if contains(local.zones_without_proxy, lookup(local.zone_ids, zone, ""))
  ]
  availability_zones = length(var.availability_zones) > 0 ? var.availability_zones : slice(
    local.proxy_zones, 0, min(var.availability_zone_count, length(local.proxy_zones)),
  )

  # Three quarters of the range are private subnets; the last quarter is shared by public and database subnets. Space is
  # reserved for a third zone, so that adding one moves no subnet.
  zone_index     = { for index, zone in local.availability_zones : zone => index }
  private_cidrs  = { for zone, index in local.zone_index : zone => cidrsubnet(var.cidr, 2, index) }
  public_cidrs   = { for zone, index in local.zone_index : zone => cidrsubnet(var.cidr, 5, 24 + index) }
  database_cidrs = { for zone, index in local.zone_index : zone => cidrsubnet(var.cidr, 5, 28 + index) }

  nat_zones = {
    one_per_az = local.availability_zones
    single     = slice(local.availability_zones, 0, min(1, length(local.availability_zones)))
    none       = []
  }[var.nat_gateways]

  # Two ranges overlap exactly if they are the same network after both are cut to the shorter of their prefixes.
  overlapping_cidrs = [
    for range in var.reserved_cidrs : range
    if cidrsubnet("${split("/", range)[0]}/${min(split("/", range)[1], split("/", var.cidr)[1])}", 0, 0) ==
    cidrsubnet("${split("/", var.cidr)[0]}/${min(split("/", range)[1], split("/", var.cidr)[1])}", 0, 0)
  ]
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_hostnames = true # Private names of the endpoints need both.
  enable_dns_support   = true
  tags                 = merge(var.tags, { Name = var.name })

  lifecycle {
    precondition {
      condition     = length(local.overlapping_cidrs) == 0
      error_message = <<-EOT
        cidr "${var.cidr}" overlaps ${join(", ", local.overlapping_cidrs)} of reserved_cidrs, so the two networks could
        never be routed to each other: choose another cidr, or remove the reserved range if it is no longer used.
      EOT
    }

    precondition {
      condition     = length(local.unknown_zones) == 0
      error_message = <<-EOT
        availability_zones: ${local.region} has no zone ${join(", ", local.unknown_zones)} for this account. Choose
        among ${join(", ", local.proxy_zones)}.
      EOT
    }

    precondition {
      condition     = length(local.refused_zones) == 0
      error_message = <<-EOT
        availability_zones: RDS Proxy does not exist in ${join(", ", local.refused_zones)}. The id in brackets
        identifies the zone; its name differs between accounts. Choose among ${join(", ", local.proxy_zones)}.
      EOT
    }

    precondition {
      condition = (
        length(var.availability_zones) > 0 || length(local.proxy_zones) >= var.availability_zone_count
      )
      error_message = <<-EOT
        availability_zone_count is ${var.availability_zone_count}, but ${local.region} has ${length(local.proxy_zones)}
        zones that can host RDS Proxy (${join(", ", local.proxy_zones)}): set it to 2, or choose another region.
      EOT
    }
  }
}

# Resources without a security group get the default group, which allows nothing.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name}-default-unused" })
}

resource "aws_subnet" "public" {
  for_each = local.public_cidrs

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = false
  tags                    = merge(var.tags, { Name = "${var.name}-public-${each.key}" })
}

resource "aws_subnet" "private" {
  for_each = local.private_cidrs

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value
  tags              = merge(var.tags, { Name = "${var.name}-private-${each.key}" })
}

resource "aws_subnet" "database" {
  for_each = local.database_cidrs

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value
  tags              = merge(var.tags, { Name = "${var.name}-database-${each.key}" })
}
