# Tests of the module ecr: its README's example, safe defaults, and refused inputs.

mock_provider "aws" {
  override_during = plan

  mock_resource "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:ecr:us-east-1:123456789012:repository/orders-dev"
      repository_url = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev"
    }
  }
}

variables {
  name = "orders-dev"
}

run "readme" {
  command = plan

  variables {
    name        = "orders-dev"
    keep_images = 50
  }

  assert {
    condition     = output.name == "orders-dev"
    error_message = "The repository has the given name."
  }

  assert {
    condition     = output.arn == "arn:aws:ecr:us-east-1:123456789012:repository/orders-dev"
    error_message = "arn is the repository's."
  }

  assert {
    condition     = output.url == "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev"
    error_message = "url is the prefix of image names."
  }

  assert {
    condition     = jsondecode(aws_ecr_lifecycle_policy.this.policy).rules[1].selection.countNumber == 50
    error_message = "keep_images is the number of kept images."
  }
}

run "guarded_by_default" {
  command = plan

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "Tags are immutable."
  }

  assert {
    condition     = aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "Images are scanned on push."
  }

  assert {
    condition     = aws_ecr_repository.this.encryption_configuration[0].encryption_type == "KMS"
    error_message = "Images are encrypted with KMS."
  }

  assert {
    condition     = aws_ecr_repository.this.force_delete == false
    error_message = "A repository with images is not destroyed by default."
  }

  assert {
    condition = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : rule.selection] == [
      { tagStatus = "tagged", tagPatternList = ["deployed-*"], countType = "imageCountMoreThan", countNumber = 200 },
      { tagStatus = "tagged", tagPatternList = ["*"], countType = "imageCountMoreThan", countNumber = 30 },
    ]
    error_message = "The newest 200 deployed images and 30 others are kept; no rule selects untagged artifacts, such as an image's SBOM and gates."
  }

  assert {
    condition = [
      for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : rule.rulePriority
    ] == [1, 2]
    error_message = "The rule for deployed images comes first: later rules can't expire them."
  }
}

run "name_in_capitals" {
  command = plan

  variables {
    name = "Orders"
  }

  expect_failures = [var.name]
}

run "keep_images_few" {
  command = plan

  variables {
    keep_images = 1
  }

  expect_failures = [var.keep_images]
}

run "keep_deployed_images_few" {
  command = plan

  variables {
    keep_deployed_images = 2
  }

  expect_failures = [var.keep_deployed_images]
}

run "keep_images_broken" {
  command = plan

  variables {
    keep_images = 7.5
  }

  expect_failures = [var.keep_images]
}
