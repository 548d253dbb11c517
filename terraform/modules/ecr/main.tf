# Images of one service. What runs is named by digest, so nothing here may change under a name.

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_delete
  tags                 = var.tags

  # AWS's own key aws/ecr: uses of it show in CloudTrail, and no role needs a grant on it to pull. Images hold no
  # secret, so a key of our own would cost its monthly fee and buy nothing.
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
      # What a rule's tags match is out of reach of the rules behind it: an image that was deployed is expired by the
      # first rule alone, however much is pushed without being deployed.
      {
        rulePriority = 1
        description  = "The newest ${var.keep_deployed_images} images that were deployed stay"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["deployed-*"]
          countType      = "imageCountMoreThan"
          countNumber    = var.keep_deployed_images
        }
        action = { type = "expire" }
      },
      # Images alone: what names an image as its subject (SBOM, provenance, gates, promotions) has no tag, so it is
      # neither counted nor picked, and ECR deletes it with its image. No rule for what is untagged, then: it would
      # take those from images that stay, and a tag that can't move leaves no image without one.
      {
        rulePriority = 2
        description  = "Of all images, the newest ${var.keep_images} stay too, each with what belongs to it"
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
