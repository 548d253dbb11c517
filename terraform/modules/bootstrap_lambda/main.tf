# The program that makes the database's users, as a Lambda in the VPC: it is the one place that both reaches the
# database and may read the master secret. Applying runs it, and a run that finds all in order changes nothing.

locals {
  function_name = "${var.name}-bootstrap"
  environment   = merge(var.rds_conf, var.users == null ? {} : { RDS_IAM_USERS = var.users })

  # Bytes, not characters: every 3 bytes are 4 of base64.
  environment_bytes = length(base64encode(join("", flatten([for k, v in local.environment : [k, v]])))) * 3 / 4
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:Logs are encrypted by CloudWatch's own key; they hold no secret that would need another
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:One run per apply, and a report of it; traces would take rights that its narrow role lacks
  #checkov:skip=CKV_AWS_116:It is called synchronously and its failure fails the apply: no dead letters
  #checkov:skip=CKV_AWS_173:No secret in it; a key of our own, or a Deny on AWS's key, leaves the plan role an empty one
  #checkov:skip=CKV_AWS_272:The plan has the package's digest; a signature would come from the pipeline that built it
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

  # Lambda would make the log group itself, without an end to what it keeps.
  depends_on = [aws_cloudwatch_log_group.this]

  lifecycle {
    precondition {
      condition     = local.environment_bytes <= 4096
      error_message = "rds_conf and users take over 4 KB, Lambda's limit. Shorten the declaration of users."
    }
  }
}

# Runs when it is replaced, which is whenever a trigger changes. If it fails, the apply fails with its message.
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
