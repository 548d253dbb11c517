# Outputs of the state bucket's module: the bucket's name and ARN, and the ARN of its key.

output "bucket" {
  description = "Name of the bucket. Available once its policy and encryption are set."
  value       = aws_s3_bucket.this.bucket

  depends_on = [
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "kms_key_arn" {
  description = "ARN of the key. The backend needs this ARN, not the alias: see README."
  value       = aws_kms_key.this.arn
}
