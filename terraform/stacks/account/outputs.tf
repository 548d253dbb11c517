output "backend" {
  description = "What `terraform init -backend-config` of stacks/service needs, besides a key."
  value = {
    bucket       = module.state.bucket
    region       = var.region
    kms_key_id   = module.state.kms_key_arn
    encrypt      = true
    use_lockfile = true
  }
}

output "github" {
  description = "GitHub Actions' roles, one to deploy each environment, and the boundary of all roles that they make."
  value = {
    plan_role_arn            = module.github_oidc.plan_role_arn
    deploy_role_arns         = module.github_oidc.deploy_role_arns
    permissions_boundary_arn = module.github_oidc.permissions_boundary_arn
  }
}

output "zone" {
  description = "The hosted zone, where one was made: its id, and the name servers to enter at the registrar."
  value = var.zone_name == null ? null : {
    id           = aws_route53_zone.this[0].zone_id
    name_servers = aws_route53_zone.this[0].name_servers
  }
}
