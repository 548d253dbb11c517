# Test of the log bucket's policy. The provider builds policy documents itself, without AWS: this is the real one.

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

variables {
  name = "orders-dev"
}

run "policy" {
  command = plan

  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement == [
      {
        Sid       = "DeliverLoadBalancerLogs"
        Effect    = "Allow"
        Action    = "s3:PutObject"
        Resource  = "arn:aws-us-gov:s3:::orders-dev-logs-123456789012/AWSLogs/123456789012/*"
        Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
        Condition = {
          StringEqualsIfExists = { "aws:SourceAccount" = "123456789012" }
          ArnLikeIfExists = {
            "aws:SourceArn" = "arn:aws-us-gov:elasticloadbalancing:us-gov-west-1:123456789012:loadbalancer/*"
          }
        }
      },
      {
        Sid    = "TlsOnly"
        Effect = "Deny"
        Action = "s3:*"
        Resource = [
          "arn:aws-us-gov:s3:::orders-dev-logs-123456789012/*",
          "arn:aws-us-gov:s3:::orders-dev-logs-123456789012",
        ]
        Principal = "*"
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
    error_message = "This account's load balancers can write logs below AWSLogs/<account>; no request works without TLS."
  }
}
