# IAM policies that allow logins to databases or proxies as exactly the given users (rds-db:connect): the documents, and
# with create_policy managed policies, attached to the given roles. Policies that would exceed IAM's limit are split.

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  partition  = coalesce(var.partition, data.aws_partition.current.partition)
  region     = coalesce(var.region, data.aws_region.current.id)
  account_id = coalesce(var.account_id, data.aws_caller_identity.current.account_id)

  # Sorted and unique users, so that another order of the list is no change.
  users = sort(distinct(var.users))
  resource_arns = flatten([
    for user in local.users : [
      for id in var.resource_ids :
      "arn:${local.partition}:rds-db:${local.region}:${local.account_id}:dbuser:${id}/${user}"
    ]
  ])

  # IAM's limit of a managed policy, in characters without white space.
  policy_limit = 6144
  # All of a document but its ARNs, rounded up.
  frame = 160
  # An ARN without its user, with quotes and comma, at its longest: a resource id is not known before its database exists,
  # and the number of policies must be known in the plan.
  arn_frame    = length("\"arn:aws-us-gov:rds-db:ap-southeast-99:123456789012:dbuser:/\",") + 40
  longest_user = max([for user in local.users : length(base64encode(jsonencode(user))) * 3 / 4]...)
  arns_each    = floor((local.policy_limit - local.frame) / (local.arn_frame + local.longest_user))
  chunks       = chunklist(local.resource_arns, local.arns_each)
  policy_count = length(local.chunks)

  documents = concat(
    [data.aws_iam_policy_document.this.json],
    data.aws_iam_policy_document.more[*].json,
  )
}

# No condition on the caller's network: aws:SourceIp, aws:SourceVpc and the like have no effect on rds-db:connect.
data "aws_iam_policy_document" "this" {
  statement {
    sid       = "ConnectToDatabase"
    actions   = ["rds-db:connect"]
    resources = local.chunks[0]
  }
}

# The users that exceed the first document.
data "aws_iam_policy_document" "more" {
  count = local.policy_count - 1

  statement {
    sid       = "ConnectToDatabase"
    actions   = ["rds-db:connect"]
    resources = local.chunks[count.index + 1]
  }
}

resource "aws_iam_policy" "this" {
  count = var.create_policy ? local.policy_count : 0

  name        = count.index == 0 ? var.name : "${var.name}-${count.index + 1}"
  description = "Log in to a database by IAM, as the users that it names"
  policy      = local.documents[count.index]
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = {
    for pair in setproduct(var.roles, range(local.policy_count)) : "${pair[0]}/${pair[1] + 1}" => pair
  }

  role       = each.value[0]
  policy_arn = aws_iam_policy.this[each.value[1]].arn
}
