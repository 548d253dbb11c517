# Tests of the module alarms: its README's example, the metric of each alarm, and refused inputs.

mock_provider "aws" {}

variables {
  name                     = "orders-dev"
  database_identifier      = "orders-dev"
  allocated_storage_gib    = 20
  proxy_name               = "orders-dev"
  load_balancer_arn_suffix = "app/orders-dev/0123456789abcdef"
  target_group_arn_suffix  = "targetgroup/orders-dev-3000/0123456789abcdef"
  function_name            = "orders-dev-bootstrap"
}

run "readme" {
  command = plan

  variables {
    name                     = "orders-dev"
    database_identifier      = "orders-dev"
    allocated_storage_gib    = 20
    proxy_name               = "orders-dev"
    load_balancer_arn_suffix = "app/orders-dev/0123456789abcdef"
    target_group_arn_suffix  = "targetgroup/orders-dev-3000/0123456789abcdef"
    function_name            = "orders-dev-bootstrap"
    topic_arns               = ["arn:aws:sns:us-east-1:123456789012:operations"]
  }

  # The deploy role may create alarms with these names: `<name>-…`.
  assert {
    condition = output.names == tolist([
      "orders-dev-app-5xx", "orders-dev-app-unhealthy", "orders-dev-bootstrap-errors", "orders-dev-database-cpu",
      "orders-dev-database-storage", "orders-dev-load-balancer-5xx", "orders-dev-proxy-connections",
    ])
    error_message = "Database, load balancer, app and bootstrap are watched: ${jsonencode(output.names)}"
  }

  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.this), aws_cloudwatch_metric_alarm.connections) : (
        alarm.alarm_actions == toset(var.topic_arns) && alarm.ok_actions == toset(var.topic_arns)
        && alarm.treat_missing_data == "notBreaching"
      )
    ])
    error_message = "The topic receives the start and the end of each alarm."
  }
}

run "metrics" {
  command = plan

  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this :
      name => [alarm.namespace, alarm.metric_name, join(" ", [for k, v in alarm.dimensions : "${k}=${v}"])]
      } == {
      app-5xx           = ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer=app/orders-dev/0123456789abcdef"]
      app-unhealthy     = ["AWS/ApplicationELB", "UnHealthyHostCount", "LoadBalancer=app/orders-dev/0123456789abcdef TargetGroup=targetgroup/orders-dev-3000/0123456789abcdef"]
      bootstrap-errors  = ["AWS/Lambda", "Errors", "FunctionName=orders-dev-bootstrap"]
      database-cpu      = ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier=orders-dev"]
      database-storage  = ["AWS/RDS", "FreeStorageSpace", "DBInstanceIdentifier=orders-dev"]
      load-balancer-5xx = ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "LoadBalancer=app/orders-dev/0123456789abcdef"]
    }
    error_message = "Each alarm uses a metric and dimensions that the service sends."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["database-storage"].threshold == 2147483648
    error_message = "A tenth of 20 GiB, in bytes."
  }

  assert {
    condition = toset([for query in aws_cloudwatch_metric_alarm.connections[0].metric_query :
      try("${query.metric[0].metric_name} of ${query.metric[0].dimensions.ProxyName}", query.expression)
    ]) == toset(["100 * open / allowed", "DatabaseConnections of orders-dev", "MaxDatabaseConnectionsAllowed of orders-dev"])
    error_message = "Open connections are compared with the proxy's limit."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length(alarm.alarm_actions) == 0])
    error_message = "Without a topic, alarms exist as well."
  }
}

run "shapes" {
  command = plan

  variables {
    name                     = "Orders"
    database_identifier      = "arn:aws:rds:us-east-1:123456789012:db:orders-dev"
    allocated_storage_gib    = 19
    proxy_name               = "arn:aws:rds:us-east-1:123456789012:db-proxy:prx-0a1b2c3d4e5f67890"
    load_balancer_arn_suffix = "orders-dev"
    target_group_arn_suffix  = "orders-dev-3000"
    function_name            = "arn:aws:lambda:us-east-1:123456789012:function:orders-dev-bootstrap"
    errors_per_5_minutes     = 0
    topic_arns               = ["operations"]
  }

  expect_failures = [
    var.name,
    var.database_identifier,
    var.allocated_storage_gib,
    var.proxy_name,
    var.load_balancer_arn_suffix,
    var.target_group_arn_suffix,
    var.function_name,
    var.errors_per_5_minutes,
    var.topic_arns,
  ]
}

run "serverless_cluster_alone" {
  command = plan

  variables {
    database_kind            = "cluster"
    allocated_storage_gib    = null
    serverless               = true
    with_proxy               = false
    proxy_name               = null
    with_app                 = false
    load_balancer_arn_suffix = null
    target_group_arn_suffix  = null
  }

  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this :
      name => [alarm.namespace, alarm.metric_name, join(" ", [for k, v in alarm.dimensions : "${k}=${v}"])]
      } == {
      bootstrap-errors  = ["AWS/Lambda", "Errors", "FunctionName=orders-dev-bootstrap"]
      database-capacity = ["AWS/RDS", "ACUUtilization", "DBClusterIdentifier=orders-dev"]
      database-cpu      = ["AWS/RDS", "CPUUtilization", "DBClusterIdentifier=orders-dev"]
    }
    error_message = "A cluster has a capacity and no storage limit; what is absent has no alarm."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.connections) == 0 && length(output.names) == 3
    error_message = "Without a proxy, no alarm about its connections: ${jsonencode(output.names)}"
  }
}

run "provisioned_cluster" {
  command = plan

  variables {
    database_kind         = "cluster"
    allocated_storage_gib = null
  }

  assert {
    condition = !anytrue([
      for name in output.names : contains(["orders-dev-database-storage", "orders-dev-database-capacity"], name)
    ]) && length(output.names) == 6
    error_message = "A provisioned cluster has neither a storage limit nor a capacity: ${jsonencode(output.names)}"
  }
}

run "an_instance_without_storage_and_with_a_capacity" {
  command = plan

  variables {
    allocated_storage_gib = null
    serverless            = true
  }

  expect_failures = [var.allocated_storage_gib, var.serverless]
}

run "an_unknown_kind" {
  command = plan

  variables {
    database_kind = "server"
  }

  expect_failures = [var.database_kind]
}

run "parts_that_are_not_named" {
  command = plan

  variables {
    proxy_name               = null
    load_balancer_arn_suffix = null
    target_group_arn_suffix  = null
  }

  expect_failures = [var.proxy_name, var.load_balancer_arn_suffix, var.target_group_arn_suffix]
}
