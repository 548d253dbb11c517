# Tests of inputs that the module alb refuses.

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

run "name_too_long_for_the_target_group" {
  command = plan

  variables {
    name = "a23456789012345678901234567"
  }

  expect_failures = [var.name]
}

run "name_internal" {
  command = plan

  variables {
    name = "internal-orders"
  }

  expect_failures = [var.name]
}

run "tag_of_aws" {
  command = plan

  variables {
    tags = { "aws:owner" = "me" }
  }

  expect_failures = [var.tags]
}

run "vpc_by_name" {
  command = plan

  variables {
    vpc_id = "orders-dev"
  }

  expect_failures = [var.vpc_id]
}

run "one_subnet" {
  command = plan

  variables {
    subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa"]
  }

  expect_failures = [var.subnet_ids]
}

run "subnets_by_zone" {
  command = plan

  variables {
    subnet_ids = ["us-east-1a", "us-east-1b"]
  }

  expect_failures = [var.subnet_ids]
}

run "security_group_by_name" {
  command = plan

  variables {
    security_group_id = "orders-dev-alb"
  }

  expect_failures = [var.security_group_id]
}

run "target_port_of_root" {
  command = plan

  variables {
    target_port = 443
  }

  expect_failures = [var.target_port]
}

run "bucket_by_arn" {
  command = plan

  variables {
    access_log_bucket = "arn:aws:s3:::orders-dev-logs-123456789012"
  }

  expect_failures = [var.access_log_bucket]
}

run "certificate_by_id" {
  command = plan

  variables {
    certificate_arn = "11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.certificate_arn]
}

run "certificate_of_iam" {
  command = plan

  variables {
    certificate_arn = "arn:aws:iam::123456789012:server-certificate/orders"
  }

  expect_failures = [var.certificate_arn]
}

run "domain_name_with_scheme" {
  command = plan

  variables {
    domain_name = "https://orders.example.com"
    zone_id     = "Z0123456789ABCDEFGHIJ"
  }

  expect_failures = [var.domain_name]
}

run "domain_name_wildcard" {
  command = plan

  variables {
    domain_name = "*.example.com"
    zone_id     = "Z0123456789ABCDEFGHIJ"
  }

  expect_failures = [var.domain_name]
}

run "domain_name_without_zone_or_certificate" {
  command = plan

  variables {
    domain_name = "orders.example.com"
  }

  expect_failures = [var.domain_name]
}

run "zone_without_domain_name" {
  command = plan

  variables {
    zone_id = "Z0123456789ABCDEFGHIJ"
  }

  expect_failures = [var.domain_name]
}

run "zone_id_by_path" {
  command = plan

  variables {
    domain_name = "orders.example.com"
    zone_id     = "/hostedzone/Z0123456789ABCDEFGHIJ"
  }

  expect_failures = [var.zone_id]
}

run "management_port_of_root" {
  command = plan

  variables {
    management_port = 443
  }

  expect_failures = [var.management_port]
}

run "management_port_that_clients_reach" {
  command = plan

  variables {
    management_port = 3000
  }

  expect_failures = [var.management_port]
}
