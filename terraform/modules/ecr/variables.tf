variable "name" {
  description = "Name of the repository."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 32 lower-case letters, digits and hyphens: a letter first, no hyphen at the end."
  }
}

variable "keep_images" {
  description = "How many of the newest images stay, deployed or not. Older ones that were never deployed go, with what belongs to them."
  type        = number
  default     = 30

  validation {
    condition     = var.keep_images >= 5 && var.keep_images <= 1000 && floor(var.keep_images) == var.keep_images
    error_message = "keep_images must be a whole number from 5 to 1000: with fewer, what is about to be deployed could be deleted."
  }
}

variable "keep_deployed_images" {
  description = "How many of the newest images with a tag `deployed-…` stay, whatever else is pushed: those that run are among them."
  type        = number
  default     = 200

  validation {
    condition = (
      var.keep_deployed_images >= 20 && var.keep_deployed_images <= 1000
      && floor(var.keep_deployed_images) == var.keep_deployed_images
    )
    error_message = "keep_deployed_images must be a whole number from 20 to 1000: with fewer, what runs could be deleted."
  }
}

variable "force_delete" {
  description = "Whether the repository may be destroyed with the images in it. Only for what is thrown away."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags for everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false
}
