# The service's instances: an Auto Scaling group of Amazon Linux 2023 in private subnets. There is no SSH login; Session
# Manager replaces it.

data "aws_region" "current" {}

data "aws_ec2_instance_type" "this" {
  instance_type = var.instance_type
}

# The public parameter's value is an AMI id: it is not secret, and therefore read as `insecure_value`.
data "aws_ssm_parameter" "ami" {
  count = var.ami_id == null ? 1 : 0

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${local.architecture}"
}

locals {
  architecture = contains(data.aws_ec2_instance_type.this.supported_architectures, "arm64") ? "arm64" : "x86_64"
  ami_id       = var.ami_id == null ? data.aws_ssm_parameter.ami[0].insecure_value : var.ami_id
  tags         = merge(var.tags, { Name = var.name })

  # An instance counts once its service is ready: app-ready in its user data then completes this hook. An instance that
  # never becomes ready is replaced, and a refresh waits and replaces no other instance.
  hook = {
    name                 = "ready"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    default_result       = "ABANDON"
    heartbeat_timeout    = 600
  }

  # Empty without a gateway: then the user data is the service's alone, and instances are not replaced.
  gateway_user_data = var.gateway == null ? "" : templatefile("${path.module}/gateway.sh.tftpl", {
    admin_port = var.gateway.admin_port
    image      = var.gateway.image
    listeners  = join(" ", [for port, url in var.gateway.listeners : "'${port}=${url}'"])
    log_group  = aws_cloudwatch_log_group.this.name
    region     = data.aws_region.current.id
    registry   = split("/", var.gateway.image)[0]
  })

  app_user_data = templatefile("${path.module}/user_data.sh.tftpl", {
    app_port        = var.app_port
    hook            = local.hook.name
    image_parameter = var.image_parameter
    log_group       = aws_cloudwatch_log_group.this.name
    management_port = var.management_port
    name            = var.name
    parameter_path  = var.parameter_path
    region          = data.aws_region.current.id
    registry        = split("/", var.repository_url)[0]
    repository_url  = var.repository_url
  })

  user_data = "${local.gateway_user_data}${local.app_user_data}"
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:Logs are encrypted by CloudWatch's own key; they contain no secret that would need another
  name              = "/${var.name}/app"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_launch_template" "this" {
  name                   = var.name
  image_id               = local.ami_id
  instance_type          = var.instance_type
  update_default_version = true
  user_data              = base64encode(local.user_data)
  tags                   = var.tags

  iam_instance_profile {
    name = var.instance_profile_name
  }

  # One hop: the role's credentials are available to the instance and, through the host's network, to the service in its
  # container. A container with a separate network is one hop further away and gets none.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }

  monitoring {
    enabled = true
  }

  # Explicit, so that it also applies in a subnet that assigns public addresses.
  network_interfaces {
    associate_public_ip_address = "false"
    delete_on_termination       = "true"
    security_groups             = var.security_group_ids
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      delete_on_termination = "true"
      encrypted             = "true"
      volume_size           = 16
      volume_type           = "gp3"
    }
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])

    content {
      resource_type = tag_specifications.value
      tags          = local.tags
    }
  }
}

resource "aws_autoscaling_group" "this" {
  name                = var.name
  min_size            = var.min_size
  max_size            = var.max_size
  desired_capacity    = var.desired
  vpc_zone_identifier = var.subnet_ids
  target_group_arns   = var.target_group_arns

  # Not the load balancer's check: it includes the database, so that the group would replace all its instances during a
  # database failover. On the instance, systemd restarts an app that ends, and app-watch one that hangs.
  health_check_type         = "EC2"
  health_check_grace_period = 300
  default_instance_warmup   = 120

  # The first apply comes before the first image, so no instance can become healthy yet.
  wait_for_capacity_timeout = "0"

  enabled_metrics = [
    "GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances", "GroupTerminatingInstances",
    "GroupTotalInstances",
  ]

  # A number, not $Latest, so that a plan shows the replacement of instances.
  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }

  # Here for the first instances, which the group launches at once; below for later changes of the hook.
  initial_lifecycle_hook {
    name                 = local.hook.name
    lifecycle_transition = local.hook.lifecycle_transition
    default_result       = local.hook.default_result
    heartbeat_timeout    = local.hook.heartbeat_timeout
  }

  # The new instance is ready before the old one ends. No auto_rollback: the provider changes the group before it starts
  # the refresh, so a rollback would return to the new template.
  instance_refresh {
    strategy = "Rolling"

    preferences {
      # The hook ensures that the instance is ready; two checks of the load balancer follow.
      instance_warmup        = 30
      min_healthy_percentage = 100
      max_healthy_percentage = 150
    }
  }

  dynamic "tag" {
    for_each = local.tags

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false # the launch template tags instances, their disks and interfaces
    }
  }
}

# The block in the group above is read only at its creation. Removing the hook also ends launches that wait for it, so
# that the group can be deleted.
resource "aws_autoscaling_lifecycle_hook" "ready" {
  name                   = local.hook.name
  autoscaling_group_name = aws_autoscaling_group.this.name
  lifecycle_transition   = local.hook.lifecycle_transition
  default_result         = local.hook.default_result
  heartbeat_timeout      = local.hook.heartbeat_timeout
}

resource "aws_autoscaling_policy" "cpu" {
  name                   = "${var.name}-cpu"
  autoscaling_group_name = aws_autoscaling_group.this.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = 60

    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}
