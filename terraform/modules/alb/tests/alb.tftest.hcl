# Tests of the module alb: its README's example, certificates, listeners, load balancer, and target group.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name              = "orders-dev"
  vpc_id            = "vpc-0a1b2c3d4e5f67890"
  subnet_ids        = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  security_group_id = "sg-0a1b2c3d4e5f67890"
  access_log_bucket = "orders-dev-logs-123456789012"
}

run "readme" {
  command = plan

  variables {
    name              = "orders-dev"
    vpc_id            = "vpc-0a1b2c3d4e5f67890"
    subnet_ids        = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
    security_group_id = "sg-0a1b2c3d4e5f67890"
    access_log_bucket = "orders-dev-logs-123456789012"
    domain_name       = "orders.example.com"
    zone_id           = "Z0123456789ABCDEFGHIJ"
    tags              = { Environment = "dev" }
  }

  assert {
    condition     = output.url == "https://orders.example.com"
    error_message = "The service is reached by its name, by HTTPS."
  }

  assert {
    condition = (
      aws_acm_certificate.this[0].domain_name == "orders.example.com" &&
      aws_acm_certificate.this[0].validation_method == "DNS" &&
      length(aws_acm_certificate_validation.this) == 1 && length(aws_route53_record.validation) == 1
    )
    error_message = "The certificate is created for the name, and validated by DNS."
  }

  assert {
    condition     = aws_route53_record.alias[0].name == "orders.example.com" && aws_route53_record.alias[0].type == "A"
    error_message = "The name leads to the load balancer."
  }
}

run "certificate_made" {
  command = apply

  variables {
    domain_name = "orders.example.com"
    zone_id     = "Z0123456789ABCDEFGHIJ"
  }

  assert {
    condition = (
      aws_route53_record.validation[0].name == "_a79865eb.orders.example.com." &&
      aws_route53_record.validation[0].type == "CNAME" &&
      aws_route53_record.validation[0].records == toset(["_424c7224.acm-validations.aws."])
    )
    error_message = "The validation record of ACM is created."
  }

  assert {
    condition     = aws_lb_listener.https[0].certificate_arn == aws_acm_certificate_validation.this[0].certificate_arn
    error_message = "The listener uses the created certificate."
  }

  assert {
    condition     = one(aws_route53_record.alias[0].alias).name == aws_lb.this.dns_name
    error_message = "The name leads to the load balancer."
  }
}

run "certificate_given" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    domain_name     = "orders.example.com"
  }

  assert {
    condition = (
      length(aws_acm_certificate.this) == 0 &&
      length(aws_route53_record.validation) == 0 &&
      length(aws_route53_record.alias) == 0
    )
    error_message = "An existing certificate is used unchanged, and no record is created for a name managed elsewhere."
  }

  assert {
    condition = (
      aws_lb_listener.https[0].certificate_arn == var.certificate_arn &&
      output.url == "https://orders.example.com"
    )
    error_message = "The existing certificate serves the name."
  }
}

run "certificate_given_record_written" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    domain_name     = "orders.example.com"
    zone_id         = "Z0123456789ABCDEFGHIJ"
  }

  assert {
    condition     = length(aws_acm_certificate.this) == 0 && length(aws_route53_record.alias) == 1
    error_message = "The record is created with an existing certificate too."
  }
}

run "https" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition = (
      aws_lb_listener.https[0].port == 443 && aws_lb_listener.https[0].protocol == "HTTPS" &&
      aws_lb_listener.https[0].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
    )
    error_message = "TLS 1.2 and 1.3 only."
  }

  assert {
    condition = (
      aws_lb_listener.http.default_action[0].type == "redirect" &&
      aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS" &&
      aws_lb_listener.http.default_action[0].redirect[0].port == "443" &&
      aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301"
    )
    error_message = "HTTP redirects permanently to HTTPS."
  }
}

run "plain_http" {
  command = apply

  assert {
    condition = (
      length(aws_lb_listener.https) == 0 && aws_lb_listener.http.port == 80 &&
      aws_lb_listener.http.default_action[0].type == "forward" &&
      aws_lb_listener.http.default_action[0].target_group_arn == aws_lb_target_group.this.arn
    )
    error_message = "Without certificate and name, the service uses HTTP."
  }

  assert {
    condition     = output.url == "http://${aws_lb.this.dns_name}"
    error_message = "It is reached by the load balancer's own name."
  }

  assert {
    condition = (
      output.arn == aws_lb.this.arn &&
      output.dns_name == aws_lb.this.dns_name &&
      output.zone_id == aws_lb.this.zone_id &&
      output.target_group_arn == aws_lb_target_group.this.arn
    )
    error_message = "The outputs are the load balancer's and its target group's."
  }
}

run "load_balancer" {
  command = plan

  assert {
    condition = (
      aws_lb.this.drop_invalid_header_fields && aws_lb.this.enable_deletion_protection && !aws_lb.this.internal &&
      aws_lb.this.load_balancer_type == "application"
    )
    error_message = "Safe by default."
  }

  assert {
    condition = (
      aws_lb.this.access_logs[0].enabled &&
      aws_lb.this.access_logs[0].bucket == "orders-dev-logs-123456789012"
    )
    error_message = "Accesses are logged."
  }

  assert {
    condition     = aws_lb.this.security_groups == toset(["sg-0a1b2c3d4e5f67890"])
    error_message = "The load balancer has the given security group, not the VPC's default group."
  }
}

run "target_group" {
  command = plan

  variables {
    target_port         = 8080
    deletion_protection = false
  }

  assert {
    condition     = aws_lb_target_group.this.name == "orders-dev-8080" && aws_lb_target_group.this.port == 8080
    error_message = "The port is part of the name, so that a change of it can be rolled out."
  }

  assert {
    condition = (
      aws_lb_target_group.this.health_check[0].path == "/readyz" &&
      aws_lb_target_group.this.health_check[0].port == "3001" &&
      aws_lb_target_group.this.health_check[0].matcher == "200" &&
      aws_lb_target_group.this.health_check[0].timeout < aws_lb_target_group.this.health_check[0].interval
    )
    error_message = "The health check requests /readyz on the management port."
  }

  # Rules could forward elsewhere: there are none, and both listeners have one target group with one port.
  assert {
    condition     = aws_lb_target_group.this.port == var.target_port && var.target_port != var.management_port
    error_message = "No listener forwards to the management port."
  }

  assert {
    condition = (
      tonumber(aws_lb_target_group.this.deregistration_delay) == 30 &&
      !aws_lb.this.enable_deletion_protection
    )
    error_message = "Settings reach their resources."
  }
}

run "longest_name" {
  command = plan

  variables {
    name        = "a2345678901234567890123456"
    target_port = 65535
  }

  assert {
    condition     = length(aws_lb_target_group.this.name) == 32
    error_message = "The longest name and port fit AWS's 32 characters."
  }
}
