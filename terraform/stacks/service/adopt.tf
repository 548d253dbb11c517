# RDS and its proxy may write a last line after their destruction, and so create one of their log groups again, without
# retention. Log groups that remain from an earlier deployment of this name are imported, which avoids the error
# ResourceAlreadyExistsException. Groups that are already in the state are not imported again.

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
