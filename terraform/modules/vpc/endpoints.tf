# The VPC's endpoints for AWS APIs: interface endpoints and S3's gateway endpoint, with the policies that limit
# callers and buckets, and their security group.

# Resolves a short name to the partition's service name. The plan fails if the region lacks the service.
data "aws_vpc_endpoint_service" "interface" {
  for_each = var.interface_endpoints

  service      = each.key
  service_type = "Interface"
}

data "aws_vpc_endpoint_service" "s3" {
  service      = "s3"
  service_type = "Gateway"
}

# Prevents calls with another account's stolen keys, and transfers of data to another account.
data "aws_iam_policy_document" "interface_endpoint" {
  #checkov:skip=CKV_AWS_1:an endpoint's policy grants nothing, it only limits; here it limits the callers, for one service
  #checkov:skip=CKV_AWS_49:as above: the caller's own policy defines its permissions
  statement {
    sid       = "OwnAccountOnly"
    actions   = ["*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "s3_endpoint" {
  #checkov:skip=CKV_AWS_283:an endpoint's policy grants nothing; these are conditions on account, or AWS's own buckets
  statement {
    sid       = "OwnAccountOnly"
    actions   = ["s3:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceAccount"
      values   = [local.account]
    }
  }

  # AWS's own buckets: layers of ECR images (fetched by links that ECR signs), packages of Amazon Linux (fetched without
  # a signature), updates of the Systems Manager agent.
  statement {
    sid     = "ReadFromAws"
    actions = ["s3:GetObject"]
    resources = [
      for bucket in [
        "prod-${local.region}-starport-layer-bucket",
        "al2023-repos-${local.region}-de612dc2",
        "amazon-ssm-${local.region}",
        "aws-ssm-${local.region}",
      ] : "arn:${local.partition}:s3:::${bucket}/*"
    ]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = data.aws_vpc_endpoint_service.s3.service_name
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for zone in local.availability_zones : aws_route_table.private[zone].id]
  policy            = data.aws_iam_policy_document.s3_endpoint.json
  tags              = merge(var.tags, { Name = "${var.name}-s3" })
}

resource "aws_vpc_endpoint" "interface" {
  for_each = data.aws_vpc_endpoint_service.interface

  vpc_id              = aws_vpc.this.id
  service_name        = each.value.service_name
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for zone in local.availability_zones : aws_subnet.private[zone].id]
  security_group_ids  = [aws_security_group.endpoints.id]
  policy              = data.aws_iam_policy_document.interface_endpoint.json
  tags                = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Interface endpoints: HTTPS from within the VPC"
  vpc_id      = aws_vpc.this.id
  tags        = merge(var.tags, { Name = "${var.name}-endpoints" })
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id = aws_security_group.endpoints.id
  description       = "HTTPS from within the VPC"
  cidr_ipv4         = aws_vpc.this.cidr_block
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = merge(var.tags, { Name = "${var.name}-endpoints" })
}
