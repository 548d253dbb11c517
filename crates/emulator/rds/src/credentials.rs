//! What is made up for each server: its master user, an access key, a resource id.

use std::fmt;

use rds_iam_emulator_control::AccessKey;

/// The master user's name and password. Its `Debug` does not show the password.
#[derive(Clone)]
pub struct MasterCredentials {
    username: String,
    password: String,
}

impl MasterCredentials {
    /// RDS's usual name, and a password made up for one server.
    pub(crate) fn made_up() -> Self {
        Self { username: "admin".into(), password: random(24, ALPHANUMERIC) }
    }

    /// The user's name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password, made up for this server.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for MasterCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterCredentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Temporary credentials, as an instance role or a container gets them.
pub(crate) fn made_up_key() -> AccessKey {
    AccessKey::new(format!("ASIA{}", random(16, UPPER)), random(40, ALPHANUMERIC))
        .session_token(random(200, ALPHANUMERIC))
}

/// A resource id of the form that RDS gives to instances.
pub(crate) fn made_up_resource_id() -> String {
    format!("db-{}", random(26, UPPER))
}

const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A made-up name or secret. Good enough for one that opens only a server of this machine, for as long
/// as a test runs.
fn random(length: usize, alphabet: &[u8]) -> String {
    (0..length).map(|_| char::from(alphabet[fastrand::usize(..alphabet.len())])).collect()
}
