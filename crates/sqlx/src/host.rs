//! Names that AWS gives to databases.

use rds_iam_token::{Host, Region};

/// Returns whether a host is a name that AWS gave, for which it accepts tokens: not an alias or an address.
pub(crate) fn is_aws_name(host: &Host) -> bool {
    match host {
        Host::Name(name) => Region::from_rds_host(name).is_some() || name.ends_with(".rds.amazonaws.com"),
        Host::V4(_) | Host::V6(_) => false,
    }
}
