# The roles of the app's instances, of RDS Proxy and of bootstrap's function: trust policies, database logins by
# rds-db:connect, and the attached policies. App and proxy are optional. Other statements are in policies.tf.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id
  dns_suffix = data.aws_partition.current.dns_suffix

  # The region and account of an ARN.
  scope = "${local.region}:${local.account_id}"

  # Per engine: the longest user name, and names that belong to RDS, RDS Proxy or the server.
  engines = {
    mysql = {
      title      = "MySQL"
      user_limit = 32
      reserved = [
        "root", "rdsadmin", "rdsproxyadmin", "rdsrepladmin", "rdstopmgr", "rdswriteforwarduser", "rds_superuser_role",
        "mysql.sys", "mysql.session", "mysql.infoschema",
      ]
      reserved_pattern = "^mysql\\."
    }
    postgresql = {
      title      = "PostgreSQL"
      user_limit = 63
      reserved = [
        "postgres_fdw", "public", "none", "user", "current_user", "session_user", "current_role",
      ]
      reserved_pattern = "^(pg_|rds)"
    }
  }
}

# The only module that builds and validates ARNs for rds-db:connect. Without a proxy, the app logs in to the database.
module "app_connect" {
  source = "../rds_connect_policy"
  count  = var.with_app ? 1 : 0

  name          = var.name
  resource_ids  = [var.with_proxy ? var.proxy_resource_id : var.database_resource_id]
  users         = var.database_users
  partition     = local.partition
  region        = local.region
  account_id    = local.account_id
  create_policy = false
}

module "proxy_connect" {
  source = "../rds_connect_policy"
  count  = var.with_proxy && var.proxy_authentication == "iam" ? 1 : 0

  name          = var.name
  resource_ids  = [var.database_resource_id]
  users         = var.database_users
  partition     = local.partition
  region        = local.region
  account_id    = local.account_id
  create_policy = false
}

module "bootstrap_connect" {
  source = "../rds_connect_policy"

  name          = var.name
  resource_ids  = [var.database_resource_id]
  users         = [var.database_admin_user]
  partition     = local.partition
  region        = local.region
  account_id    = local.account_id
  create_policy = false
}

data "aws_iam_policy_document" "trust" {
  for_each = merge(
    var.with_app ? { app = "ec2.${local.dns_suffix}" } : {},
    var.with_proxy ? { proxy = "rds.amazonaws.com" } : {},
    { bootstrap = "lambda.amazonaws.com" },
  )

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [each.value]
    }
  }
}

# --- app: the instances that run it ---

resource "aws_iam_role" "app" {
  count = var.with_app ? 1 : 0

  name                 = "${var.name}-app"
  description          = "${var.name}: the app's instances"
  assume_role_policy   = data.aws_iam_policy_document.trust["app"].json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_instance_profile" "app" {
  count = var.with_app ? 1 : 0

  name = "${var.name}-app"
  role = aws_iam_role.app[0].name
  tags = var.tags
}

resource "aws_iam_role_policy" "app_connect" {
  count = var.with_app ? 1 : 0

  name   = "connect-to-database"
  role   = aws_iam_role.app[0].name
  policy = module.app_connect[0].json
}

resource "aws_iam_role_policy" "app_run" {
  count = var.with_app ? 1 : 0

  name   = "run-the-app"
  role   = aws_iam_role.app[0].name
  policy = data.aws_iam_policy_document.app_run[0].json
}

resource "aws_iam_role_policy" "app_session" {
  count = var.with_app ? 1 : 0

  name   = "session-manager"
  role   = aws_iam_role.app[0].name
  policy = data.aws_iam_policy_document.app_session[0].json
}

# --- proxy: logs in to the database ---

resource "aws_iam_role" "proxy" {
  count = var.with_proxy ? 1 : 0

  name                 = "${var.name}-proxy"
  description          = "${var.name}: RDS Proxy, for logins to the database"
  assume_role_policy   = data.aws_iam_policy_document.trust["proxy"].json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "proxy" {
  count = var.with_proxy ? 1 : 0

  name   = "log-in-to-database"
  role   = aws_iam_role.proxy[0].name
  policy = data.aws_iam_policy_document.proxy[0].json
}

# --- bootstrap: the Lambda function that creates the database users ---

resource "aws_iam_role" "bootstrap" {
  name                 = "${var.name}-bootstrap"
  description          = "${var.name}: creates the database users"
  assume_role_policy   = data.aws_iam_policy_document.trust["bootstrap"].json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "bootstrap_connect" {
  name   = "connect-to-database"
  role   = aws_iam_role.bootstrap.name
  policy = module.bootstrap_connect.json
}

resource "aws_iam_role_policy" "bootstrap_run" {
  name   = "run-bootstrap"
  role   = aws_iam_role.bootstrap.name
  policy = data.aws_iam_policy_document.bootstrap_run.json
}

resource "aws_iam_role_policy" "bootstrap_network" {
  name   = "join-the-vpc"
  role   = aws_iam_role.bootstrap.name
  policy = data.aws_iam_policy_document.bootstrap_network.json
}
