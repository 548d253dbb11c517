# Tests of inputs that the module ec2 refuses.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_ec2_instance_type" {
    defaults = { supported_architectures = ["arm64"] }
  }
}

variables {
  name                  = "orders-dev"
  subnet_ids            = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
  security_group_ids    = ["sg-0a1b2c3d4e5f60001"]
  instance_profile_name = "orders-dev-app"
  target_group_arns     = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/0123456789abcdef"]
  repository_url        = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev"
  image_parameter       = "/dev/app/image"
  parameter_path        = "/dev/database"
}

run "name_in_capitals" {
  command = plan

  variables {
    name = "Orders"
  }

  expect_failures = [var.name]
}

run "name_with_a_command" {
  command = plan

  variables {
    name = "orders$(id)"
  }

  expect_failures = [var.name]
}

run "subnet_alone" {
  command = plan

  variables {
    subnet_ids = ["subnet-0a1b2c3d4e5f60001"]
  }

  expect_failures = [var.subnet_ids]
}

run "subnet_twice" {
  command = plan

  variables {
    subnet_ids = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60001"]
  }

  expect_failures = [var.subnet_ids]
}

run "security_groups_none" {
  command = plan

  variables {
    security_group_ids = []
  }

  expect_failures = [var.security_group_ids]
}

run "instance_profile_by_arn" {
  command = plan

  variables {
    instance_profile_name = "arn:aws:iam::123456789012:instance-profile/orders-dev-app"
  }

  expect_failures = [var.instance_profile_name]
}

run "target_groups_none" {
  command = plan

  variables {
    target_group_arns = []
  }

  expect_failures = [var.target_group_arns]
}

run "repository_with_a_tag" {
  command = plan

  variables {
    repository_url = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev:latest"
  }

  expect_failures = [var.repository_url]
}

run "repository_elsewhere" {
  command = plan

  variables {
    repository_url = "docker.io/library/nginx"
  }

  expect_failures = [var.repository_url]
}

run "repository_with_a_quote" {
  command = plan

  variables {
    repository_url = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders'dev"
  }

  expect_failures = [var.repository_url]
}

run "repository_with_a_command" {
  command = plan

  variables {
    repository_url = "123456789012.dkr.ecr.us-east-1.amazonaws.com/$(id)"
  }

  expect_failures = [var.repository_url]
}

run "image_parameter_relative" {
  command = plan

  variables {
    image_parameter = "app/image"
  }

  expect_failures = [var.image_parameter]
}

run "image_parameter_with_a_quote" {
  command = plan

  variables {
    image_parameter = "/dev/app/image'; id; '"
  }

  expect_failures = [var.image_parameter]
}

run "image_parameter_with_a_line" {
  command = plan

  variables {
    image_parameter = "/dev/app\n/image"
  }

  expect_failures = [var.image_parameter]
}

run "parameter_path_with_a_slash_at_the_end" {
  command = plan

  variables {
    parameter_path = "/dev/database/"
  }

  expect_failures = [var.parameter_path]
}

run "parameter_path_with_a_command" {
  command = plan

  variables {
    parameter_path = "/dev/`id`"
  }

  expect_failures = [var.parameter_path]
}

run "port_privileged" {
  command = plan

  variables {
    app_port = 80
  }

  expect_failures = [var.app_port]
}

run "port_too_high" {
  command = plan

  variables {
    app_port = 65536
  }

  expect_failures = [var.app_port]
}

run "management_port_privileged" {
  command = plan

  variables {
    management_port = 80
  }

  expect_failures = [var.management_port]
}

run "management_port_of_the_app" {
  command = plan

  variables {
    management_port = 3000
  }

  expect_failures = [var.management_port]
}

run "instance_type_without_size" {
  command = plan

  variables {
    instance_type = "t4g"
  }

  expect_failures = [var.instance_type]
}

run "ami_by_name" {
  command = plan

  variables {
    ami_id = "al2023"
  }

  expect_failures = [var.ami_id]
}

run "min_size_zero" {
  command = plan

  variables {
    min_size = 0
  }

  expect_failures = [var.min_size]
}

run "max_size_below_min_size" {
  command = plan

  variables {
    max_size = 1
  }

  expect_failures = [var.max_size]
}

run "desired_above_max_size" {
  command = plan

  variables {
    desired = 5
  }

  expect_failures = [var.desired]
}

run "desired_below_min_size" {
  command = plan

  variables {
    desired = 1
  }

  expect_failures = [var.desired]
}

run "retention_unknown" {
  command = plan

  variables {
    log_retention_days = 100
  }

  expect_failures = [var.log_retention_days]
}
