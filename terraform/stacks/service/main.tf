# One deployment: app → RDS Proxy → RDS for MySQL, without a database password. Calls the modules for network,
# database, proxy, roles, bootstrap, images, load balancer, instances and alarms.

locals {
  name            = "${var.project}-${var.environment}"
  parameter_path  = "/${var.environment}/database"
  image_parameter = "/${var.environment}/app/image"

  master_username = "dbadmin"
  # Names that a declared user must not have: RDS refuses them, or they belong to the server.
  reserved_users = [
    local.master_username, "admin", "root", "rdsadmin", "rdsproxyadmin", "rdsrepladmin", "rdstopmgr",
    "rdswriteforwarduser", "rds_superuser_role",
  ]

  # Tags for the instances of the Auto Scaling group, which do not get the provider's default_tags. The deploy role can
  # run commands only on instances with these tags.
  instance_tags = { Project = var.project, Environment = var.environment, ManagedBy = "terraform" }

  # The package contains the users file of the example app: node_app, and its table.
  only_the_app = var.app.database_user == "node_app" ? null : <<-EOT
    [[user]]
    name = "${var.app.database_user}"
    grant = [{ privileges = ["SELECT", "INSERT", "UPDATE", "DELETE"] }]
  EOT
}

module "vpc" {
  source = "../../modules/vpc"

  name                     = local.name
  cidr                     = var.network.cidr
  availability_zones       = var.network.availability_zones
  reserved_cidrs           = var.network.reserved_cidrs
  nat_gateways             = var.network.nat_gateways
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "security_group" {
  source = "../../modules/security_group"

  name              = local.name
  vpc_id            = module.vpc.id
  vpc_cidr          = module.vpc.cidr
  s3_prefix_list_id = module.vpc.s3_prefix_list_id
  alb_ingress_cidrs = var.app.allowed_cidrs
  app_port          = var.app.port
  management_port   = var.app.management_port
  database_port     = module.rds.port
  internet_egress   = var.network.nat_gateways != "none"
  admin_access      = var.network.admin_access
}

module "rds" {
  source = "../../modules/rds"

  name                        = local.name
  subnet_ids                  = module.vpc.database_subnet_ids
  security_group_ids          = [module.security_group.database_id]
  engine                      = var.engine
  engine_version              = var.database.engine_version
  instance_class              = var.database.instance_class
  allocated_storage_gib       = var.database.allocated_storage_gib
  max_allocated_storage_gib   = var.database.max_allocated_storage_gib
  database_name               = var.database.name
  master_username             = local.master_username
  multi_az                    = var.database.multi_az
  backup_retention_days       = var.database.backup_retention_days
  monitoring_interval_seconds = var.database.monitoring_interval_seconds
  performance_insights        = var.database.performance_insights
  deletion_protection         = !var.disposable
  skip_final_snapshot         = var.disposable
  permissions_boundary_arn    = var.permissions_boundary_arn
}

module "iam" {
  source = "../../modules/iam"

  name                      = local.name
  database_users            = [var.app.database_user]
  database_admin_user       = var.database.admin_user
  database_resource_id      = module.rds.resource_id
  proxy_resource_id         = module.rds_proxy.resource_id
  proxy_authentication      = "iam"
  proxy_secret_arns         = var.proxy.reads_master_secret ? [module.rds.master_secret_arn] : []
  proxy_secret_kms_key_arns = var.proxy.reads_master_secret ? [module.rds.kms_key_arn] : []
  master_secret_arn         = module.rds.master_secret_arn
  master_secret_kms_key_arn = module.rds.kms_key_arn
  parameter_path            = local.parameter_path
  image_parameter           = local.image_parameter
  repository_arn            = module.ecr.arn
  permissions_boundary_arn  = var.permissions_boundary_arn
}

module "rds_proxy" {
  source = "../../modules/rds_proxy"

  name                              = local.name
  role_arn                          = module.iam.proxy_role_arn
  subnet_ids                        = module.vpc.database_subnet_ids
  security_group_ids                = [module.security_group.proxy_id]
  database_identifier               = module.rds.identifier
  engine_family                     = module.rds.engine_family
  port                              = module.rds.port
  authentication                    = "iam"
  secret_arns                       = [module.rds.master_secret_arn]
  idle_client_timeout_seconds       = var.proxy.idle_client_timeout_seconds
  max_connections_percent           = var.proxy.max_connections_percent
  max_idle_connections_percent      = var.proxy.max_idle_connections_percent
  connection_borrow_timeout_seconds = var.proxy.connection_borrow_timeout_seconds
  debug_logging                     = var.proxy.debug_logging
  log_kms_key_arn                   = module.rds.kms_key_arn
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
  rds_conf = {
    ENGINE             = module.rds.engine
    RDS_ENDPOINT       = module.rds.address
    RDS_PORT           = tostring(module.rds.port)
    REGION             = var.region
    MASTER_SECRET_NAME = module.rds.master_secret_arn
    DB_NAME            = module.rds.database_name
    IAM_ADMIN_USER     = var.database.admin_user
    RDS_RESOURCE_ID    = module.rds.resource_id
    AWS_ACCOUNT_ID     = var.account_id
  }
}

module "logs" {
  source = "../../modules/s3"

  name          = local.name
  force_destroy = var.disposable
}

module "ecr" {
  source = "../../modules/ecr"

  name         = local.name
  force_delete = var.disposable
}

module "alb" {
  source = "../../modules/alb"

  name                = local.name
  vpc_id              = module.vpc.id
  subnet_ids          = module.vpc.public_subnet_ids
  security_group_id   = module.security_group.alb_id
  target_port         = var.app.port
  management_port     = var.app.management_port
  access_log_bucket   = module.logs.bucket
  certificate_arn     = var.app.certificate_arn
  domain_name         = var.app.domain_name
  zone_id             = var.app.zone_id
  deletion_protection = !var.disposable
}

module "app" {
  source = "../../modules/ec2"

  name                  = local.name
  subnet_ids            = module.vpc.private_subnet_ids
  security_group_ids    = [module.security_group.app_id]
  instance_profile_name = module.iam.instance_profile_name
  target_group_arns     = [module.alb.target_group_arn]
  repository_url        = module.ecr.url
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

module "alarms" {
  source = "../../modules/alarms"

  name                     = local.name
  database_identifier      = module.rds.identifier
  allocated_storage_gib    = var.database.allocated_storage_gib
  proxy_name               = module.rds_proxy.name
  load_balancer_arn_suffix = module.alb.arn_suffix
  target_group_arn_suffix  = module.alb.target_group_arn_suffix
  function_name            = module.bootstrap.function_name
  topic_arns               = var.alarm_topic_arns
}
