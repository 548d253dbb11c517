# What an account needs once, before any deployment: a place for Terraform's state, and a way in for GitHub.

locals {
  # The zone that is made here is for every environment that names no other. Known while planning: whether there is one.
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
  zones             = local.zones
  create_provider   = var.github.create_provider
  state_bucket_arn  = module.state.arn
  state_kms_key_arn = module.state.kms_key_arn
}

resource "aws_route53_zone" "this" {
  #checkov:skip=CKV2_AWS_38:DNSSEC needs a key in us-east-1 and a record at the registrar, which is the domain owner's step
  #checkov:skip=CKV2_AWS_39:Query logs are kept in us-east-1 only and show what every visitor resolved; unread here
  count = var.zone_name == null ? 0 : 1

  name    = var.zone_name
  comment = "Deployments of ${var.project}"
}
