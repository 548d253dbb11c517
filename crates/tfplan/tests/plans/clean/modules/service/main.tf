# The service of the test plan `clean`: load balancer, security group with HTTPS from the internet, and launch
# template.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

resource "aws_security_group" "alb" {
  name   = "alb"
  vpc_id = "vpc-0a1b2c3d4e5f67890"
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  security_group_id = aws_security_group.alb.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_launch_template" "app" {
  name      = "app"
  user_data = base64encode("#!/bin/sh\nexec app\n")

  metadata_options {
    http_tokens = "required"
  }
}

resource "aws_lb" "this" {
  name                       = "orders"
  enable_deletion_protection = true
  security_groups            = [aws_security_group.alb.id]
  subnets                    = ["subnet-0a1b2c3d4e5f67890", "subnet-1a1b2c3d4e5f67890"]
}
