//! The versions of PostgreSQL, as far as this program distinguishes them.

use std::fmt;

/// A server's version: `server_version_num`, such as 170005.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u32);

impl Version {
    /// The oldest version that this program supports.
    pub(crate) const OLDEST: Self = Self(150_000);

    /// Creates a version from `server_version_num`.
    #[must_use]
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns whether this program supports the version.
    #[must_use]
    pub(crate) fn is_supported(self) -> bool {
        self >= Self::OLDEST
    }

    /// Returns whether memberships have the options INHERIT and SET, the creator of a role becomes a member of it, and a
    /// user grants and changes only roles that it has ADMIN on: since 16.
    #[must_use]
    pub(crate) const fn has_membership_options(self) -> bool {
        self.0 >= 160_000
    }

    /// Returns whether tables have the privilege MAINTAIN: since 17.
    #[must_use]
    pub(crate) const fn has_maintain(self) -> bool {
        self.0 >= 170_000
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10_000, self.0 % 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_begins_with_its_version() {
        for (number, shown, rules) in [
            (140_012, "14.12", [false, false, false]),
            (150_000, "15.0", [true, false, false]),
            (160_003, "16.3", [true, true, false]),
            (170_005, "17.5", [true, true, true]),
            (180_000, "18.0", [true, true, true]),
        ] {
            let version = Version::new(number);
            assert_eq!(version.to_string(), shown);
            let found = [version.is_supported(), version.has_membership_options(), version.has_maintain()];
            assert_eq!(found, rules, "{shown}");
        }
    }
}
