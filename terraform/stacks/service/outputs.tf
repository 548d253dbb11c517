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
  description = "The database instance, for bootstrap's direct connections."
  value = {
    engine            = module.rds.engine
    identifier        = module.rds.identifier
    endpoint          = module.rds.address
    port              = module.rds.port
    resource_id       = module.rds.resource_id
    name              = module.rds.database_name
    admin_user        = var.database.admin_user
    master_secret_arn = module.rds.master_secret_arn
  }
}

output "proxy" {
  description = "RDS Proxy, for the app's connections."
  value = {
    name           = module.rds_proxy.name
    endpoint       = module.rds_proxy.endpoint
    port           = module.rds_proxy.port
    resource_id    = module.rds_proxy.resource_id
    authentication = module.rds_proxy.authentication
  }
}

output "app" {
  description = "The service: its URL, its database user, and the parameters with its settings and its image."
  value = {
    url               = module.alb.url
    database_user     = var.app.database_user
    management_port   = var.app.management_port
    parameter_path    = local.parameter_path
    image_parameter   = local.image_parameter
    repository_url    = module.ecr.url
    autoscaling_group = module.app.autoscaling_group_name
  }
}

output "bootstrap" {
  description = "The function that creates the database users."
  value = {
    function_name = module.bootstrap.function_name
  }
}

output "logs" {
  description = "The bucket for access logs."
  value = {
    bucket = module.logs.bucket
  }
}
