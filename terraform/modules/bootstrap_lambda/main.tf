# The program that creates the database users, as a Lambda function in the VPC: only this function can both connect to
# the database and read the master secret. An apply runs it. If the users match their declaration, a run changes
# nothing.

locals {
  function_name = "${var.name}-bootstrap"
  environment   = merge(var.rds_conf, var.users == null ? {} : { RDS_IAM_USERS = var.users })

  # Bytes, not characters: 3 bytes are 4 characters in base64.
  environment_bytes = length(base64encode(join("", flatten([for k, v in local.environment : [k, v]])))) * 3 / 4
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:Logs are encrypted by CloudWatch's own key; they contain no secret that would need another
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:One run per apply, with a report; traces would need permissions that its narrow role lacks
  #checkov:skip=CKV_AWS_116:It is called synchronously, and its failure fails the apply: no dead letters
  #checkov:skip=CKV_AWS_173:It contains no secret; with a separate key, or a Deny on AWS's key, the plan role would read it as empty
  #checkov:skip=CKV_AWS_272:The plan contains the package's digest; a signature would come from the same pipeline that built it
  function_name = local.function_name
  description   = "Creates and updates the database users of ${var.name}; a second run changes nothing"
  role          = var.role_arn

  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  package_type     = "Zip"
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  memory_size      = 256
  timeout          = var.timeout_seconds

  reserved_concurrent_executions = var.reserved_concurrency
  tags                           = var.tags

  environment {
    variables = local.environment
  }

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }

  # Lambda would create the log group itself, with unlimited retention.
  depends_on = [aws_cloudwatch_log_group.this]

  lifecycle {
    precondition {
      condition     = local.environment_bytes <= 4096
      error_message = "rds_conf and users exceed 4 KB, Lambda's limit. Shorten the declaration of users."
    }
  }
}

# Runs when it is replaced, that is, whenever a trigger changes. If the run fails, the apply fails with its message.
resource "aws_lambda_invocation" "this" {
  count = var.invoke ? 1 : 0

  function_name   = aws_lambda_function.this.function_name
  input           = jsonencode({ mode = "apply" })
  lifecycle_scope = "CREATE_ONLY"

  triggers = {
    package       = aws_lambda_function.this.source_code_hash
    configuration = sha256(jsonencode(local.environment))
  }
}
