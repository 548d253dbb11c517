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
