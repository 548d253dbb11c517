# The supported versions of Terraform and of the AWS provider, and the S3 backend for the service stack's state.

terraform {
  required_version = ">= 1.11.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }

  # `terraform init` gets the bucket and key as arguments: see README.md.
  backend "s3" {}
}
