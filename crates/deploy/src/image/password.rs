//! The password of a registry, which nothing prints.

use std::fmt;

/// The password of a registry. `Debug` does not print it.
pub struct RegistryPassword(String);

impl RegistryPassword {
    pub(super) fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// Returns the password, to be sent to the registry.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RegistryPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryPassword")
    }
}
