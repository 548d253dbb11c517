# Inputs of the jump host's module: network, instance, key, permissions boundary, and the roles that may use it.

variable "name" {
  description = "Name of the deployment; the host is <name>-jump-host, the policy <name>-tunnel."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = <<-EOT
      name ${jsonencode(var.name)} can't be used: use 3 to 32 lower-case letters, digits and hyphens, beginning with a
      letter and not ending with a hyphen.
    EOT
  }
}

variable "subnet_id" {
  description = "Private subnet of the host, with the endpoints ssm and ssmmessages or a NAT gateway."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^subnet-[0-9a-f]{8,}$", var.subnet_id))
    error_message = <<-EOT
      subnet_id ${jsonencode(var.subnet_id)} is not the id of a subnet: give one of the output private_subnet_ids of the
      vpc module, "subnet-…".
    EOT
  }
}

variable "security_group_id" {
  description = "Security group of the host, without inbound rules: the output jump_host_id of the module security_group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^sg-[0-9a-f]{8,}$", var.security_group_id))
    error_message = <<-EOT
      security_group_id ${jsonencode(var.security_group_id)} is not the id of a security group: give the output
      jump_host_id of the security_group module, "sg-…".
    EOT
  }
}

variable "instance_type" {
  description = "Type of the host, arm64 or x86-64."
  type        = string
  default     = "t4g.nano"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", var.instance_type))
    error_message = "instance_type ${jsonencode(var.instance_type)} is not an EC2 instance type, such as t4g.nano."
  }
}

variable "ami_id" {
  description = "AMI of Amazon Linux 2023. null: the newest, which every plan reads again; a newer one replaces the host."
  type        = string
  default     = null

  validation {
    condition     = var.ami_id == null || can(regex("^ami-([0-9a-f]{8}|[0-9a-f]{17})$", var.ami_id))
    error_message = <<-EOT
      ami_id ${jsonencode(var.ami_id)} is not the id of an AMI: give one such as ami-0123456789abcdef0, or null for the
      newest Amazon Linux 2023.
    EOT
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the host's volume. null: the account's default key for EBS."
  type        = string
  default     = null

  validation {
    condition = (
      var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    )
    error_message = <<-EOT
      kms_key_arn ${jsonencode(var.kms_key_arn)} is not the ARN of a key: give arn:aws:kms:<region>:<account>:key/<id>.
    EOT
  }
}

variable "tunnel_roles" {
  description = "Names of the roles of those who may open tunnels. The policy is attached to them."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for role in var.tunnel_roles : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", role))])
    error_message = <<-EOT
      tunnel_roles ${jsonencode(var.tunnel_roles)}: give the names of roles (aws_iam_role.name), neither ARNs nor paths,
      nor wildcards.
    EOT
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the host's role. null: none."
  type        = string
  default     = null

  validation {
    condition = (
      var.permissions_boundary_arn == null ||
      can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    )
    error_message = <<-EOT
      permissions_boundary_arn ${jsonencode(var.permissions_boundary_arn)} is not the ARN of an IAM policy
      (arn:aws:iam::<account>:policy/<name>).
    EOT
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}
