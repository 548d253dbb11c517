output "name" {
  description = "Name of the repository."
  value       = aws_ecr_repository.this.name
}

output "arn" {
  description = "ARN of the repository, for the policies of roles that pull."
  value       = aws_ecr_repository.this.arn
}

output "url" {
  description = "What an image's name begins with: `<account>.dkr.ecr.<region>.amazonaws.com/<name>`."
  value       = aws_ecr_repository.this.repository_url
}
