//! The supported versions of Terraform.

/// The oldest supported version: 1.11 is the first that locks its state in S3 without a separate table.
const OLDEST: (u32, u32) = (1, 11);

/// The help text for a missing Terraform.
pub const TERRAFORM_HELP: &str =
    "install Terraform 1.11 or later: https://developer.hashicorp.com/terraform/install";

/// Returns whether this workspace supports a version of Terraform.
pub fn is_new_enough_terraform(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_1_11_on_will_do() {
        for version in ["1.11.0", "1.11.4", "1.14.0-beta1", "2.0.0"] {
            assert!(is_new_enough_terraform(version), "{version}");
        }
        for version in ["1.10.5", "0.15.0", "", "x.y", "1"] {
            assert!(!is_new_enough_terraform(version), "{version}");
        }
    }
}
