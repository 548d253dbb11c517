# Configuration of a test plan: user data with secrets, which is refused, and user data without. No report may
# repeat the secrets.

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

variable "token" {
  type      = string
  default   = "hunter2-sensitive"
  sensitive = true
}

resource "aws_launch_template" "password" {
  name      = "password"
  user_data = base64encode("#!/bin/sh\nexport DB_PASSWORD=hunter2-plain\nexec app\n")

  metadata_options {
    http_tokens = "required"
  }
}

resource "aws_launch_template" "sensitive" {
  name      = "sensitive"
  user_data = base64encode("#!/bin/sh\nSESSION_TOKEN=${var.token}\n")

  metadata_options {
    http_tokens = "required"
  }
}

resource "aws_instance" "hashed" {
  ami           = "ami-0a1b2c3d4e5f67890"
  instance_type = "t4g.small"
  user_data     = <<-EOT
    #!/bin/sh
    -----BEGIN RSA PRIVATE KEY-----
  EOT

  metadata_options {
    http_tokens = "required"
  }
}

resource "aws_launch_configuration" "access_key" {
  image_id         = "ami-0a1b2c3d4e5f67890"
  instance_type    = "t4g.small"
  user_data_base64 = base64encode("AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE")

  metadata_options {
    http_tokens = "required"
  }
}

resource "aws_launch_template" "clean" {
  name      = "clean"
  user_data = base64encode("#!/bin/sh\nMASTER_SECRET_NAME=orders/master\nPASSWORD=$(cat /run/secret)\n")

  metadata_options {
    http_tokens = "required"
  }
}
