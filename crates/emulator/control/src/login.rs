//! The record of logins, one line of JSON each: `LoginEvent` with its `Verdict` and `RefusalCode`. The server's
//! plugin appends events, and the emulator reads them.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const FILE: &str = "logins.jsonl";

/// One attempt to log in by token, as observed by the server. It holds neither token nor signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoginEvent {
    /// The time, in seconds since 1970 by the server's clock, with its offset.
    pub unix_time: u64,
    /// The database user that the client named.
    pub user: String,
    /// The address of the client.
    pub host: String,
    /// The access key that signed the token, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The time from the signing of an accepted token to the login, in seconds; negative if the signer's
    /// clock is ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_age_seconds: Option<i64>,
    /// The decision.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The server's decision about a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Verdict {
    /// The client was logged in.
    Accepted,
    /// The client got "access denied", and no reason.
    Refused {
        /// The class of the reason.
        code: RefusalCode,
        /// The reason, for a person.
        reason: String,
    },
}

/// The classes of RDS's `iam-db-auth-error` log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RefusalCode {
    /// 400: no valid token for this login.
    InvalidToken,
    /// 400: the token or the credentials that signed it have expired.
    ExpiredToken,
    /// 403: the signer is known but not permitted.
    NotAuthorized,
    /// 429: too many logins at once.
    Throttling,
    /// 500: an error of the server itself.
    Internal,
}

impl RefusalCode {
    /// Returns the HTTP-like status that RDS logs beside the class.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidToken | Self::ExpiredToken => 400,
            Self::NotAuthorized => 403,
            Self::Throttling => 429,
            Self::Internal => 500,
        }
    }
}

impl fmt::Display for RefusalCode {
    /// Returns the text of RDS's log, such as `400 ExpiredToken`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self:?}", self.status())
    }
}

impl LoginEvent {
    /// Creates the event of an attempt by `user` from `host` at `unix_time`, with the decision.
    #[must_use]
    pub fn new(unix_time: u64, user: impl Into<String>, host: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            unix_time,
            user: user.into(),
            host: host.into(),
            access_key_id: None,
            token_age_seconds: None,
            verdict,
        }
    }

    /// Returns whether the login was accepted.
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.verdict == Verdict::Accepted
    }

    /// Returns the class of the refusal; `None` if the login was accepted.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        match &self.verdict {
            Verdict::Accepted => None,
            Verdict::Refused { code, .. } => Some(*code),
        }
    }

    /// Returns the reason of the refusal; `None` if the login was accepted.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Accepted => None,
            Verdict::Refused { reason, .. } => Some(reason),
        }
    }

    /// Returns the path of the record in a control folder.
    #[must_use]
    pub fn record(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Creates an empty record in the control folder `dir`, which a server running as another user can
    /// append to.
    ///
    /// # Errors
    /// Returns an error if the folder is missing or can't be written to.
    pub fn create_record(dir: &Path) -> io::Result<()> {
        File::create(dir.join(FILE))?.set_permissions(fs::Permissions::from_mode(0o666))
    }

    /// Appends the event to the record in the control folder `dir`, as one line in one write.
    ///
    /// # Errors
    /// Returns an error if the record can't be written to.
    pub fn append(&self, dir: &Path) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        OpenOptions::new().append(true).create(true).open(dir.join(FILE))?.write_all(&line)
    }

    /// Returns all events in the control folder `dir`, oldest first.
    ///
    /// # Errors
    /// Returns an error if the record is missing or holds something else.
    pub fn read_all(dir: &Path) -> io::Result<Vec<Self>> {
        let text = fs::read_to_string(dir.join(FILE))?;
        // Text after the last line end is still being written.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_in_the_order_they_were_appended() {
        let dir = tempfile::tempdir().unwrap();
        LoginEvent::create_record(dir.path()).unwrap();
        assert_eq!(LoginEvent::read_all(dir.path()).unwrap(), []);

        let mut accepted = LoginEvent::new(7, "app", "127.0.0.1", Verdict::Accepted);
        accepted.access_key_id = Some("AKID".into());
        accepted.token_age_seconds = Some(-2);
        let verdict =
            Verdict::Refused { code: RefusalCode::ExpiredToken, reason: "it \"ended\"\n5 s ago".into() };
        let refused = LoginEvent::new(8, "app", "127.0.0.1", verdict);
        accepted.append(dir.path()).unwrap();
        refused.append(dir.path()).unwrap();
        assert_eq!(LoginEvent::read_all(dir.path()).unwrap(), [accepted, refused]);
    }

    #[test]
    fn a_line_that_is_still_being_written_is_left_for_later() {
        let dir = tempfile::tempdir().unwrap();
        LoginEvent::new(7, "app", "::1", Verdict::Accepted).append(dir.path()).unwrap();
        let mut file = OpenOptions::new().append(true).open(dir.path().join(FILE)).unwrap();
        file.write_all(br#"{"unix_time":8,"us"#).unwrap();
        assert_eq!(LoginEvent::read_all(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn the_form_of_a_line_is_an_interface() {
        let verdict = Verdict::Refused { code: RefusalCode::NotAuthorized, reason: "no policy".into() };
        let line = serde_json::to_string(&LoginEvent::new(7, "app", "::1", verdict)).unwrap();
        assert_eq!(
            line,
            r#"{"unix_time":7,"user":"app","host":"::1","verdict":"refused","code":"NotAuthorized","reason":"no policy"}"#
        );
        assert_eq!(RefusalCode::NotAuthorized.to_string(), "403 NotAuthorized");
    }
}
