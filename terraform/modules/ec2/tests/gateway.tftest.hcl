# Tests of the input gateway of the module ec2: without it, with it, and with values that the module refuses.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }

  mock_data "aws_ec2_instance_type" {
    defaults = { supported_architectures = ["arm64"] }
  }

  mock_data "aws_ssm_parameter" {
    defaults = { insecure_value = "ami-0123456789abcdef0" }
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

  gateway = {
    image = join("@sha256:", [
      "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev",
      "0a0b0c0d0e0f00010203040506070809101112131415161718191a1b1c1d1e1f",
    ])
    listeners = {
      3306 = "mysql://app@orders.c0ffee.us-east-1.rds.amazonaws.com/orders"
      5432 = "postgres://pay.c0ffee.us-east-1.rds.amazonaws.com:5433/pay?region=us-east-1&dial=10.0.1.2:5433"
    }
  }
}

run "without_a_gateway_nothing_is_added" {
  command = plan

  variables {
    gateway = null
  }

  assert {
    condition     = local.user_data == local.app_user_data && !strcontains(local.user_data, "gateway.service")
    error_message = "Instances without a gateway keep their user data, and are not replaced."
  }
}

run "the_gateway_comes_before_the_services_own_script" {
  command = plan

  assert {
    condition = (
      endswith(local.user_data, "\n${local.app_user_data}") && startswith(local.user_data, "#!/bin/bash\n")
    )
    error_message = "The service's script is complete and unchanged, and runs last, since it starts the service."
  }

  assert {
    condition     = base64decode(aws_launch_template.this.user_data) == local.user_data
    error_message = "Instances get the user data that is tested here."
  }

  # AWS's limit is 16384 bytes.
  assert {
    condition     = length(local.user_data) < 10240
    error_message = "It stays short enough for many listeners."
  }
}

run "the_container_of_the_gateway" {
  command = plan

  assert {
    condition = alltrue([
      for option in [
        "--read-only", "--user 10001:10001", "--cap-drop ALL", "--security-opt no-new-privileges", "--network host",
        "--pull never", "--env AWS_REGION", "--log-driver awslogs", "--log-opt mode=non-blocking",
        "--log-opt awslogs-region='us-east-1'", "--log-opt awslogs-group='/orders-dev/app'",
        "--log-opt awslogs-stream=\"$(cat /var/lib/cloud/data/instance-id)-gateway\"",
      ] : strcontains(replace(local.gateway_user_data, "\n", " "), " ${option} ")
    ])
    error_message = "The gateway runs as restricted as the service, and writes to a stream of the same log group."
  }

  assert {
    condition = contains(split("\n", local.gateway_user_data), join(" ", [
      "  '${var.gateway.image}' --admin '127.0.0.1:9090' --drain 30",
      "'3306=mysql://app@orders.c0ffee.us-east-1.rds.amazonaws.com/orders'",
      "'5432=postgres://pay.c0ffee.us-east-1.rds.amazonaws.com:5433/pay?region=us-east-1&dial=10.0.1.2:5433'",
    ]))
    error_message = "It runs the image by digest, with one argument for each listener."
  }

  assert {
    condition = contains(
      split("\n", local.gateway_user_data),
      "{\"credHelpers\": {\"123456789012.dkr.ecr.us-east-1.amazonaws.com\": \"ecr-login\"}}"
    )
    error_message = "The role pulls the image; there is no password for the registry."
  }

  assert {
    condition     = !can(regex("(?i)password|secret_?key|session_?token|docker login|AKIA|ASIA", local.user_data))
    error_message = "The user data contains no secret and puts none on a command line."
  }
}

run "the_gateway_starts_before_the_service_and_stops_after_it" {
  command = plan

  assert {
    condition = strcontains(local.gateway_user_data, join("\n", [
      "cat > /etc/systemd/system/app.service.d/gateway.conf <<'UNIT'", "[Unit]", "Wants=gateway.service",
      "After=gateway.service", "UNIT", "",
    ]))
    error_message = "Starting the service starts the gateway first, and systemd stops them in the opposite order."
  }

  assert {
    condition = alltrue([
      for line in [
        "ExecStartPre=/usr/bin/docker pull --quiet ${var.gateway.image}",
        "ExecStartPost=/usr/local/sbin/gateway-wait",
        "until curl --fail --silent --output /dev/null --max-time 5 'http://127.0.0.1:9090/startup'; do",
        "ExecStop=-/usr/bin/docker stop --time 40 gateway",
        "Restart=always", "RestartSec=10", "StartLimitIntervalSec=0", "Requires=docker.service",
      ] : contains(split("\n", local.gateway_user_data), line)
    ])
    error_message = "It counts as started once it accepts clients, is drained, and restarts as the service does."
  }
}

run "another_admin_port" {
  command = plan

  variables {
    gateway = merge(var.gateway, { admin_port = 9191 })
  }

  assert {
    condition = (
      strcontains(local.gateway_user_data, " --admin '127.0.0.1:9191' ")
      && strcontains(local.gateway_user_data, "http://127.0.0.1:9191/startup")
    )
    error_message = "The gateway is checked where it answers."
  }
}

run "image_by_tag" {
  command = plan

  variables {
    gateway = merge(var.gateway, { image = replace(var.gateway.image, "/@.*/", ":latest") })
  }

  expect_failures = [var.gateway]
}

run "image_elsewhere" {
  command = plan

  variables {
    gateway = merge(var.gateway, { image = replace(var.gateway.image, "/^[^/]*/", "docker.io") })
  }

  expect_failures = [var.gateway]
}

run "listeners_none" {
  command = plan

  variables {
    gateway = merge(var.gateway, { listeners = {} })
  }

  expect_failures = [var.gateway]
}

run "listener_on_a_privileged_port" {
  command = plan

  variables {
    gateway = merge(var.gateway, {
      listeners = { 306 = "mysql://app@orders.c0ffee.us-east-1.rds.amazonaws.com/orders" }
    })
  }

  expect_failures = [var.gateway]
}

run "listener_on_a_port_too_high" {
  command = plan

  variables {
    gateway = merge(var.gateway, {
      listeners = { 65536 = "mysql://app@orders.c0ffee.us-east-1.rds.amazonaws.com/orders" }
    })
  }

  expect_failures = [var.gateway]
}

run "listener_on_an_address" {
  command = plan

  variables {
    gateway = merge(var.gateway, {
      listeners = { "0.0.0.0:3306" = "mysql://app@orders.c0ffee.us-east-1.rds.amazonaws.com/orders" }
    })
  }

  expect_failures = [var.gateway]
}

run "listener_on_the_services_port" {
  command = plan

  variables {
    gateway = merge(var.gateway, {
      listeners = { 3000 = "mysql://app@orders.c0ffee.us-east-1.rds.amazonaws.com/orders" }
    })
  }

  expect_failures = [var.gateway]
}

run "listener_on_the_management_port" {
  command = plan

  variables {
    gateway = merge(var.gateway, {
      listeners = { 3001 = "mysql://app@orders.c0ffee.us-east-1.rds.amazonaws.com/orders" }
    })
  }

  expect_failures = [var.gateway]
}

run "listener_on_the_admin_port" {
  command = plan

  variables {
    gateway = merge(var.gateway, {
      listeners = { 9090 = "mysql://app@orders.c0ffee.us-east-1.rds.amazonaws.com/orders" }
    })
  }

  expect_failures = [var.gateway]
}

run "admin_port_privileged" {
  command = plan

  variables {
    gateway = merge(var.gateway, { admin_port = 909 })
  }

  expect_failures = [var.gateway]
}

run "admin_port_with_a_fraction" {
  command = plan

  variables {
    gateway = merge(var.gateway, { admin_port = 9090.5 })
  }

  expect_failures = [var.gateway]
}

run "password_in_a_connection_string" {
  command = plan

  variables {
    gateway = merge(var.gateway, {
      listeners = { 3306 = "mysql://app:${var.name}@orders.c0ffee.us-east-1.rds.amazonaws.com/orders" }
    })
  }

  expect_failures = [var.gateway]
}

run "connection_string_of_another_engine" {
  command = plan

  variables {
    gateway = merge(var.gateway, { listeners = { 3306 = "redis://app@orders.c0ffee.us-east-1.rds.amazonaws.com" } })
  }

  expect_failures = [var.gateway]
}

run "connection_string_without_a_scheme" {
  command = plan

  variables {
    gateway = merge(var.gateway, { listeners = { 3306 = "orders.c0ffee.us-east-1.rds.amazonaws.com" } })
  }

  expect_failures = [var.gateway]
}

run "connection_string_with_a_quote" {
  command = plan

  variables {
    gateway = merge(var.gateway, { listeners = { 3306 = "mysql://app@orders/'; id; '" } })
  }

  expect_failures = [var.gateway]
}

run "connection_string_with_a_line" {
  command = plan

  variables {
    gateway = merge(var.gateway, { listeners = { 3306 = "mysql://app@orders/x\nSCRIPT" } })
  }

  expect_failures = [var.gateway]
}

run "connection_string_with_a_command" {
  command = plan

  variables {
    gateway = merge(var.gateway, { listeners = { 3306 = "mysql://app@$(id)/orders" } })
  }

  expect_failures = [var.gateway]
}
