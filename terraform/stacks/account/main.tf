# Resources that an account needs once, before any deployment: a bucket for Terraform's state, access for GitHub, and,
# if its name is set, a public hosted zone.

locals {
  # The created zone is for every environment that sets no other zone. Whether it exists is known in a plan.
  zones = merge(
    var.zone_name == null ? {} : { for e in var.github.environments : e => aws_route53_zone.this[0].zone_id },
    var.github.zones,
  )
}

module "state" {
  source = "../../modules/state"

  name          = "${var.project}-state-${var.account_id}"
  force_destroy = var.disposable
}

module "github_oidc" {
  source = "../../modules/github_oidc"

  name              = var.project
  repository        = var.github.repository
  repository_ids    = var.github.repository_ids
  main_branch       = var.github.main_branch
  environments      = var.github.environments
  promotions        = var.github.promotions
  integrations      = var.github.integrations
  zones             = local.zones
  create_provider   = var.github.create_provider
  state_bucket_arn  = module.state.arn
  state_kms_key_arn = module.state.kms_key_arn
}

resource "aws_route53_zone" "this" {
  #checkov:skip=CKV2_AWS_38:DNSSEC needs a key in us-east-1 and a record at the registrar, which is the domain owner's step
  #checkov:skip=CKV2_AWS_39:Query logs are only in us-east-1 and show every resolved name; they are not used here
  count = var.zone_name == null ? 0 : 1

  name    = var.zone_name
  comment = "Deployments of ${var.project}"
}
