# Tests of the module ec2: its README's example, launch template, Auto Scaling group, launch hook, AMI, and user data.

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

  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 7 }
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

run "readme" {
  command = plan

  variables {
    name                  = "orders-dev"
    subnet_ids            = ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
    security_group_ids    = ["sg-0a1b2c3d4e5f60001"]
    instance_profile_name = "orders-dev-app"
    target_group_arns     = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/orders/0123456789abcdef"]
    repository_url        = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev"
    image_parameter       = "/dev/app/image"
    parameter_path        = "/dev/database"
    max_size              = 6
  }

  assert {
    condition     = output.autoscaling_group_name == "orders-dev"
    error_message = "The group has the given name."
  }

  assert {
    condition     = output.launch_template_id == "lt-0123456789abcdef0"
    error_message = "launch_template_id is the template's."
  }

  assert {
    condition     = output.log_group_name == "/orders-dev/app"
    error_message = "The role of the iam module can write only to this log group."
  }

  assert {
    condition     = aws_autoscaling_group.this.min_size == 2 && aws_autoscaling_group.this.max_size == 6
    error_message = "The group has the requested size."
  }
}

run "launch_template" {
  command = plan

  assert {
    condition = (
      aws_launch_template.this.metadata_options[0].http_tokens == "required"
      && aws_launch_template.this.metadata_options[0].http_put_response_hop_limit == 1
    )
    error_message = "IMDSv2 only, with a hop limit of one."
  }

  assert {
    condition = (
      aws_launch_template.this.block_device_mappings[0].device_name == "/dev/xvda"
      && aws_launch_template.this.block_device_mappings[0].ebs[0].encrypted == "true"
      && aws_launch_template.this.block_device_mappings[0].ebs[0].volume_type == "gp3"
    )
    error_message = "The root disk is encrypted, and gp3."
  }

  assert {
    condition     = aws_launch_template.this.key_name == null
    error_message = "There is no key pair: no login by SSH."
  }

  assert {
    condition = (
      aws_launch_template.this.network_interfaces[0].associate_public_ip_address == "false"
      && aws_launch_template.this.network_interfaces[0].security_groups == toset(["sg-0a1b2c3d4e5f60001"])
    )
    error_message = "No public address, and the given security groups."
  }

  assert {
    condition     = aws_launch_template.this.monitoring[0].enabled
    error_message = "Scaling by CPU needs a data point every minute, not every five minutes."
  }

  assert {
    condition     = aws_launch_template.this.iam_instance_profile[0].name == "orders-dev-app"
    error_message = "Instances have the given role."
  }
}

run "group" {
  command = plan

  assert {
    condition = (
      aws_autoscaling_group.this.health_check_type == "EC2"
      && aws_autoscaling_group.this.target_group_arns == toset(var.target_group_arns)
      && aws_autoscaling_group.this.vpc_zone_identifier == toset(var.subnet_ids)
    )
    error_message = "EC2's checks replace instances; the load balancer's checks only stop traffic to them."
  }

  assert {
    condition     = aws_autoscaling_group.this.launch_template[0].version == "7"
    error_message = "The group runs a version by number: a plan shows when it changes."
  }

  assert {
    condition = (
      aws_autoscaling_group.this.instance_refresh[0].strategy == "Rolling"
      && aws_autoscaling_group.this.instance_refresh[0].preferences[0].min_healthy_percentage == 100
      && aws_autoscaling_group.this.instance_refresh[0].preferences[0].max_healthy_percentage == 150
    )
    error_message = "A refresh starts new instances before it ends old ones."
  }

  # The provider changes the group before it starts the refresh: hashicorp/terraform-provider-aws#34189.
  assert {
    condition     = aws_autoscaling_group.this.instance_refresh[0].preferences[0].auto_rollback != true
    error_message = "A rollback would return to the new template."
  }

  assert {
    condition     = aws_autoscaling_group.this.wait_for_capacity_timeout == "0"
    error_message = "The first apply comes before the first image, and must not wait for it."
  }

  assert {
    condition     = aws_autoscaling_policy.cpu.policy_type == "TargetTrackingScaling"
    error_message = "The group scales."
  }
}

run "an_instance_counts_once_its_service_answers" {
  command = plan

  assert {
    condition = alltrue([
      for hook in [one(aws_autoscaling_group.this.initial_lifecycle_hook), aws_autoscaling_lifecycle_hook.ready] : (
        hook.name == "ready"
        && hook.lifecycle_transition == "autoscaling:EC2_INSTANCE_LAUNCHING"
        && hook.default_result == "ABANDON"
        && hook.heartbeat_timeout == 600
      )
    ])
    error_message = "An instance that does not complete the hook is replaced, at the first launch and later."
  }

  assert {
    condition     = aws_autoscaling_lifecycle_hook.ready.autoscaling_group_name == "orders-dev"
    error_message = "The hook is the group's."
  }

  assert {
    condition = alltrue([
      for line in [
        "    aws autoscaling complete-lifecycle-action --auto-scaling-group-name 'orders-dev' --lifecycle-hook-name 'ready' \\",
        "  if curl --fail --silent --output /dev/null --max-time 5 'http://127.0.0.1:3001/readyz' &&",
        "    curl --silent --output /dev/null --max-time 5 'http://127.0.0.1:3000/'; then",
        "ExecStart=/usr/local/sbin/app-ready 300",
        "systemctl start --no-block app-ready.service",
      ] : contains(split("\n", local.user_data), line)
    ])
    error_message = "The instance completes this group's hook once its own service is ready."
  }

  # The wait of app-ready, including its last call, ends before the heartbeat timeout.
  assert {
    condition     = aws_autoscaling_lifecycle_hook.ready.heartbeat_timeout >= 300 + 100 + 60
    error_message = "The hook lasts longer than app-ready."
  }

  assert {
    condition = (
      length(split("until dnf install", split("systemctl start --no-block app-ready.service", local.user_data)[1])) == 2
    )
    error_message = "An instance whose installation never ends is replaced too."
  }
}

run "a_hung_service_is_restarted" {
  command = plan

  assert {
    condition = alltrue([
      for line in [
        "  curl --fail --silent --output /dev/null --max-time 5 'http://127.0.0.1:3001/livez' &&",
        "    curl --silent --output /dev/null --max-time 5 'http://127.0.0.1:3000/' && exit 0",
        "systemctl restart docker.service app.service",
        "OnUnitInactiveSec=30",
        "systemctl enable --now docker.service app.service app-watch.timer",
      ] : contains(split("\n", local.user_data), line)
    ])
    error_message = "The liveness check excludes the database, and the service is restarted if it does not answer."
  }
}

run "image_of_the_architecture" {
  command = plan

  assert {
    condition = (
      data.aws_ssm_parameter.ami[0].name == "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    )
    error_message = "Graviton runs the arm64 image."
  }

  assert {
    condition     = aws_launch_template.this.image_id == "ami-0123456789abcdef0"
    error_message = "The image is the parameter's."
  }
}

run "image_of_the_other_architecture" {
  command = plan

  variables {
    instance_type = "t3.small"
  }

  override_data {
    target          = data.aws_ec2_instance_type.this
    override_during = plan
    values          = { supported_architectures = ["x86_64"] }
  }

  assert {
    condition     = endswith(data.aws_ssm_parameter.ami[0].name, "-x86_64")
    error_message = "Intel and AMD run the x86_64 image."
  }
}

run "image_that_is_pinned" {
  command = plan

  variables {
    ami_id = "ami-0fedcba9876543210"
  }

  assert {
    condition = (
      aws_launch_template.this.image_id == "ami-0fedcba9876543210" && length(data.aws_ssm_parameter.ami) == 0
    )
    error_message = "A pinned AMI stays, and the public parameter is not read."
  }
}

run "user_data" {
  command = plan

  assert {
    condition = alltrue([
      for line in [
        "image=$(aws ssm get-parameter --name '/dev/app/image' --query Parameter.Value --output text)",
        "digest=\"$${image#*@sha256:}\"",
        join(" ", [
          "if [[ \"$image\" != \"123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@sha256:$digest\"",
          "|| ! \"$digest\" =~ ^[0-9a-f]{64}$ ]]; then",
        ]),
        "{\"credHelpers\": {\"123456789012.dkr.ecr.us-east-1.amazonaws.com\": \"ecr-login\"}}",
        "docker pull --quiet \"$image\"",
        "until dnf install -y docker amazon-ecr-credential-helper awscli-2; do",
        "Restart=always",
        "StartLimitIntervalSec=0",
      ] : contains(split("\n", local.user_data), line)
    ])
    error_message = "The instance runs the parameter's image by digest, only from this repository, and retries."
  }

  assert {
    condition = alltrue([
      for option in [
        "--read-only", "--user 10001:10001", "--cap-drop ALL", "--security-opt no-new-privileges", "--network host",
        "--pull never", "--env AWS_REGION", "--env PORT='3000'",
        "--env RDS_IAM_MANAGEMENT_PORT='3001'", "--env RDS_IAM_SSM_PREFIX='/dev/database'",
        "--log-driver awslogs", "--log-opt awslogs-region='us-east-1'", "--log-opt awslogs-group='/orders-dev/app'",
      ] : strcontains(local.user_data, " ${option} ")
    ])
    error_message = "The service runs read-only, as an unprivileged user, with the path of its parameters."
  }

  assert {
    condition     = !can(regex("(?i)password|secret_?key|session_?token|docker login|AKIA|ASIA", local.user_data))
    error_message = "The user data contains no secret and puts none on a command line."
  }

  assert {
    condition     = base64decode(aws_launch_template.this.user_data) == local.user_data
    error_message = "Instances get the user data that is tested here."
  }

  assert {
    condition     = startswith(local.user_data, "#!/bin/bash\n") && length(local.user_data) < 8192
    error_message = "cloud-init runs it, and it stays short."
  }
}

run "port_and_path" {
  command = plan

  variables {
    app_port        = 8080
    management_port = 9090
    parameter_path  = "/prod/orders/database"
  }

  assert {
    condition = (
      strcontains(local.user_data, " --env PORT='8080' ")
      && strcontains(local.user_data, " --env RDS_IAM_MANAGEMENT_PORT='9090' ")
      && strcontains(local.user_data, "http://127.0.0.1:9090/readyz")
      && strcontains(local.user_data, "http://127.0.0.1:9090/livez")
      && strcontains(local.user_data, " --env RDS_IAM_SSM_PREFIX='/prod/orders/database' ")
    )
    error_message = "The service gets the given ports and path, and is checked at its own port."
  }
}
