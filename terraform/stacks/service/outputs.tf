# The contract with the programs: crates/infra reads these outputs, and both sides are tested against the example
# outputs.json. No output is secret.

output "deployment" {
  description = "The name, environment, region and account of the deployment."
  value = {
    name        = local.name
    environment = var.environment
    region      = var.region
    account_id  = var.account_id
  }
}

output "database" {
  description = "The database instance or cluster, for bootstrap's direct connections."
  value = {
    kind              = local.database_kind
    engine            = var.engine
    identifier        = local.database_identifier
    endpoint          = local.database_address
    reader_endpoint   = local.reader_address
    port              = local.database_port
    resource_id       = local.is_cluster ? module.aurora[0].resource_id : module.rds[0].resource_id
    name              = var.database.name
    admin_user        = var.database.admin_user
    master_secret_arn = local.is_cluster ? module.aurora[0].master_secret_arn : module.rds[0].master_secret_arn
  }
}

output "proxy" {
  description = "RDS Proxy, for the app's connections; null without one."
  value = local.with_proxy ? {
    name            = module.rds_proxy[0].name
    endpoint        = module.rds_proxy[0].endpoint
    reader_endpoint = module.rds_proxy[0].reader_endpoint
    port            = module.rds_proxy[0].port
    resource_id     = module.rds_proxy[0].resource_id
    authentication  = module.rds_proxy[0].authentication
  } : null
}

output "app" {
  description = "The service: its URL, its database user, and the parameters with its settings and its image; null without one."
  value = local.with_app ? {
    url               = module.alb[0].url
    database_user     = var.app.database_user
    management_port   = var.app.management_port
    parameter_path    = local.parameter_path
    image_parameter   = local.image_parameter
    repository_url    = module.ecr[0].url
    autoscaling_group = module.app[0].autoscaling_group_name
  } : null
}

output "bootstrap" {
  description = "The function that creates the database users."
  value = {
    function_name = module.bootstrap.function_name
  }
}

output "jump_host" {
  description = "The host for tunnels to the database; null without one."
  value = local.with_jump_host ? {
    instance_id       = module.jump_host[0].instance_id
    security_group_id = module.security_group.jump_host_id
    tunnel_policy_arn = module.jump_host[0].tunnel_policy_arn
  } : null
}

output "logs" {
  description = "The bucket for access logs; null without an app."
  value = local.with_app ? {
    bucket = module.logs[0].bucket
  } : null
}
