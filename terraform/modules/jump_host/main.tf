# A host for tunnels to the database: a private instance without inbound rules, key pair and user data, that is reached
# only through Session Manager. tunnel.tf has the policy for those who may use it.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
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
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id

  architecture = contains(data.aws_ec2_instance_type.this.supported_architectures, "arm64") ? "arm64" : "x86_64"
  ami_id       = var.ami_id == null ? data.aws_ssm_parameter.ami[0].insecure_value : var.ami_id
  host_name    = "${var.name}-jump-host"
}

# No key_name and no user data: no one logs in, and nothing is installed. No public address: the subnet assigns none.
resource "aws_instance" "this" {
  #checkov:skip=CKV_AWS_126:No alarm watches the host, so its metrics need no detail
  ami                    = local.ami_id
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [var.security_group_id]
  iam_instance_profile   = aws_iam_instance_profile.this.name
  ebs_optimized          = true
  tags                   = merge(var.tags, { Name = local.host_name })
  volume_tags            = merge(var.tags, { Name = local.host_name })

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }

  root_block_device {
    encrypted             = true
    kms_key_id            = var.kms_key_arn
    volume_type           = "gp3"
    volume_size           = 8
    delete_on_termination = true
  }

  # The agent registers with its role's permissions.
  depends_on = [aws_iam_role_policy.session]
}

resource "aws_iam_role" "this" {
  name                 = local.host_name
  description          = "${var.name}: the jump host, for Session Manager alone"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_instance_profile" "this" {
  name = local.host_name
  role = aws_iam_role.this.name
  tags = var.tags
}

resource "aws_iam_role_policy" "session" {
  name   = "session-manager"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.session.json
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

# Replaces AmazonSSMManagedInstanceCore, which also allows ssm:GetParameter on every parameter of the account. The host
# itself can't log in to a database: that takes the token of the person at the other end of the tunnel.
data "aws_iam_policy_document" "session" {
  #checkov:skip=CKV_AWS_111:None of these actions can be limited to a channel or message before it exists
  #checkov:skip=CKV_AWS_356:As above

  statement {
    sid = "SessionManager"
    actions = [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}
