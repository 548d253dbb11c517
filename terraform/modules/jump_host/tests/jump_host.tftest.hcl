# Tests of the module jump_host: its README's example, the host, its role, and the policy for tunnels. The provider builds
# the policy documents itself, without an account; what it would read from AWS is overridden.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws", dns_suffix = "amazonaws.com" }
}

override_data {
  target = data.aws_region.current
  values = { id = "us-east-1", name = "us-east-1" }
}

override_data {
  target = data.aws_ec2_instance_type.this
  values = { supported_architectures = ["arm64"] }
}

override_data {
  target = data.aws_ssm_parameter.ami[0]
  values = { insecure_value = "ami-0123456789abcdef0" }
}

override_resource {
  target          = aws_instance.this
  override_during = plan
  values          = { id = "i-0a1b2c3d4e5f67890" }
}

override_resource {
  target          = aws_iam_policy.tunnel
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:policy/orders-dev-tunnel" }
}

variables {
  name              = "orders-dev"
  subnet_id         = "subnet-0a1b2c3d4e5f60001"
  security_group_id = "sg-0a1b2c3d4e5f60001"
}

run "readme" {
  command = plan

  variables {
    name              = "orders-dev"
    subnet_id         = "subnet-0a1b2c3d4e5f60001"
    security_group_id = "sg-0a1b2c3d4e5f60001"
    tunnel_roles      = ["developers"]
  }

  assert {
    condition = alltrue([
      aws_instance.this.ami == "ami-0123456789abcdef0",
      aws_instance.this.instance_type == "t4g.nano",
      aws_instance.this.subnet_id == "subnet-0a1b2c3d4e5f60001",
      aws_instance.this.vpc_security_group_ids == toset(["sg-0a1b2c3d4e5f60001"]),
      aws_instance.this.iam_instance_profile == "orders-dev-jump-host",
    ])
    error_message = "a small host in the given subnet, with the given group alone"
  }

  assert {
    condition = alltrue([
      aws_instance.this.metadata_options[0].http_tokens == "required",
      aws_instance.this.metadata_options[0].http_put_response_hop_limit == 1,
      aws_instance.this.root_block_device[0].encrypted,
      aws_instance.this.root_block_device[0].volume_type == "gp3",
    ])
    error_message = "IMDSv2 with one hop, and an encrypted volume"
  }

  assert {
    condition = (
      output.instance_id == "i-0a1b2c3d4e5f67890" && output.role_name == "orders-dev-jump-host" &&
      output.tunnel_policy_arn == "arn:aws:iam::123456789012:policy/orders-dev-tunnel"
    )
    error_message = "the outputs name host, role and policy"
  }

  assert {
    condition = {
      for key, attachment in aws_iam_role_policy_attachment.tunnel : key => [attachment.role, attachment.policy_arn]
    } == { developers = ["developers", "arn:aws:iam::123456789012:policy/orders-dev-tunnel"] }
    error_message = "the given roles may open tunnels"
  }
}

# Read from the files: the provider computes these arguments where they are not set.
run "no_key_and_no_user_data" {
  command = plan

  assert {
    condition = length(aws_instance.this.vpc_security_group_ids) == 1 && !anytrue([
      for file in fileset(".", "*.tf") : anytrue([
        for line in split("\n", file(file)) :
        can(regex("^\\s*(key_name|user_data|associate_public_ip_address|ingress)\\s*[={]", line))
      ])
    ])
    error_message = "the host has no key pair, user data, public address or inbound rule"
  }

  assert {
    condition     = length(fileset(".", "*.tf")) > 4 && length(aws_iam_role_policy_attachment.tunnel) == 0
    error_message = "without roles, no one may open a tunnel by this module"
  }
}

run "role" {
  command = plan

  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/orders-boundary"
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.session.policy).Statement : [
        statement.Effect, join(" ", sort(statement.Action)), statement.Resource,
      ]
      ] == [[
        "Allow", join(" ", [
          "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
        ]), "*",
    ]]
    error_message = "Session Manager, no ssm:GetParameter, no database: ${aws_iam_role_policy.session.policy}"
  }

  assert {
    condition = alltrue([
      jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal == { Service = "ec2.amazonaws.com" },
      aws_iam_role.this.permissions_boundary == "arn:aws:iam::123456789012:policy/orders-boundary",
    ])
    error_message = "only EC2 assumes the role, within the boundary"
  }
}

run "x86_with_its_own_key_and_image" {
  command = plan

  variables {
    instance_type = "t3.nano"
    ami_id        = "ami-0fedcba9876543210"
    kms_key_arn   = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
  }

  assert {
    condition = alltrue([
      aws_instance.this.ami == "ami-0fedcba9876543210",
      aws_instance.this.root_block_device[0].kms_key_id == var.kms_key_arn,
      length(data.aws_ssm_parameter.ami) == 0,
    ])
    error_message = "the given image and key are used"
  }
}
