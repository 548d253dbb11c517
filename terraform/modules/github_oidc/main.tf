# Access for GitHub Actions without a stored key: GitHub signs a token for each job, AWS checks it and issues temporary
# credentials. The roles' trust policies define which jobs can assume which role.

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

  # The forms of GitHub's claim `sub`: it contains ids for repositories created, renamed or transferred since July 2026.
  # For a job with an environment, it contains the environment instead of the branch.
  owner_and_name = split("/", var.repository)
  repository = var.repository_ids == null ? "repo:${var.repository}" : format(
    "repo:%s@%d/%s@%d",
    local.owner_and_name[0], var.repository_ids.owner, local.owner_and_name[1], var.repository_ids.repository,
  )
  main_branch = "refs/heads/${var.main_branch}"

  # A name can be given up and taken by another user; an id can't.
  same_repository = var.repository_ids == null ? {} : { repository_id = [tostring(var.repository_ids.repository)] }

  # The required claims of a token, per role. A deploy role requires environment *and* branch: without the environment,
  # a job could bypass its reviewers; without the branch, every branch that the environment accepts could deploy. An
  # integration role has a GitHub environment of its own: a job's code can ask for any role that trusts its environment.
  claims = merge(
    {
      plan = merge(local.same_repository, {
        sub = ["${local.repository}:pull_request", "${local.repository}:ref:${local.main_branch}"]
      })
    },
    {
      for environment in var.environments : "deploy-${environment}" => merge(local.same_repository, {
        sub = ["${local.repository}:environment:${environment}"]
        ref = [local.main_branch]
      })
    },
    {
      for environment in var.integrations : "integration-${environment}" => merge(local.same_repository, {
        sub = ["${local.repository}:environment:${environment}-integration"]
        ref = [local.main_branch]
      })
    },
  )

  # Environment to name of the deployment, as in stacks/service.
  deployments = { for environment in var.environments : environment => "${var.name}-${environment}" }

  # Environment to the source of its images, if any: a list, for the statements that allow reading there.
  sources = { for environment in var.environments : environment => compact([lookup(var.promotions, environment, "")]) }

  # Environment to the ARN of its hosted zone, if any: a list, for the statement.
  zones = { for environment in var.environments : environment =>
    [for e, zone in var.zones : "arn:${local.partition}:route53:::hostedzone/${zone}" if e == environment]
  }

  # Resources without a name in their ARN have these tags, which stacks/service sets on all its resources, or no tags.
  own_tags = { for environment in var.environments : environment => { Environment = environment, Project = var.name } }

  # A deployment's states are below its environment. GitHub has no access to others, such as that of stacks/account.
  state_objects = [for environment in var.environments : "${var.state_bucket_arn}/${environment}/*"]

  # Names, not references: the deploy roles' own policies contain them, and a role can't depend on itself.
  plan_role_name = "${var.name}-plan"
  boundary_name  = "${var.name}-boundary"
  boundary_arn   = "${local.iam}:policy/${local.boundary_name}"

  # Environment to its integration role and that role's boundary. No name of a deployment's resource begins like these:
  # `integration` is longer than an environment's name can be.
  integrations = { for environment in var.integrations : environment => {
    role     = "${var.name}-integration-${environment}"
    boundary = "${var.name}-integration-${environment}-boundary"
  } }
}

# No thumbprint: AWS checks GitHub's certificate against its own trust store.
resource "aws_iam_openid_connect_provider" "this" {
  count = var.create_provider ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = [local.audience]
  tags           = var.tags
}

# Read as a data source, so that a plan fails if the provider does not exist.
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
  for_each = local.claims

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

    # Compared as whole values: a wildcard here would admit other repositories or branches.
    dynamic "condition" {
      for_each = each.value

      content {
        test     = "StringEquals"
        variable = "${local.issuer}:${condition.key}"
        values   = condition.value
      }
    }
  }
}

resource "aws_iam_role" "plan" {
  name               = local.plan_role_name
  description        = "GitHub Actions of ${var.repository}: plans, reads settings, has no write access"
  assume_role_policy = data.aws_iam_policy_document.trust["plan"].json
  tags               = var.tags
}

resource "aws_iam_role_policy" "plan" {
  name   = "read-settings-and-state"
  role   = aws_iam_role.plan.id
  policy = data.aws_iam_policy_document.plan.json
}

resource "aws_iam_role" "deploy" {
  for_each = local.deployments

  name               = "${var.name}-deploy-${each.key}"
  description        = "GitHub Actions of ${var.repository}: deploys ${each.value}"
  assume_role_policy = data.aws_iam_policy_document.trust["deploy-${each.key}"].json
  tags               = var.tags

  # A final snapshot and then a destruction, or a first deployment and then a rollout, can take hours.
  max_session_duration = 14400
}

resource "aws_iam_role_policy" "deploy" {
  for_each = merge([for environment in var.environments : {
    "${environment}/state"    = data.aws_iam_policy_document.deploy_state[environment].json
    "${environment}/iam"      = data.aws_iam_policy_document.deploy_iam[environment].json
    "${environment}/services" = data.aws_iam_policy_document.deploy_services[environment].json
  }]...)

  name   = split("/", each.key)[1]
  role   = aws_iam_role.deploy[split("/", each.key)[0]].id
  policy = each.value
}

resource "aws_iam_policy" "boundary" {
  name        = local.boundary_name
  description = "The most that a role of a deployment ${var.name}-* can do, whatever its own policies say"
  policy      = data.aws_iam_policy_document.boundary.json
  tags        = var.tags
}
