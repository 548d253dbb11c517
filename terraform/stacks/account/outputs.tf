# Outputs of the account stack: backend settings for Terraform's state, GitHub's roles, and the hosted zone.

output "backend" {
  description = "Settings for `terraform init -backend-config` of stacks/service, without the state's key."
  value = {
    bucket       = module.state.bucket
    region       = var.region
    kms_key_id   = module.state.kms_key_arn
    encrypt      = true
    use_lockfile = true
  }
}

output "github" {
  description = "The roles for GitHub Actions, with a deploy role for each environment and an integration role for each of integrations, and the permissions boundary for all roles that deploy roles create."
  value = {
    plan_role_arn            = module.github_oidc.plan_role_arn
    deploy_role_arns         = module.github_oidc.deploy_role_arns
    integration_role_arns    = module.github_oidc.integration_role_arns
    permissions_boundary_arn = module.github_oidc.permissions_boundary_arn
  }
}

output "zone" {
  description = "The hosted zone, if one was created: its id, and its name servers for the registrar."
  value = var.zone_name == null ? null : {
    id           = aws_route53_zone.this[0].zone_id
    name_servers = aws_route53_zone.this[0].name_servers
  }
}
