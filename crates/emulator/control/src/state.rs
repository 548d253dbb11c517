//! The state file of a server, which the emulator writes for the plugin: accepted access keys, endpoints, clock
//! offset, and logins to refuse.

use std::path::Path;
use std::{fmt, fs, io};

use serde::{Deserialize, Serialize};

/// The data that the server needs to decide about a login.
///
/// Its file in the control folder ([`State::FILE`]) contains the secrets of made-up access keys, so the
/// folder belongs inside one that only its owner may enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The region that tokens must be signed for.
    pub region: String,
    /// The endpoints, as `host:port`, that tokens may be signed for.
    pub endpoints: Vec<String>,
    /// The accepted access keys.
    pub keys: Vec<AccessKey>,
    /// The offset of the server's time from the real time, in seconds.
    #[serde(default)]
    pub clock_offset_seconds: i64,
    /// Valid logins to refuse.
    #[serde(default)]
    pub refuse: Refuse,
    /// Logins to refuse as a server that limits them.
    #[serde(default)]
    pub throttle: Refuse,
    /// The form of MySQL's request for a token.
    #[serde(default)]
    pub auth_switch: AuthSwitch,
}

impl State {
    /// The name of the file in the control folder.
    pub const FILE: &str = "state.json";

    /// Reads the state from the control folder `dir`.
    ///
    /// # Errors
    /// Returns an error if the file is missing or contains no state: the emulator writes it before the server
    /// starts, so the folder is then the wrong one.
    pub fn read(dir: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(dir.join(Self::FILE))?)?)
    }

    /// Returns the text of the file. The emulator replaces it atomically, because the server may read it at
    /// the same time.
    ///
    /// # Errors
    /// Returns an error if it can't be written as JSON.
    pub fn to_json(&self) -> io::Result<String> {
        Ok(serde_json::to_string(self)?)
    }
}

/// An access key that signs tokens. Its `Debug` shows no secret.
///
/// ```
/// # use rds_iam_emulator_control::AccessKey;
/// let key = AccessKey::new("AKIDEXAMPLE", "a secret").users(["node_app"]);
/// assert!(!format!("{key:?}").contains("a secret"));
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessKey {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token, for temporary credentials: a token signed without it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
    /// The expiry of the credentials, in seconds since 1970 by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The database users that the key may log in as, in place of an `rds-db:connect` policy; `None`
    /// means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
}

impl AccessKey {
    /// Creates a long-lived key that may log in as any user.
    #[must_use]
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: secret.into(), session_token: None, expires_at: None, users: None }
    }

    /// Makes it a temporary key, which is valid only with this session token.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(token.into());
        self
    }

    /// Sets the time (seconds since 1970) from which its signatures are refused.
    #[must_use]
    pub fn expires_at(mut self, unix_seconds: u64) -> Self {
        self.expires_at = Some(unix_seconds);
        self
    }

    /// Limits it to these database users.
    #[must_use]
    pub fn users<U: Into<String>>(mut self, users: impl IntoIterator<Item = U>) -> Self {
        self.users = Some(users.into_iter().map(Into::into).collect());
        self
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("temporary", &self.session_token.is_some())
            .field("expires_at", &self.expires_at)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

/// The data in the server's request to change to `mysql_clear_password`: clients have to accept both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there is no third form")]
pub enum AuthSwitch {
    /// No data, as RDS sends.
    #[default]
    Empty,
    /// 20 bytes of scramble and a zero, as the plugins of a stock server send.
    Scramble,
}

/// An order to refuse the next logins. The server keeps the count of those still to be refused and
/// restarts it whenever the serial number changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refuse {
    /// The number of this order.
    pub serial: u64,
    /// The number of logins to refuse.
    pub count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            region: "us-east-1".into(),
            endpoints: vec!["db.example.com:3306".into()],
            keys: vec![
                AccessKey::new("AKID", "s3cret").session_token("s3ssion").expires_at(7).users(["app"]),
            ],
            clock_offset_seconds: -5,
            refuse: Refuse { serial: 1, count: 2 },
            throttle: Refuse { serial: 3, count: 4 },
            auth_switch: AuthSwitch::Scramble,
        }
    }

    #[test]
    fn a_state_is_read_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(State::read(dir.path()).unwrap_err().kind(), io::ErrorKind::NotFound);

        fs::write(dir.path().join(State::FILE), state().to_json().unwrap()).unwrap();
        assert_eq!(State::read(dir.path()).unwrap(), state());
    }

    #[test]
    fn a_file_without_the_orders_has_none() {
        let text = r#"{"region":"us-east-1","endpoints":[],"keys":[]}"#;
        let state: State = serde_json::from_str(text).unwrap();
        assert_eq!((state.refuse, state.throttle), (Refuse::default(), Refuse::default()));
        assert_eq!(state.auth_switch, AuthSwitch::Empty);
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", state());
        assert!(shown.contains("AKID"));
        assert!(!shown.contains("s3cret") && !shown.contains("s3ssion"), "{shown}");
    }
}
