output "name" {
  description = "Name of the repository."
  value       = aws_ecr_repository.this.name
}

output "arn" {
  description = "Its ARN, for the policy of whoever pulls."
  value       = aws_ecr_repository.this.arn
}

output "url" {
  description = "What an image's name begins with: `<account>.dkr.ecr.<region>.amazonaws.com/<name>`."
  value       = aws_ecr_repository.this.repository_url
}
