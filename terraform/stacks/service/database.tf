# The database: an instance of RDS or a cluster of Aurora, by `database.cluster`. Both modules have the same outputs. Each
# one is a separate local value: one value for all of them would need the whole database before its security group.

locals {
  is_cluster = var.database.cluster != null

  database_port       = local.is_cluster ? module.aurora[0].port : module.rds[0].port
  database_kind       = local.is_cluster ? module.aurora[0].kind : module.rds[0].kind
  database_identifier = local.is_cluster ? module.aurora[0].identifier : module.rds[0].identifier
  database_address    = local.is_cluster ? module.aurora[0].address : module.rds[0].address
  database_pauses     = local.is_cluster ? module.aurora[0].pauses : module.rds[0].pauses
  reader_address      = local.is_cluster ? module.aurora[0].reader_address : module.rds[0].reader_address
  engine_family       = local.is_cluster ? module.aurora[0].engine_family : module.rds[0].engine_family
}

module "rds" {
  source = "../../modules/rds"
  count  = local.is_cluster ? 0 : 1

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
  ca_cert_identifier          = var.database.ca_cert_identifier
  extended_support            = var.database.extended_support
  deletion_protection         = !var.disposable
  skip_final_snapshot         = var.disposable
  permissions_boundary_arn    = var.permissions_boundary_arn
}

module "aurora" {
  source = "../../modules/aurora"
  count  = local.is_cluster ? 1 : 0

  name                        = local.name
  subnet_ids                  = module.vpc.database_subnet_ids
  security_group_ids          = [module.security_group.database_id]
  engine                      = var.engine
  engine_version              = var.database.engine_version
  database_name               = var.database.name
  master_username             = local.master_username
  instances                   = try(var.database.cluster.instances, {})
  serverless                  = try(var.database.cluster.serverless, null)
  custom_endpoints            = try(var.database.cluster.custom_endpoints, {})
  backup_retention_days       = var.database.backup_retention_days
  monitoring_interval_seconds = var.database.monitoring_interval_seconds
  performance_insights        = var.database.performance_insights
  ca_cert_identifier          = var.database.ca_cert_identifier
  extended_support            = var.database.extended_support
  deletion_protection         = !var.disposable
  skip_final_snapshot         = var.disposable
  permissions_boundary_arn    = var.permissions_boundary_arn
}
