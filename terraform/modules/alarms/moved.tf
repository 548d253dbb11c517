# The address from before the proxy became optional.

moved {
  from = aws_cloudwatch_metric_alarm.connections
  to   = aws_cloudwatch_metric_alarm.connections[0]
}
