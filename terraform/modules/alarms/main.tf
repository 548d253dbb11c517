# CloudWatch alarms of the database, the proxy, the load balancer, the app and bootstrap, for failures that users
# would otherwise notice first. The description of each alarm names the first thing to check.

locals {
  database = {
    (var.database_kind == "cluster" ? "DBClusterIdentifier" : "DBInstanceIdentifier") = var.database_identifier
  }
  load_balancer = { LoadBalancer = var.load_balancer_arn_suffix }

  # The storage of a cluster grows by itself.
  storage_alarms = var.database_kind == "cluster" ? {} : {
    database-storage = {
      description = "The database has less than a tenth of its initial storage free: RDS grows it up to max_allocated_storage, then writes fail"
      namespace   = "AWS/RDS"
      metric      = "FreeStorageSpace"
      dimensions  = local.database
      statistic   = "Minimum"
      comparison  = "LessThanThreshold"
      threshold   = coalesce(var.allocated_storage_gib, 0) * 1024 * 1024 * 1024 / 10
      period      = 300
      periods     = 3
    }
  }

  # At its maximum, a serverless instance slows down instead of growing.
  serverless_alarms = var.serverless ? {
    database-capacity = {
      description = "A serverless instance uses over 90 % of its maximum capacity for 15 minutes: raise max_capacity, or check the statements in Performance Insights"
      namespace   = "AWS/RDS"
      metric      = "ACUUtilization"
      dimensions  = local.database
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 90
      period      = 300
      periods     = 3
    }
  } : {}

  app_alarms = var.with_app ? {
    load-balancer-5xx = {
      description = "The load balancer itself answers with 5xx: no target is healthy, or a target does not answer in time"
      namespace   = "AWS/ApplicationELB"
      metric      = "HTTPCode_ELB_5XX_Count"
      dimensions  = local.load_balancer
      statistic   = "Sum"
      comparison  = "GreaterThanOrEqualToThreshold"
      threshold   = var.errors_per_5_minutes
      period      = 300
      periods     = 1
    }
    app-5xx = {
      description = "The app answers with 5xx: check its log group"
      namespace   = "AWS/ApplicationELB"
      metric      = "HTTPCode_Target_5XX_Count"
      dimensions  = local.load_balancer
      statistic   = "Sum"
      comparison  = "GreaterThanOrEqualToThreshold"
      threshold   = var.errors_per_5_minutes
      period      = 300
      periods     = 1
    }
    app-unhealthy = {
      description = "An instance fails /readyz for 5 minutes: check its log, in particular its connection to the database"
      namespace   = "AWS/ApplicationELB"
      metric      = "UnHealthyHostCount"
      dimensions  = merge(local.load_balancer, { TargetGroup = var.target_group_arn_suffix })
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 60
      periods     = 5
    }
  } : {}

  alarms = merge(local.storage_alarms, local.serverless_alarms, local.app_alarms, {
    database-cpu = {
      description = "The database uses over 90 % of its CPU for 15 minutes: check the statements in Performance Insights"
      namespace   = "AWS/RDS"
      metric      = "CPUUtilization"
      dimensions  = local.database
      statistic   = "Average"
      comparison  = "GreaterThanThreshold"
      threshold   = 90
      period      = 300
      periods     = 3
    }
    bootstrap-errors = {
      description = "A run of bootstrap failed, so database users may differ from their declaration: check its log"
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = var.function_name }
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 300
      periods     = 1
    }
  })
}

# Missing data is no alarm: a load balancer reports no data if there are no 5xx responses.
resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.topic_arns
  ok_actions          = var.topic_arns
  tags                = var.tags
}

# Compared with the proxy's limit, which follows from the instance class, so that no number must be kept in sync with
# it.
resource "aws_cloudwatch_metric_alarm" "connections" {
  count = var.with_proxy ? 1 : 0

  alarm_name          = "${var.name}-proxy-connections"
  alarm_description   = "The proxy has over 90 % of its connections to the database open; DatabaseConnectionsCurrentlySessionPinned shows how many are pinned"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 90
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.topic_arns
  ok_actions          = var.topic_arns
  tags                = var.tags

  metric_query {
    id          = "used"
    expression  = "100 * open / allowed"
    label       = "Connections in use, percent"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { allowed = "MaxDatabaseConnectionsAllowed", open = "DatabaseConnections" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/RDS"
        metric_name = metric_query.value
        dimensions  = { ProxyName = var.proxy_name }
        stat        = "Sum"
        period      = 300
      }
    }
  }
}
