# Machines that answer IMDSv1, or may.

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

resource "aws_launch_template" "unset" {
  name = "unset"
}

resource "aws_launch_template" "optional" {
  name = "optional"

  metadata_options {
    http_tokens = "optional"
  }
}

resource "aws_launch_template" "required" {
  name = "required"

  metadata_options {
    http_tokens = "required"
  }
}

resource "aws_launch_configuration" "unset" {
  image_id      = "ami-0a1b2c3d4e5f67890"
  instance_type = "t4g.small"
}

resource "aws_instance" "without_tokens" {
  ami           = "ami-0a1b2c3d4e5f67890"
  instance_type = "t4g.small"

  metadata_options {
    http_endpoint = "enabled"
  }
}

resource "aws_instance" "from_template" {
  launch_template {
    id = aws_launch_template.required.id
  }
}
