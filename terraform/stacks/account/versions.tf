# The supported versions of Terraform and of the AWS provider, and where the account stack's state is.

terraform {
  required_version = ">= 1.11.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }

  # Local at first, because the bucket for the state does not exist yet. README.md explains how to move the state there.
}
