# Test of the policies of flow logs and endpoints. The provider builds policy documents itself, without AWS: these are
# the real ones.

provider "aws" {
  region                      = "us-gov-west-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_availability_zones.this
  values = {
    names    = ["us-gov-west-1a", "us-gov-west-1b"]
    zone_ids = ["usgw1-az1", "usgw1-az2"]
  }
}

override_data {
  target = data.aws_vpc_endpoint_service.s3
  values = { service_name = "com.amazonaws.us-gov-west-1.s3" }
}

variables {
  name                = "orders-dev"
  interface_endpoints = []
}

run "policies" {
  command = plan

  assert {
    condition = jsondecode(data.aws_iam_policy_document.flow_logs_trust.json).Statement == [{
      Action    = "sts:AssumeRole"
      Effect    = "Allow"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = "123456789012" }
        ArnLike      = { "aws:SourceArn" = "arn:aws-us-gov:ec2:us-gov-west-1:123456789012:vpc-flow-log/*" }
      }
    }]
    error_message = "Only this account's flow logs can assume the role."
  }

  assert {
    condition = jsondecode(data.aws_iam_policy_document.flow_logs.json).Statement == [
      {
        Sid      = "Write"
        Action   = ["logs:PutLogEvents", "logs:DescribeLogStreams", "logs:CreateLogStream"]
        Effect   = "Allow"
        Resource = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/vpc/orders-dev/flow-logs:*"
      },
      {
        Sid      = "Find"
        Action   = "logs:DescribeLogGroups"
        Effect   = "Allow"
        Resource = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:*"
      },
    ]
    error_message = "The role can write only to its own log group."
  }

  assert {
    condition = jsondecode(data.aws_iam_policy_document.interface_endpoint.json).Statement == [{
      Sid       = "OwnAccountOnly"
      Action    = "*"
      Effect    = "Allow"
      Resource  = "*"
      Principal = { AWS = "*" }
      Condition = { StringEquals = { "aws:PrincipalAccount" = "123456789012" } }
    }]
    error_message = "Interface endpoints carry this account's calls only."
  }

  assert {
    condition = jsondecode(data.aws_iam_policy_document.s3_endpoint.json).Statement == [
      {
        Sid       = "OwnAccountOnly"
        Action    = "s3:*"
        Effect    = "Allow"
        Resource  = "*"
        Principal = { AWS = "*" }
        Condition = {
          StringEquals = { "aws:PrincipalAccount" = "123456789012", "aws:ResourceAccount" = "123456789012" }
        }
      },
      {
        Sid       = "ReadFromAws"
        Action    = "s3:GetObject"
        Effect    = "Allow"
        Principal = { AWS = "*" }
        Resource = [
          "arn:aws-us-gov:s3:::prod-us-gov-west-1-starport-layer-bucket/*",
          "arn:aws-us-gov:s3:::aws-ssm-us-gov-west-1/*",
          "arn:aws-us-gov:s3:::amazon-ssm-us-gov-west-1/*",
          "arn:aws-us-gov:s3:::al2023-repos-us-gov-west-1-de612dc2/*",
        ]
      },
    ]
    error_message = "The S3 endpoint permits this account's buckets, and AWS's buckets for images and packages."
  }
}
