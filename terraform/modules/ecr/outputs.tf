# Outputs of the image repository's module: name, ARN, and URL.

output "name" {
  description = "Name of the repository."
  value       = aws_ecr_repository.this.name
}

output "arn" {
  description = "ARN of the repository, for policies of roles that pull images."
  value       = aws_ecr_repository.this.arn
}

output "url" {
  description = "Image name without tag and digest: `<account>.dkr.ecr.<region>.amazonaws.com/<name>`."
  value       = aws_ecr_repository.this.repository_url
}
