# What tflint looks for, in every module and stack (`cargo xtask tflint`).

config {
  # Each module is looked at by itself; what it calls is looked at too, with the values it is given.
  call_module_type = "local"
}

# Comes with tflint.
plugin "terraform" {
  enabled = true
  preset  = "recommended"
}

# Fetched by `tflint --init`, which verifies its signature.
plugin "aws" {
  enabled = true
  version = "0.49.0"
  source  = "github.com/terraform-linters/tflint-ruleset-aws"
}
