# Tests of inputs that the module vpc refuses: names, address ranges, overlaps, zones, and endpoints.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name = "orders-dev"
}

run "name_too_long" {
  command = plan

  variables {
    name = "a23456789012345678901234567890123"
  }

  expect_failures = [var.name]
}

run "name_of_capitals" {
  command = plan

  variables {
    name = "Orders"
  }

  expect_failures = [var.name]
}

run "name_like_a_security_group_id" {
  command = plan

  variables {
    name = "sg-orders"
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

run "cidr_no_range" {
  command = plan

  variables {
    cidr = "10.0.0.0"
  }

  expect_failures = [var.cidr]
}

run "cidr_ipv6" {
  command = plan

  variables {
    cidr = "fd00::/16"
  }

  expect_failures = [var.cidr]
}

run "cidr_of_a_host" {
  command = plan

  variables {
    cidr = "10.0.0.1/16"
  }

  expect_failures = [var.cidr]
}

run "cidr_too_small" {
  command = plan

  variables {
    cidr = "10.0.0.0/23"
  }

  expect_failures = [var.cidr]
}

run "cidr_too_large" {
  command = plan

  variables {
    cidr = "10.0.0.0/15"
  }

  expect_failures = [var.cidr]
}

run "cidr_public" {
  command = plan

  variables {
    cidr = "172.32.0.0/16"
  }

  expect_failures = [var.cidr]
}

run "cidr_of_docker" {
  command = plan

  variables {
    cidr = "172.17.0.0/16"
  }

  expect_failures = [var.cidr]
}

run "reserved_no_range" {
  command = plan

  variables {
    reserved_cidrs = ["10.0.0.0/33"]
  }

  expect_failures = [var.reserved_cidrs]
}

run "overlap_with_larger" {
  command = plan

  variables {
    cidr           = "10.5.0.0/16"
    reserved_cidrs = ["192.168.0.0/16", "10.0.0.0/8"]
  }

  expect_failures = [aws_vpc.this]
}

run "overlap_with_smaller" {
  command = plan

  variables {
    reserved_cidrs = ["10.0.77.0/24"]
  }

  expect_failures = [aws_vpc.this]
}

run "overlap_with_equal" {
  command = plan

  variables {
    reserved_cidrs = ["10.0.0.0/16"]
  }

  expect_failures = [aws_vpc.this]
}

# Bits after the prefix of a reserved range do not hide an overlap.
run "overlap_with_unaligned" {
  command = plan

  variables {
    reserved_cidrs = ["10.0.200.7/20"]
  }

  expect_failures = [aws_vpc.this]
}

run "one_zone" {
  command = plan

  variables {
    availability_zones = ["us-east-1a"]
  }

  expect_failures = [var.availability_zones]
}

run "four_zones" {
  command = plan

  variables {
    availability_zones = ["us-east-1a", "us-east-1c", "us-east-1d", "us-east-1e"]
  }

  expect_failures = [var.availability_zones]
}

run "zone_twice" {
  command = plan

  variables {
    availability_zones = ["us-east-1a", "us-east-1a"]
  }

  expect_failures = [var.availability_zones]
}

run "zone_unknown" {
  command = plan

  variables {
    availability_zones = ["us-east-1a", "eu-west-1a"]
  }

  expect_failures = [aws_vpc.this]
}

run "zone_without_rds_proxy" {
  command = plan

  variables {
    availability_zones = ["us-east-1a", "us-east-1b"]
  }

  expect_failures = [aws_vpc.this]
}

run "zone_without_rds_proxy_by_another_name" {
  command = plan

  variables {
    availability_zones = ["us-west-1a", "us-west-1c"]
  }

  override_data {
    target = data.aws_availability_zones.this
    values = {
      names    = ["us-west-1a", "us-west-1c"]
      zone_ids = ["usw1-az2", "usw1-az3"]
    }
  }

  expect_failures = [aws_vpc.this]
}

run "too_few_zones_for_rds_proxy" {
  command = plan

  variables {
    availability_zone_count = 3
  }

  override_data {
    target = data.aws_availability_zones.this
    values = {
      names    = ["us-east-1a", "us-east-1b", "us-east-1c"]
      zone_ids = ["use1-az1", "use1-az2", "use1-az3"]
    }
  }

  expect_failures = [aws_vpc.this]
}

run "count_of_zones" {
  command = plan

  variables {
    availability_zone_count = 1
  }

  expect_failures = [var.availability_zone_count]
}

run "nat_gateways_unknown" {
  command = plan

  variables {
    nat_gateways = "two"
  }

  expect_failures = [var.nat_gateways]
}

run "endpoint_by_full_name" {
  command = plan

  variables {
    interface_endpoints = ["com.amazonaws.us-east-1.logs"]
  }

  expect_failures = [var.interface_endpoints]
}

run "endpoint_s3" {
  command = plan

  variables {
    interface_endpoints = ["s3", "logs"]
  }

  expect_failures = [var.interface_endpoints]
}

run "flow_log_retention" {
  command = plan

  variables {
    flow_log_retention_days = 100
  }

  expect_failures = [var.flow_log_retention_days]
}

run "permissions_boundary" {
  command = plan

  variables {
    permissions_boundary_arn = "boundary"
  }

  expect_failures = [var.permissions_boundary_arn]
}
