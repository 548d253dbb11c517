//! The emulator's credentials: a server's master user, the access key of this process, shared credentials files, and
//! made-up passwords and IDs.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use rds_iam_emulator_control::AccessKey;

use crate::error::Error;

/// The maximum length of a MySQL user name, in characters.
const MAX_USERNAME: usize = 32;

/// The users reserved by RDS.
const RESERVED: [&str; 3] = ["root", "rdsadmin", "rdsproxyadmin"];

/// The master user's name and password. Its `Debug` does not show the password.
#[derive(Clone)]
pub struct MasterCredentials {
    username: String,
    password: String,
}

impl MasterCredentials {
    /// Creates the credentials of a deployment's master user.
    ///
    /// # Errors
    /// Returns [`Error::Setting`] if RDS rejects this name for a master user, or there is no password.
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

    /// Creates credentials with RDS's usual name and a password made up for one server.
    pub(crate) fn made_up(username: &str) -> Self {
        Self { username: username.into(), password: random(24, ALPHANUMERIC) }
    }

    /// Returns the user's name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Returns the password: made up for this server, unless it was given.
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

/// Returns the access key of this process, made up at the first call: temporary credentials, like those of an instance
/// role. All servers of the process accept it, and its AWS API answers no other caller.
///
/// # Errors
/// Returns [`Error::Io`] if the system has no random bytes.
pub fn own_key() -> Result<AccessKey, Error> {
    static KEY: OnceLock<AccessKey> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key.clone());
    }
    let made_up = made_up_key()?;
    Ok(KEY.get_or_init(|| made_up).clone())
}

/// Makes up an access key: temporary credentials, like those of a role.
///
/// # Errors
/// Returns [`Error::Io`] if the system has no random bytes.
pub fn made_up_key() -> Result<AccessKey, Error> {
    let id = format!("ASIA{}", secret(16, UPPER)?);
    Ok(AccessKey::new(id, secret(40, ALPHANUMERIC)?).session_token(secret(200, ALPHANUMERIC)?))
}

/// Reads the access key from an AWS shared credentials file in the form of [`credentials_file`].
///
/// # Errors
/// Returns [`Error::Io`] if the file can't be read, [`Error::Setting`] if it holds no key.
pub fn read_key(path: &Path) -> Result<AccessKey, Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let value = |name: &'static str| {
        let mut settings = text.lines().filter_map(|line| line.split_once('='));
        let found =
            settings.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim().to_owned());
        found.filter(|value| !value.is_empty())
    };
    let missing = || Error::Setting {
        setting: "the credentials file of the AWS API endpoint",
        value: path.display().to_string(),
        problem: "it has no aws_access_key_id or no aws_secret_access_key".into(),
    };
    let key = AccessKey::new(
        value("aws_access_key_id").ok_or_else(missing)?,
        value("aws_secret_access_key").ok_or_else(missing)?,
    );
    Ok(match value("aws_session_token") {
        Some(token) => key.session_token(token),
        None => key,
    })
}

/// Returns the text of an AWS shared credentials file with this access key.
pub fn credentials_file(key: &AccessKey) -> String {
    let AccessKey { id, secret, session_token, .. } = key;
    let token = session_token.as_deref().unwrap_or_default();
    format!(
        "[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\naws_session_token = {token}\n"
    )
}

/// Makes up a password that other users of this machine can't guess.
///
/// # Errors
/// Returns [`Error::Io`] if the system has no random bytes.
pub fn made_up_password() -> Result<String, Error> {
    secret(40, ALPHANUMERIC)
}

/// Makes up a resource id in RDS's format.
pub(crate) fn made_up_resource_id() -> String {
    format!("db-{}", random(26, UPPER))
}

/// Makes up an instance id in EC2's format.
pub fn made_up_instance_id() -> String {
    format!("i-{}", random(17, b"0123456789abcdef"))
}

const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Returns a secret that other users of this machine can't guess.
fn secret(length: usize, alphabet: &[u8]) -> Result<String, Error> {
    let source = Path::new("/dev/urandom");
    let mut bytes = vec![0; length];
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(Error::io("read", source))?;
    Ok(bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect())
}

/// Returns a made-up name or secret. It is good enough for a server of this machine that lives as long as a test.
fn random(length: usize, alphabet: &[u8]) -> String {
    (0..length).map(|_| char::from(alphabet[fastrand::usize(..alphabet.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_process_is_one_and_is_read_from_its_file() {
        let key = own_key().unwrap();
        assert_eq!(key.id, own_key().unwrap().id);
        assert!(key.id.len() == 20 && key.id.starts_with("ASIA"), "{}", key.id.len());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        fs::write(&path, credentials_file(&key)).unwrap();
        let read = read_key(&path).unwrap();
        assert!(read.id == key.id && read.secret == key.secret && read.session_token == key.session_token);
        fs::write(&path, "[default]\naws_access_key_id = A\n").unwrap();
        let error = read_key(&path).unwrap_err().to_string();
        assert!(error.ends_with("but it has no aws_access_key_id or no aws_secret_access_key"), "{error}");
    }

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
