# Configuration of a test plan, as a change of what state.json holds: one change of each kind (create, update,
# replace, destroy, forget, move). None is refused.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variable "value" {
  type      = string
  default   = "hunter2-new"
  sensitive = true
}

resource "aws_ssm_parameter" "created" {
  name  = "/dev/created"
  type  = "String"
  value = "new"
}

resource "aws_ssm_parameter" "updated" {
  description = "Another one."
  name        = "/dev/updated"
  type        = "String"
  value       = var.value
}

resource "aws_ssm_parameter" "replaced" {
  name  = "/dev/another-name"
  type  = "String"
  value = "old"
}

moved {
  from = aws_ssm_parameter.before
  to   = aws_ssm_parameter.after
}

resource "aws_ssm_parameter" "after" {
  name  = "/dev/moved"
  type  = "String"
  value = "old"
}

removed {
  from = aws_ssm_parameter.forgotten

  lifecycle {
    destroy = false
  }
}

output "name" {
  value = aws_ssm_parameter.created.name
}

output "value" {
  value     = var.value
  sensitive = true
}
