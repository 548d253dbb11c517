# Test of the policy for tunnels, which contains the instance's id and is therefore complete only after an apply. Every
# resource is overridden, so that nothing is created.

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
  target = aws_instance.this
  values = { id = "i-0a1b2c3d4e5f67890" }
}

override_resource {
  target = aws_iam_policy.tunnel
  values = { arn = "arn:aws:iam::123456789012:policy/orders-dev-tunnel" }
}

override_resource {
  target = aws_iam_role.this
}

override_resource {
  target = aws_iam_instance_profile.this
}

override_resource {
  target = aws_iam_role_policy.session
}

variables {
  name              = "orders-dev"
  subnet_id         = "subnet-0a1b2c3d4e5f60001"
  security_group_id = "sg-0a1b2c3d4e5f60001"
}

run "tunnel_policy_names_one_instance_and_one_document" {
  command = apply

  assert {
    condition = {
      for statement in jsondecode(output.tunnel_policy_json).Statement : statement.Sid => [
        statement.Effect, join(" ", sort(flatten([statement.Action]))), join(" ", sort(flatten([statement.Resource]))),
        jsonencode(try(statement.Condition, null)),
      ]
      } == {
      StartTunnel = [
        "Allow", "ssm:StartSession",
        join(" ", [
          "arn:aws:ec2:us-east-1:123456789012:instance/i-0a1b2c3d4e5f67890",
          "arn:aws:ssm:us-east-1::document/AWS-StartPortForwardingSessionToRemoteHost",
        ]),
        jsonencode({ BoolIfExists = { "ssm:SessionDocumentAccessCheck" = "true" } }),
      ]
      OwnSessions = [
        "Allow", "ssm:ResumeSession ssm:TerminateSession", "arn:aws:ssm:us-east-1:123456789012:session/*",
        jsonencode({ StringEquals = { "ssm:resourceTag/aws:ssmmessages:session-id" = "$${aws:userid}" } }),
      ]
      OwnChannels = [
        "Allow", "ssmmessages:OpenDataChannel", "arn:aws:ssm:us-east-1:123456789012:session/$${aws:userid}-*", "null",
      ]
    }
    error_message = "one instance, one document, own sessions: ${output.tunnel_policy_json}"
  }

  assert {
    condition     = aws_iam_policy.tunnel.policy == output.tunnel_policy_json
    error_message = "the managed policy is the document"
  }
}
