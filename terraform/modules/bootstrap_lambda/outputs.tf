# Outputs of the bootstrap function's module: name, ARN, and the report of the last run.

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "report" {
  description = "Result of the last run on apply: bootstrap's report, JSON as text. Null if `invoke` is false."
  value       = one(aws_lambda_invocation.this[*].result)
}
