# Outputs of the log bucket's module: name and ARN.

# The load balancer writes to the bucket as soon as it is configured; AWS rejects the configuration if that fails.
output "bucket" {
  description = "Name of the log bucket."
  value       = aws_s3_bucket.this.bucket
  depends_on = [
    aws_s3_bucket_ownership_controls.this,
    aws_s3_bucket_policy.this,
    aws_s3_bucket_public_access_block.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
  ]
}

output "arn" {
  description = "ARN of the log bucket."
  value       = aws_s3_bucket.this.arn
}
