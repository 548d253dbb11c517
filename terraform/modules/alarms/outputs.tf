# Outputs of the alarms module: the alarms' names.

output "names" {
  description = "Names of the alarms."
  value = sort(concat(
    [for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name],
    aws_cloudwatch_metric_alarm.connections[*].alarm_name,
  ))
}
