# RDS and its proxy may write a last line after their destruction, and so create one of their log groups again, without
# retention. Log groups that remain from an earlier deployment of this name are imported, which avoids the error
# ResourceAlreadyExistsException. Groups that are already in the state are not imported again.

locals {
  # RDS's names of the exported logs, as in the modules rds and aurora.
  log_types = {
    instance = {
      mysql      = ["error", "slowquery", "iam-db-auth-error"]
      postgresql = ["postgresql", "upgrade", "iam-db-auth-error"]
    }
    cluster = {
      mysql      = ["error", "slowquery", "iam-db-auth-error"]
      postgresql = ["postgresql", "iam-db-auth-error"]
    }
  }
  left_groups = {
    for name in data.aws_cloudwatch_log_groups.database.log_group_names : basename(name) => name
    if contains(local.log_types[local.is_cluster ? "cluster" : "instance"][var.engine], basename(name))
  }
}

data "aws_cloudwatch_log_groups" "database" {
  log_group_name_prefix = "/aws/rds/${local.is_cluster ? "cluster" : "instance"}/${local.name}/"
}

data "aws_cloudwatch_log_groups" "proxy" {
  log_group_name_prefix = "/aws/rds/proxy/${local.name}"
}

import {
  for_each = local.is_cluster ? {} : local.left_groups

  to = module.rds[0].aws_cloudwatch_log_group.this[each.key]
  id = each.value
}

import {
  for_each = local.is_cluster ? local.left_groups : {}

  to = module.aurora[0].aws_cloudwatch_log_group.this[each.key]
  id = each.value
}

import {
  for_each = toset([
    for name in data.aws_cloudwatch_log_groups.proxy.log_group_names : name
    if basename(name) == local.name && local.with_proxy
  ])

  to = module.rds_proxy[0].aws_cloudwatch_log_group.this
  id = each.value
}
