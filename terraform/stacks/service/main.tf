# One deployment: app → RDS Proxy → database, without a database password. Calls the modules for network, proxy, roles,
# bootstrap, images, load balancer, instances, jump host and alarms; database.tf calls those for the database. Proxy, app
# and jump host are optional.

locals {
  name            = "${var.project}-${var.environment}"
  parameter_path  = "/${var.environment}/database"
  image_parameter = "/${var.environment}/app/image"

  with_proxy     = var.proxy != null
  with_app       = var.app != null
  with_jump_host = var.jump_host != null

  # An app needs all of the module's defaults (null). Bootstrap and jump host pull no image and complete no launch hook.
  interface_endpoints = local.with_app ? null : ["logs", "secretsmanager", "ssm", "ssmmessages"]

  master_username = "dbadmin"
  # Names that a declared user must not have: RDS refuses them, or they belong to the server.
  reserved_users = {
    mysql = [
      local.master_username, "admin", "root", "rdsadmin", "rdsproxyadmin", "rdsrepladmin", "rdstopmgr",
      "rdswriteforwarduser", "rds_superuser_role",
    ]
    postgresql = [
      local.master_username, "postgres", "admin", "postgres_fdw", "public", "none", "user", "current_user",
      "session_user", "current_role",
    ]
  }
  reserved_pattern = { mysql = "^mysql\\.", postgresql = "^(pg_|rds)" }
  user_limit       = { mysql = 32, postgresql = 63 }

  # Tags for the instances of the Auto Scaling group, which do not get the provider's default_tags. The deploy role can
  # run commands only on instances with these tags.
  instance_tags = { Project = var.project, Environment = var.environment, ManagedBy = "terraform" }

  # The users of the app, of people with tunnels, and of integration tests.
  app_users         = local.with_app ? [var.app.database_user] : []
  people            = local.with_jump_host ? var.jump_host.database_users : []
  integration_users = compact([try(var.jump_host.integration.database_user, null)])
  tunnel_users      = distinct(concat(local.people, local.integration_users))
  users             = distinct(concat(local.app_users, local.tunnel_users))

  # The role of stacks/account for this environment. There is no other: its name is not a setting.
  integration_roles = [for user in local.integration_users : "${var.project}-integration-${var.environment}"]

  # The package contains the users file of the example app: node_app, and its table.
  only_the_app = contains(["", "node_app"], join(" ", local.users)) ? null : join("\n", [
    for user in local.users : <<-EOT
      [[user]]
      name = "${user}"
      grant = [{ privileges = ["SELECT", "INSERT", "UPDATE", "DELETE"] }]
    EOT
  ])
}

module "vpc" {
  source = "../../modules/vpc"

  name                     = local.name
  cidr                     = var.network.cidr
  availability_zones       = var.network.availability_zones
  reserved_cidrs           = var.network.reserved_cidrs
  nat_gateways             = var.network.nat_gateways
  interface_endpoints      = local.interface_endpoints
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "security_group" {
  source = "../../modules/security_group"

  name              = local.name
  vpc_id            = module.vpc.id
  vpc_cidr          = module.vpc.cidr
  s3_prefix_list_id = module.vpc.s3_prefix_list_id
  with_app          = local.with_app
  with_proxy        = local.with_proxy
  with_jump_host    = local.with_jump_host
  alb_ingress_cidrs = local.with_app ? var.app.allowed_cidrs : []
  app_port          = local.with_app ? var.app.port : 3000
  management_port   = local.with_app ? var.app.management_port : 3001
  database_port     = local.database_port
  internet_egress   = var.network.nat_gateways != "none"
  admin_access      = var.network.admin_access
}

module "iam" {
  source = "../../modules/iam"

  name                      = local.name
  engine                    = var.engine
  with_app                  = local.with_app
  with_proxy                = local.with_proxy
  database_users            = local.with_app ? local.app_users : local.tunnel_users
  database_admin_user       = var.database.admin_user
  database_resource_id      = local.is_cluster ? module.aurora[0].resource_id : module.rds[0].resource_id
  proxy_resource_id         = local.with_proxy ? module.rds_proxy[0].resource_id : null
  proxy_authentication      = "iam"
  proxy_secret_arns         = try(var.proxy.reads_master_secret, false) ? [local.is_cluster ? module.aurora[0].master_secret_arn : module.rds[0].master_secret_arn] : []
  proxy_secret_kms_key_arns = try(var.proxy.reads_master_secret, false) ? [local.is_cluster ? module.aurora[0].kms_key_arn : module.rds[0].kms_key_arn] : []
  master_secret_arn         = local.is_cluster ? module.aurora[0].master_secret_arn : module.rds[0].master_secret_arn
  master_secret_kms_key_arn = local.is_cluster ? module.aurora[0].kms_key_arn : module.rds[0].kms_key_arn
  parameter_path            = local.with_app ? local.parameter_path : null
  image_parameter           = local.with_app ? local.image_parameter : null
  repository_arn            = local.with_app ? module.ecr[0].arn : null
  permissions_boundary_arn  = var.permissions_boundary_arn
}

module "rds_proxy" {
  source = "../../modules/rds_proxy"
  count  = local.with_proxy ? 1 : 0

  name                              = local.name
  role_arn                          = module.iam.proxy_role_arn
  subnet_ids                        = module.vpc.database_subnet_ids
  security_group_ids                = [module.security_group.proxy_id]
  database_kind                     = local.database_kind
  database_identifier               = local.is_cluster ? module.aurora[0].identifier : module.rds[0].identifier
  database_pauses                   = local.database_pauses
  engine_family                     = local.engine_family
  port                              = local.database_port
  authentication                    = "iam"
  secret_arns                       = [local.is_cluster ? module.aurora[0].master_secret_arn : module.rds[0].master_secret_arn]
  reader_endpoint                   = var.proxy.reader_endpoint
  idle_client_timeout_seconds       = var.proxy.idle_client_timeout_seconds
  max_connections_percent           = var.proxy.max_connections_percent
  max_idle_connections_percent      = var.proxy.max_idle_connections_percent
  connection_borrow_timeout_seconds = var.proxy.connection_borrow_timeout_seconds
  debug_logging                     = var.proxy.debug_logging
  log_kms_key_arn                   = local.is_cluster ? module.aurora[0].kms_key_arn : module.rds[0].kms_key_arn
}

module "bootstrap" {
  source = "../../modules/bootstrap_lambda"

  name                 = local.name
  package              = var.bootstrap.package
  architecture         = var.bootstrap.architecture
  reserved_concurrency = var.bootstrap.reserved_concurrency
  users                = var.bootstrap.users_file == null ? local.only_the_app : file(var.bootstrap.users_file)
  role_arn             = module.iam.bootstrap_role_arn
  subnet_ids           = module.vpc.private_subnet_ids
  security_group_ids   = [module.security_group.bootstrap_id]
  # A paused cluster resumes first.
  timeout_seconds = local.database_pauses ? 180 : 120
  rds_conf = {
    ENGINE             = var.engine
    RDS_ENDPOINT       = local.database_address
    RDS_PORT           = tostring(local.database_port)
    REGION             = var.region
    MASTER_SECRET_NAME = local.is_cluster ? module.aurora[0].master_secret_arn : module.rds[0].master_secret_arn
    DB_NAME            = var.database.name
    IAM_ADMIN_USER     = var.database.admin_user
    RDS_RESOURCE_ID    = local.is_cluster ? module.aurora[0].resource_id : module.rds[0].resource_id
    AWS_ACCOUNT_ID     = var.account_id
  }
}

module "logs" {
  source = "../../modules/s3"
  count  = local.with_app ? 1 : 0

  name          = local.name
  force_destroy = var.disposable
}

module "ecr" {
  source = "../../modules/ecr"
  count  = local.with_app ? 1 : 0

  name         = local.name
  force_delete = var.disposable
}

module "alb" {
  source = "../../modules/alb"
  count  = local.with_app ? 1 : 0

  name                = local.name
  vpc_id              = module.vpc.id
  subnet_ids          = module.vpc.public_subnet_ids
  security_group_id   = module.security_group.alb_id
  target_port         = var.app.port
  management_port     = var.app.management_port
  access_log_bucket   = module.logs[0].bucket
  certificate_arn     = var.app.certificate_arn
  domain_name         = var.app.domain_name
  zone_id             = var.app.zone_id
  deletion_protection = !var.disposable
}

module "app" {
  source = "../../modules/ec2"
  count  = local.with_app ? 1 : 0

  name                  = local.name
  subnet_ids            = module.vpc.private_subnet_ids
  security_group_ids    = [module.security_group.app_id]
  instance_profile_name = module.iam.instance_profile_name
  target_group_arns     = [module.alb[0].target_group_arn]
  repository_url        = module.ecr[0].url
  image_parameter       = local.image_parameter
  parameter_path        = local.parameter_path
  app_port              = var.app.port
  management_port       = var.app.management_port
  instance_type         = var.app.instance_type
  ami_id                = var.app.ami_id
  min_size              = var.app.min_size
  max_size              = var.app.max_size
  tags                  = local.instance_tags
}

module "jump_host" {
  source = "../../modules/jump_host"
  count  = local.with_jump_host ? 1 : 0

  name                     = local.name
  subnet_id                = module.vpc.private_subnet_ids[0]
  security_group_id        = module.security_group.jump_host_id
  instance_type            = var.jump_host.instance_type
  ami_id                   = var.jump_host.ami_id
  tunnel_roles             = concat(var.jump_host.roles, local.integration_roles)
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = local.instance_tags
}

# What people log in as at the other end of a tunnel.
module "tunnel_connect" {
  source = "../../modules/rds_connect_policy"
  count  = length(local.people) > 0 ? 1 : 0

  name         = "${local.name}-people"
  resource_ids = [local.is_cluster ? module.aurora[0].resource_id : module.rds[0].resource_id]
  users        = local.people
  roles        = var.jump_host.roles
}

# The only user that integration tests log in as.
module "integration_connect" {
  source = "../../modules/rds_connect_policy"
  count  = length(local.integration_users)

  name         = "${local.name}-integration"
  resource_ids = [local.is_cluster ? module.aurora[0].resource_id : module.rds[0].resource_id]
  users        = local.integration_users
  roles        = local.integration_roles
}

module "alarms" {
  source = "../../modules/alarms"

  name                     = local.name
  database_kind            = local.database_kind
  database_identifier      = local.database_identifier
  allocated_storage_gib    = local.is_cluster ? null : var.database.allocated_storage_gib
  serverless               = try(var.database.cluster.serverless != null, false)
  with_proxy               = local.with_proxy
  proxy_name               = local.with_proxy ? module.rds_proxy[0].name : null
  with_app                 = local.with_app
  load_balancer_arn_suffix = local.with_app ? module.alb[0].arn_suffix : null
  target_group_arn_suffix  = local.with_app ? module.alb[0].target_group_arn_suffix : null
  function_name            = module.bootstrap.function_name
  topic_arns               = var.alarm_topic_arns
}
