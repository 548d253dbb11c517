# The ECR repository for the images of one service, and the lifecycle policy that expires old images. Instances run an
# image by digest, so tags are immutable.

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_delete
  tags                 = var.tags

  # AWS's own key aws/ecr: CloudTrail logs its uses, and no role needs a grant on it to pull. Images contain no secret,
  # so a separate key would add a monthly fee without a benefit.
  encryption_configuration {
    encryption_type = "KMS"
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    rules = [
      # An image that matches a rule's tags is not affected by later rules: only the first rule expires a deployed
      # image, independent of the number of images that are pushed and never deployed.
      {
        rulePriority = 1
        description  = "Keep the newest ${var.keep_deployed_images} deployed images"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["deployed-*"]
          countType      = "imageCountMoreThan"
          countNumber    = var.keep_deployed_images
        }
        action = { type = "expire" }
      },
      # Images only: an artifact with an image as its subject (SBOM, provenance, gates, promotions) has no tag, so it is
      # neither counted nor selected, and ECR deletes it with its image. There is no rule for untagged artifacts: it
      # would delete those of kept images, and immutable tags leave no image untagged.
      {
        rulePriority = 2
        description  = "Of all images, also keep the newest ${var.keep_images}, each with its artifacts"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["*"]
          countType      = "imageCountMoreThan"
          countNumber    = var.keep_images
        }
        action = { type = "expire" }
      },
    ]
  })
}
