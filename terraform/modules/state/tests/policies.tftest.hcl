# Test of the policies of the state bucket and its key. The provider builds policy documents itself, without AWS, so
# these are the real ones. They need the ARNs of created resources, and therefore an apply, with mocks that create
# nothing.

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

override_resource {
  target = aws_kms_key.this
  values = {
    arn    = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    key_id = "11111111-2222-3333-4444-555555555555"
  }
}

override_resource {
  target = aws_s3_bucket.this
  values = {
    arn = "arn:aws-us-gov:s3:::orders-state-123456789012"
    id  = "orders-state-123456789012"
  }
}

override_resource {
  target = aws_kms_alias.this
}

override_resource {
  target = aws_s3_bucket_versioning.this
}

override_resource {
  target = aws_s3_bucket_server_side_encryption_configuration.this
}

override_resource {
  target = aws_s3_bucket_ownership_controls.this
}

override_resource {
  target = aws_s3_bucket_public_access_block.this
}

override_resource {
  target = aws_s3_bucket_lifecycle_configuration.this
}

override_resource {
  target = aws_s3_bucket_policy.this
}

variables {
  name = "orders-state-123456789012"
}

run "policies" {
  assert {
    condition = jsondecode(data.aws_iam_policy_document.bucket.json).Statement == [
      {
        Sid       = "OnlyByTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource = [
          "arn:aws-us-gov:s3:::orders-state-123456789012/*",
          "arn:aws-us-gov:s3:::orders-state-123456789012",
        ]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "OnlyByKms"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "arn:aws-us-gov:s3:::orders-state-123456789012/*"
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption" = "aws:kms" }
        }
      },
      {
        Sid       = "OnlyByThisKey"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "arn:aws-us-gov:s3:::orders-state-123456789012/*"
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = aws_kms_key.this.arn }
        }
      },
      {
        Sid       = "NoKeyIsAnotherKey"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "arn:aws-us-gov:s3:::orders-state-123456789012/*"
        Condition = {
          Null         = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "true" }
          StringEquals = { "s3:x-amz-server-side-encryption" = "aws:kms" }
        }
      },
    ]
    error_message = "The bucket refuses plain HTTP, other encryption and other keys, and allows nothing."
  }

  assert {
    condition = jsondecode(data.aws_iam_policy_document.key.json).Statement == [{
      Sid       = "IamDecides"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws-us-gov:iam::123456789012:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
    error_message = "The key's policy delegates to the account's IAM policies, and to no other account."
  }
}
