//! Whom a server knows: its master user and an access key. And its resource id.

use std::fmt;

use rds_iam_emulator_control::AccessKey;

use crate::error::Error;

/// The longest name that MySQL gives to a user, in characters.
const MAX_USERNAME: usize = 32;

/// The users that RDS keeps for itself.
const RESERVED: [&str; 3] = ["root", "rdsadmin", "rdsproxyadmin"];

/// The master user's name and password. Its `Debug` does not show the password.
#[derive(Clone)]
pub struct MasterCredentials {
    username: String,
    password: String,
}

impl MasterCredentials {
    /// A master user as a deployment has it.
    ///
    /// # Errors
    /// [`Error::Setting`] when the name is none that RDS gives to a master user, or there is no password.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Result<Self, Error> {
        let (username, password) = (username.into(), password.into());
        let wrong = |setting, value: &str, problem: &str| {
            Err(Error::Setting { setting, value: value.into(), problem: problem.into() })
        };
        let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if username.len() > MAX_USERNAME
            || !username.starts_with(|c: char| c.is_ascii_alphabetic())
            || !username.chars().all(known)
        {
            let problem = "it takes a letter, then letters, digits and underscores, 32 characters at most";
            return wrong("the master user's name", &username, problem);
        }
        if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(&username)) {
            return wrong("the master user's name", &username, "RDS keeps that to itself: take another");
        }
        if password.is_empty() {
            return wrong("the master user's password", "", "there has to be one");
        }
        Ok(Self { username, password })
    }

    /// RDS's usual name, and a password made up for one server.
    pub(crate) fn made_up() -> Self {
        Self { username: "admin".into(), password: random(24, ALPHANUMERIC) }
    }

    /// The user's name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password: made up for this server, unless it was given.
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

/// An access key as an AWS shared credentials file.
pub(crate) fn credentials_file(key: &AccessKey) -> String {
    let AccessKey { id, secret, session_token, .. } = key;
    let token = session_token.as_deref().unwrap_or_default();
    format!(
        "[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\naws_session_token = {token}\n"
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_user_is_one_that_rds_would_make() {
        for name in ["admin", "dbadmin", "Db_Admin_2", &"x".repeat(32)] {
            assert_eq!(MasterCredentials::new(name, "secret").unwrap().username(), name);
        }
        for name in ["", "2nd", "_x", "a b", "o'neil", "zoë", "root", "RDSAdmin", &"x".repeat(33)] {
            let error = MasterCredentials::new(name, "secret").unwrap_err().to_string();
            assert!(error.starts_with(&format!("the master user's name is {name:?}, but ")), "{error}");
            assert!(!error.contains("secret"));
        }
        let error = MasterCredentials::new("admin", "").unwrap_err();
        insta::assert_snapshot!(error, @r#"the master user's password is "", but there has to be one"#);
        let shown = format!("{:?}", MasterCredentials::new("admin", "secret").unwrap());
        assert!(shown.contains("admin") && !shown.contains("secret"), "{shown}");
    }
}
