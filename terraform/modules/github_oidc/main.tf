# How GitHub Actions gets into the account without a stored key: GitHub signs a token for each job, AWS checks it and
# hands out credentials for an hour. Which job may have which role stands in the roles' trust policies.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  issuer     = "token.actions.githubusercontent.com"
  audience   = "sts.${data.aws_partition.current.dns_suffix}"
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  iam        = "arn:${local.partition}:iam::${local.account_id}"
  regions    = length(var.regions) == 0 ? [data.aws_region.current.id] : var.regions

  provider_arn = (
    var.create_provider
    ? aws_iam_openid_connect_provider.this[0].arn
    : data.aws_iam_openid_connect_provider.existing[0].arn
  )

  # What GitHub puts into `sub`. A job that names an environment has that in place of its branch.
  main_branch = "repo:${var.repository}:ref:refs/heads/${var.main_branch}"
  subjects = {
    plan   = ["repo:${var.repository}:pull_request", local.main_branch]
    deploy = concat([local.main_branch], [for name in var.environments : "repo:${var.repository}:environment:${name}"])
  }

  # Names, not references: the deploy role's own policy names them, and a role can't depend on itself.
  plan_role_name   = "${var.name}-plan"
  deploy_role_name = "${var.name}-deploy"
  boundary_name    = "${var.name}-boundary"
  boundary_arn     = "${local.iam}:policy/${local.boundary_name}"
}

# No thumbprint: AWS checks GitHub's certificate against its own trust store.
resource "aws_iam_openid_connect_provider" "this" {
  count = var.create_provider ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = [local.audience]
  tags           = var.tags
}

# Looked up, so that a provider that isn't there is refused before anything is made.
data "aws_iam_openid_connect_provider" "existing" {
  count = var.create_provider ? 0 : 1

  url = "https://${local.issuer}"

  lifecycle {
    postcondition {
      condition     = contains(self.client_id_list, local.audience)
      error_message = "The account's provider ${local.issuer} lacks the audience ${local.audience}. Add it there."
    }
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.subjects

  statement {
    sid     = "GitHub"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = [local.audience]
    }

    # Whole subjects, compared as they are: a wildcard here lets other repositories or branches in.
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = each.value
    }
  }
}

resource "aws_iam_role" "plan" {
  name               = local.plan_role_name
  description        = "GitHub Actions of ${var.repository}: plans, reads, changes nothing"
  assume_role_policy = data.aws_iam_policy_document.trust["plan"].json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "plan_read_only" {
  role       = aws_iam_role.plan.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/ReadOnlyAccess"
}

resource "aws_iam_role_policy" "plan" {
  name   = "state-but-no-secrets"
  role   = aws_iam_role.plan.id
  policy = data.aws_iam_policy_document.plan.json
}

resource "aws_iam_role" "deploy" {
  name               = local.deploy_role_name
  description        = "GitHub Actions of ${var.repository}: deploys ${var.name}-*"
  assume_role_policy = data.aws_iam_policy_document.trust["deploy"].json
  tags               = var.tags

  # A first deployment with a standby database takes longer than the default hour.
  max_session_duration = 7200

  lifecycle {
    precondition {
      condition     = length(data.aws_iam_policy_document.trust["deploy"].minified_json) <= 2048
      error_message = "The deploy role's trust policy is over IAM's 2048 characters. Name fewer environments."
    }
  }
}

resource "aws_iam_role_policy" "deploy" {
  for_each = {
    state    = data.aws_iam_policy_document.deploy_state.json
    iam      = data.aws_iam_policy_document.deploy_iam.json
    services = data.aws_iam_policy_document.deploy_services.json
  }

  name   = each.key
  role   = aws_iam_role.deploy.id
  policy = each.value
}

resource "aws_iam_policy" "boundary" {
  name        = local.boundary_name
  description = "The most that a role of a deployment ${var.name}-* can do, whatever its own policies say"
  policy      = data.aws_iam_policy_document.boundary.json
  tags        = var.tags
}
