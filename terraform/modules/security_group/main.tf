# The chain ALB → app → proxy → database, whose parts except the database are optional. Each link is two rules, one on
# either side, and references the other group instead of addresses. Rules are separate resources: groups that reference
# each other inline could never be created. DNS, time and instance metadata need no rule: security groups do not filter
# the VPC's own services.

locals {
  with_jump_host = var.with_jump_host || var.admin_access

  # The permitted connections between groups. The key names both rules of a link.
  links = merge(
    var.with_app ? {
      alb-app            = { from = "alb", to = "app", port = var.app_port }
      alb-app-management = { from = "alb", to = "app", port = var.management_port }
    } : {},
    var.with_app && var.with_proxy ? {
      app-proxy = { from = "app", to = "proxy", port = var.database_port }
    } : {},
    var.with_app && !var.with_proxy ? {
      app-database = { from = "app", to = "database", port = var.database_port }
    } : {},
    var.with_proxy ? {
      proxy-database = { from = "proxy", to = "database", port = var.database_port }
    } : {},
    { bootstrap-database = { from = "bootstrap", to = "database", port = var.database_port } },
    local.with_jump_host ? {
      admin-database = { from = "admin", to = "database", port = var.database_port }
    } : {},
    var.with_jump_host && var.with_proxy ? {
      admin-proxy = { from = "admin", to = "proxy", port = var.database_port }
    } : {},
  )

  group_ids = merge(
    {
      database  = aws_security_group.database.id
      bootstrap = aws_security_group.bootstrap.id
    },
    { for group in aws_security_group.alb : "alb" => group.id },
    { for group in aws_security_group.app : "app" => group.id },
    { for group in aws_security_group.proxy : "proxy" => group.id },
    { for group in aws_security_group.admin : "admin" => group.id },
  )

  # The groups that call AWS APIs through the VPC's endpoints.
  api_callers = concat(var.with_app ? ["app"] : [], ["bootstrap"], local.with_jump_host ? ["admin"] : [])

  # The load balancer listens on 80 only to redirect clients to 443.
  alb_ingress = {
    for pair in setproduct(var.with_app ? var.alb_ingress_cidrs : [], [443, 80]) :
    "${pair[0]}:${pair[1]}" => { cidr = pair[0], port = pair[1] }
  }
}

resource "aws_security_group" "alb" {
  #checkov:skip=CKV2_AWS_5:the alb module attaches it
  count = var.with_app ? 1 : 0

  name        = "${var.name}-alb"
  description = "Load balancer: HTTPS from clients, on to the app"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-alb" })
}

resource "aws_security_group" "app" {
  #checkov:skip=CKV2_AWS_5:the ec2 module attaches it
  count = var.with_app ? 1 : 0

  name        = "${var.name}-app"
  description = "App instances: from the load balancer, on to the proxy"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-app" })
}

resource "aws_security_group" "proxy" {
  #checkov:skip=CKV2_AWS_5:the rds_proxy module attaches it
  count = var.with_proxy ? 1 : 0

  name        = "${var.name}-proxy"
  description = "RDS Proxy: from the app, on to the database"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-proxy" })
}

resource "aws_security_group" "database" {
  #checkov:skip=CKV2_AWS_5:the rds module attaches it
  name        = "${var.name}-database"
  description = "Database: from the proxy and bootstrap, on to nowhere"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-database" })
}

resource "aws_security_group" "bootstrap" {
  #checkov:skip=CKV2_AWS_5:the bootstrap_lambda module attaches it
  name        = "${var.name}-bootstrap"
  description = "Bootstrap function: on to the database and AWS APIs"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-bootstrap" })
}

resource "aws_security_group" "admin" {
  #checkov:skip=CKV2_AWS_5:the jump_host module attaches it, or the operator who starts another host
  count = local.with_jump_host ? 1 : 0

  name        = "${var.name}-admin"
  description = "Jump host, by Session Manager alone: on to the database"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-admin" })
}

resource "aws_vpc_security_group_ingress_rule" "alb" {
  #checkov:skip=CKV_AWS_260:only alb_ingress_cidrs may reach port 80, and it answers with a redirect to HTTPS
  for_each = local.alb_ingress

  security_group_id = aws_security_group.alb[0].id
  description       = each.value.port == 443 ? "HTTPS from clients" : "HTTP from clients, redirected to HTTPS"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  tags              = merge(var.tags, { Name = "${var.name}-clients-alb" })
}

resource "aws_vpc_security_group_egress_rule" "link" {
  for_each = local.links

  security_group_id            = local.group_ids[each.value.from]
  description                  = "To ${each.value.to}"
  referenced_security_group_id = local.group_ids[each.value.to]
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  tags                         = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

resource "aws_vpc_security_group_ingress_rule" "link" {
  for_each = local.links

  security_group_id            = local.group_ids[each.value.to]
  description                  = "From ${each.value.from}"
  referenced_security_group_id = local.group_ids[each.value.from]
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  tags                         = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  for_each = toset(local.api_callers)

  security_group_id = local.group_ids[each.key]
  description       = "AWS APIs, by the endpoints in the VPC"
  cidr_ipv4         = var.vpc_cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = merge(var.tags, { Name = "${var.name}-${each.key}-endpoints" })
}

# The layers of the app's image are in S3, whose gateway endpoint has public addresses.
resource "aws_vpc_security_group_egress_rule" "app_s3" {
  count = var.with_app ? 1 : 0

  security_group_id = aws_security_group.app[0].id
  description       = "S3, by the gateway endpoint"
  prefix_list_id    = var.s3_prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = merge(var.tags, { Name = "${var.name}-app-s3" })
}

resource "aws_vpc_security_group_egress_rule" "internet" {
  for_each = toset([for group in ["app", "bootstrap"] : group if var.internet_egress && contains(local.api_callers, group)])

  security_group_id = local.group_ids[each.key]
  description       = "HTTPS to anywhere, by the NAT gateways"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = merge(var.tags, { Name = "${var.name}-${each.key}-internet" })
}
