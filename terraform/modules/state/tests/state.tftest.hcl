# Tests of the module state: its README's example, safe defaults, and refused inputs. The provider builds policy
# documents itself, without AWS, so these are the real ones.

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
  target          = aws_kms_key.this
  override_during = plan
  values = {
    arn    = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    key_id = "11111111-2222-3333-4444-555555555555"
  }
}

override_resource {
  target          = aws_s3_bucket.this
  override_during = plan
  values = {
    arn = "arn:aws-us-gov:s3:::orders-state-123456789012"
    id  = "orders-state-123456789012"
  }
}

variables {
  name = "orders-state-123456789012"
}

run "readme" {
  command = plan

  variables {
    name            = "orders-state-123456789012"
    noncurrent_days = 30
  }

  assert {
    condition     = output.bucket == "orders-state-123456789012"
    error_message = "The bucket has the given name."
  }

  assert {
    condition     = output.arn == "arn:aws-us-gov:s3:::orders-state-123456789012"
    error_message = "arn is the bucket's."
  }

  assert {
    condition     = output.kms_key_arn == aws_kms_key.this.arn
    error_message = "kms_key_arn is the key's."
  }

  assert {
    condition = (
      aws_s3_bucket_lifecycle_configuration.this.rule[0].noncurrent_version_expiration[0].noncurrent_days == 30
    )
    error_message = "noncurrent_days is the retention of old states."
  }
}

run "guarded_by_default" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this.force_destroy == false
    error_message = "A bucket with states is not destroyed by default."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "A broken state can be replaced by the previous version."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "The bucket is not public."
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key rotates, and its deletion can be undone for as long as AWS allows."
  }

  assert {
    condition     = aws_kms_alias.this.name == "alias/orders-state-123456789012"
    error_message = "The key's alias is the bucket's name."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule : rule.bucket_key_enabled
      && rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
      && rule.apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.this.arn
    ])
    error_message = "The bucket encrypts with its own key."
  }
}

run "name_with_a_dot" {
  command = plan

  variables {
    name = "orders.state"
  }

  expect_failures = [var.name]
}

run "name_that_s3_reserves" {
  command = plan

  variables {
    name = "orders-s3alias"
  }

  expect_failures = [var.name]
}

run "name_too_long" {
  command = plan

  variables {
    name = "orders-state-orders-state-orders-state-orders-state-orders-state"
  }

  expect_failures = [var.name]
}

run "noncurrent_days_few" {
  command = plan

  variables {
    noncurrent_days = 1
  }

  expect_failures = [var.noncurrent_days]
}

run "noncurrent_days_broken" {
  command = plan

  variables {
    noncurrent_days = 30.5
  }

  expect_failures = [var.noncurrent_days]
}
