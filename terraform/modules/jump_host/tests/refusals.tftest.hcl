# Inputs that a plan refuses, before any change.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_region" {
    defaults = { id = "us-east-1", name = "us-east-1" }
  }
}

variables {
  name              = "orders-dev"
  subnet_id         = "subnet-0a1b2c3d4e5f60001"
  security_group_id = "sg-0a1b2c3d4e5f60001"
}

run "shapes" {
  command = plan

  variables {
    name                     = "Orders"
    subnet_id                = "10.0.0.0/24"
    security_group_id        = "orders-dev-admin"
    instance_type            = "nano"
    ami_id                   = "al2023"
    kms_key_arn              = "alias/orders-dev"
    tunnel_roles             = ["arn:aws:iam::123456789012:role/developers"]
    permissions_boundary_arn = "boundary"
  }

  expect_failures = [
    var.name,
    var.subnet_id,
    var.security_group_id,
    var.instance_type,
    var.ami_id,
    var.kms_key_arn,
    var.tunnel_roles,
    var.permissions_boundary_arn,
  ]
}

run "a_wildcard_for_a_role" {
  command = plan

  variables {
    tunnel_roles = ["*"]
  }

  expect_failures = [var.tunnel_roles]
}
