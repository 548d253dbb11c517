# The RDS Proxy in front of one database instance or cluster: IAM authentication and TLS for clients, the connection
# pool, the target, an endpoint for readers, and the log group.

# Created before the proxy, which would create it with unlimited retention.
resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:Uses the key log_kms_key_arn; without one, CloudWatch Logs encrypts with its own

  name              = "/aws/rds/proxy/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

# default_auth_scheme is not set: provider 5 does not support it. README.md explains how to enable end-to-end IAM.
resource "aws_db_proxy" "this" {
  name                   = var.name
  engine_family          = var.engine_family
  role_arn               = var.role_arn
  vpc_subnet_ids         = var.subnet_ids
  vpc_security_group_ids = var.security_group_ids

  # Always: tokens are sent as clear text inside TLS, and REQUIRE SSL behind a proxy depends on this.
  require_tls         = true
  idle_client_timeout = var.idle_client_timeout_seconds
  debug_logging       = var.debug_logging

  # SECRETS is the only scheme of an entry, so each entry is a secret. Clients never send a password.
  dynamic "auth" {
    for_each = var.secret_arns

    content {
      description = "Database user for the proxy's logins with a password"
      auth_scheme = "SECRETS"
      iam_auth    = "REQUIRED"
      secret_arn  = auth.value
    }
  }

  tags = var.tags

  depends_on = [aws_cloudwatch_log_group.this]
}

resource "aws_db_proxy_default_target_group" "this" {
  db_proxy_name = aws_db_proxy.this.name

  connection_pool_config {
    max_connections_percent      = var.max_connections_percent
    max_idle_connections_percent = var.max_idle_connections_percent
    connection_borrow_timeout    = var.connection_borrow_timeout_seconds
    session_pinning_filters      = var.session_pinning_filters
  }
}

resource "aws_db_proxy_target" "this" {
  db_proxy_name          = aws_db_proxy.this.name
  target_group_name      = aws_db_proxy_default_target_group.this.name
  db_instance_identifier = var.database_kind == "instance" ? var.database_identifier : null
  db_cluster_identifier  = var.database_kind == "cluster" ? var.database_identifier : null
}

# The proxy's own endpoint leads to the writer.
resource "aws_db_proxy_endpoint" "reader" {
  count = var.reader_endpoint ? 1 : 0

  db_proxy_name          = aws_db_proxy.this.name
  db_proxy_endpoint_name = "${var.name}-reader"
  target_role            = "READ_ONLY"
  vpc_subnet_ids         = var.subnet_ids
  vpc_security_group_ids = var.security_group_ids
  tags                   = var.tags

  depends_on = [aws_db_proxy_target.this]
}
