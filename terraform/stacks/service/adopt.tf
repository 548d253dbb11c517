# RDS and its proxy may write a last line after their destruction, and so make one of their log groups again, without
# retention. What is left of an earlier deployment of this name is taken over rather than refused
# (ResourceAlreadyExistsException). What the state has already is not imported again.

data "aws_cloudwatch_log_groups" "database" {
  log_group_name_prefix = "/aws/rds/instance/${local.name}/"
}

data "aws_cloudwatch_log_groups" "proxy" {
  log_group_name_prefix = "/aws/rds/proxy/${local.name}"
}

import {
  for_each = {
    for name in data.aws_cloudwatch_log_groups.database.log_group_names : basename(name) => name
    if contains(["error", "slowquery", "iam-db-auth-error"], basename(name))
  }

  to = module.rds.aws_cloudwatch_log_group.this[each.key]
  id = each.value
}

import {
  for_each = toset([
    for name in data.aws_cloudwatch_log_groups.proxy.log_group_names : name if basename(name) == local.name
  ])

  to = module.rds_proxy.aws_cloudwatch_log_group.this
  id = each.value
}
