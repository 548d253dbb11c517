# Tests of inputs that the module security_group refuses.

mock_provider "aws" {}

variables {
  name              = "orders-dev"
  vpc_id            = "vpc-0a1b2c3d4e5f67890"
  vpc_cidr          = "10.20.0.0/16"
  alb_ingress_cidrs = ["0.0.0.0/0"]
  s3_prefix_list_id = "pl-63a5400a"
}

run "name_of_capitals" {
  command = plan

  variables {
    name = "Orders"
  }

  expect_failures = [var.name]
}

run "name_like_a_group_id" {
  command = plan

  variables {
    name = "sg-orders"
  }

  expect_failures = [var.name]
}

run "tag_of_aws" {
  command = plan

  variables {
    tags = { "AWS:owner" = "me" }
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

run "vpc_cidr_no_range" {
  command = plan

  variables {
    vpc_cidr = "10.20.0.0"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_everything" {
  command = plan

  variables {
    vpc_cidr = "0.0.0.0/0"
  }

  expect_failures = [var.vpc_cidr]
}

run "no_source_is_refused" {
  command = plan

  variables {
    alb_ingress_cidrs = []
  }

  expect_failures = [var.alb_ingress_cidrs]
}

run "ingress_from_a_host_address" {
  command = plan

  variables {
    alb_ingress_cidrs = ["198.51.100.7/24"]
  }

  expect_failures = [var.alb_ingress_cidrs]
}

run "ingress_ipv6" {
  command = plan

  variables {
    alb_ingress_cidrs = ["::/0"]
  }

  expect_failures = [var.alb_ingress_cidrs]
}

run "ingress_no_range" {
  command = plan

  variables {
    alb_ingress_cidrs = ["198.51.100.7"]
  }

  expect_failures = [var.alb_ingress_cidrs]
}

run "ingress_twice" {
  command = plan

  variables {
    alb_ingress_cidrs = ["0.0.0.0/0", "0.0.0.0/0"]
  }

  expect_failures = [var.alb_ingress_cidrs]
}

run "app_port_of_root" {
  command = plan

  variables {
    app_port = 80
  }

  expect_failures = [var.app_port]
}

run "app_port_too_high" {
  command = plan

  variables {
    app_port = 65536
  }

  expect_failures = [var.app_port]
}

run "database_port_not_of_rds_proxy" {
  command = plan

  variables {
    database_port = 3307
  }

  expect_failures = [var.database_port]
}

run "prefix_list_by_name" {
  command = plan

  variables {
    s3_prefix_list_id = "com.amazonaws.us-east-1.s3"
  }

  expect_failures = [var.s3_prefix_list_id]
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

run "an_app_without_a_prefix_list" {
  command = plan

  variables {
    s3_prefix_list_id = null
  }

  expect_failures = [var.s3_prefix_list_id]
}
