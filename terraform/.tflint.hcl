# tflint's rules for every module and stack (`cargo xtask tflint`).

config {
  # Each module is checked by itself; called modules are also checked, with the values that the caller passes.
  call_module_type = "local"
}

# Included in tflint.
plugin "terraform" {
  enabled = true
  preset  = "recommended"
}

# Downloaded by `tflint --init`, which verifies its signature.
plugin "aws" {
  enabled = true
  version = "0.49.0"
  source  = "github.com/terraform-linters/tflint-ruleset-aws"
}
