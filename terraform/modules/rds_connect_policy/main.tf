# An IAM policy that allows logins to one database or proxy as exactly the given users (rds-db:connect): the document,
# and a managed policy with create_policy.

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  partition  = coalesce(var.partition, data.aws_partition.current.partition)
  region     = coalesce(var.region, data.aws_region.current.id)
  account_id = coalesce(var.account_id, data.aws_caller_identity.current.account_id)

  # Sorted and unique, so that another order of the list is no change.
  resource_arns = [
    for user in sort(distinct(var.users)) :
    "arn:${local.partition}:rds-db:${local.region}:${local.account_id}:dbuser:${var.resource_id}/${user}"
  ]
}

# No condition on the caller's network: aws:SourceIp, aws:SourceVpc and the like have no effect on rds-db:connect.
data "aws_iam_policy_document" "this" {
  statement {
    sid       = "ConnectToDatabase"
    actions   = ["rds-db:connect"]
    resources = local.resource_arns
  }
}

resource "aws_iam_policy" "this" {
  count = var.create_policy ? 1 : 0

  name        = var.name
  description = "Log in to a database by IAM, as the users that it names"
  policy      = data.aws_iam_policy_document.this.json
  tags        = var.tags
}
