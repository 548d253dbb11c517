# Inputs of the image repository's module: name, and the number of images to keep.

variable "name" {
  description = "Name of the repository."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 32 lower-case letters, digits and hyphens: a letter first, no hyphen at the end."
  }
}

variable "keep_images" {
  description = "Number of newest images to keep, deployed or not. Older images that were never deployed expire, with their artifacts."
  type        = number
  default     = 30

  validation {
    condition     = var.keep_images >= 5 && var.keep_images <= 1000 && floor(var.keep_images) == var.keep_images
    error_message = "keep_images must be a whole number from 5 to 1000: with fewer, an image could expire before its deployment."
  }
}

variable "keep_deployed_images" {
  description = "Number of newest images with a tag `deployed-…` to keep, independent of other images. The running images are among them."
  type        = number
  default     = 200

  validation {
    condition = (
      var.keep_deployed_images >= 20 && var.keep_deployed_images <= 1000
      && floor(var.keep_deployed_images) == var.keep_deployed_images
    )
    error_message = "keep_deployed_images must be a whole number from 20 to 1000: with fewer, a running image could expire."
  }
}

variable "force_delete" {
  description = "Whether the repository can be destroyed with the images in it. Only for disposable environments."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags for all resources that support them."
  type        = map(string)
  default     = {}
  nullable    = false
}
