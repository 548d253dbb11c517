# Tests of the module s3: its README's example, defaults, and outputs. Policies are mocked.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::orders-dev-logs-123456789012" }
  }
}

variables {
  name = "orders-dev"
}

run "readme" {
  command = plan

  variables {
    name           = "orders-dev"
    retention_days = 90
    tags           = { Environment = "dev" }
  }

  assert {
    condition     = output.bucket == "orders-dev-logs-123456789012"
    error_message = "The bucket's name contains the account's id."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this.rule[0].expiration[0].days == 90
    error_message = "Logs expire after retention_days."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      rule.apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    ])
    error_message = "Load balancers deliver to SSE-S3 only."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "No ACLs."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "An overwritten log can be restored."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "No object in the bucket can become public."
  }
}

run "defaults" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this.force_destroy == false
    error_message = "Logs are not deleted along with the deployment."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this.rule[0].expiration[0].days == 365
    error_message = "Logs are kept for a year."
  }

  assert {
    condition = (
      aws_s3_bucket_lifecycle_configuration.this.rule[0].noncurrent_version_expiration[0].noncurrent_days == 30 &&
      one(
        aws_s3_bucket_lifecycle_configuration.this.rule[0].abort_incomplete_multipart_upload,
      ).days_after_initiation == 7 &&
      aws_s3_bucket_lifecycle_configuration.this.rule[1].expiration[0].expired_object_delete_marker == true
    )
    error_message = "Remains of expired objects and incomplete uploads are deleted too."
  }
}

run "outputs" {
  command = apply

  assert {
    condition = (
      output.arn == "arn:aws:s3:::orders-dev-logs-123456789012" &&
      output.bucket == aws_s3_bucket.this.bucket
    )
    error_message = "The outputs are the bucket's."
  }
}
