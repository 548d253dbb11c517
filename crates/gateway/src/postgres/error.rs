//! Errors in the form that clients show: ErrorResponse.

use rds_iam_report::{ErrorReport, escape_control};
use rds_iam_token::ServerCode;

use super::message::{self, HEADER, take_text};
use crate::Failure;

/// The type byte of an ErrorResponse.
pub(super) const TAG: u8 = b'E';

/// What to check after a refused token, which PostgreSQL answers with neither reason nor help.
const REFUSED_HELP: &str = "Check that the AWS identity has rds-db:connect on this user and the database's resource id (db-, cluster- or prx-), that the user is a member of rds_iam, and that the clock is right. rds-iam doctor checks each.";

/// The effect of an error on the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// The session ends.
    Fatal,
    /// The statement failed; the session continues.
    Error,
}

/// An error as PostgreSQL reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorResponse {
    /// The effect on the session.
    pub severity: Severity,
    /// The SQLSTATE.
    pub code: String,
    /// The message, one line.
    pub message: String,
    /// The details.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ErrorResponse {
    /// Creates an error that ends the session.
    #[must_use]
    pub fn fatal(code: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Fatal,
            code: code.to_owned(),
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// Creates an error that ends the statement only.
    #[must_use]
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, ..Self::fatal(code, message) }
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Reads an ErrorResponse's body, or returns `None` if it has no SQLSTATE or no message.
    #[must_use]
    pub fn parse(mut body: &[u8]) -> Option<Self> {
        let mut parsed = Self::fatal("", "");
        while let Some((&field, mut rest)) = body.split_first()
            && field != 0
        {
            let value = String::from_utf8_lossy(take_text(&mut rest)?).into_owned();
            match field {
                b'V' if value == "ERROR" => parsed.severity = Severity::Error,
                b'C' => parsed.code = value,
                b'M' => parsed.message = value,
                b'D' => parsed.detail = Some(value),
                b'H' => parsed.hint = Some(value),
                _ => {}
            }
            body = rest;
        }
        (parsed.code.len() == 5 && !parsed.message.is_empty()).then_some(parsed)
    }

    /// Returns the message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let severity = match self.severity {
            Severity::Fatal => "FATAL",
            Severity::Error => "ERROR",
        };
        let mut body = Vec::new();
        put(&mut body, b'S', severity);
        put(&mut body, b'V', severity);
        put(&mut body, b'C', &self.code);
        put(&mut body, b'M', &self.message);
        for (field, value) in [(b'D', &self.detail), (b'H', &self.hint)] {
            if let Some(value) = value {
                put(&mut body, field, value);
            }
        }
        body.push(0);
        message::encode(TAG, &body)
    }
}

/// Returns the ErrorResponse for a failure: the server's own with a hint added, or the gateway's.
#[must_use]
pub(super) fn encode(failure: &Failure) -> Vec<u8> {
    if let Failure::Refused { code, packet, .. } = failure {
        return with_hint(packet, refused_help(*code));
    }
    let text = escape_control(&ErrorReport(failure).to_string());
    let (code, hint) = match failure {
        Failure::Denied(_) => ("28000", None),
        Failure::Credentials(_) => {
            ("28000", Some("The gateway needs AWS credentials: rds-iam doctor checks where they come from."))
        }
        Failure::Unreachable { .. } => (
            "08001",
            Some(
                "Check that the database is available, and that security group and DNS let this machine reach it. If there is a tunnel, its own messages name the cause; if not, a private database needs one: rds-iam connect --via INSTANCE, or ?dial=HOST:PORT.",
            ),
        ),
        Failure::NoTls(_) => {
            ("08001", Some("Check that the endpoint is the database's own: RDS always offers TLS."))
        }
        Failure::Tls { .. } => (
            "08001",
            Some(
                "Check that the endpoint is the database's own name, not an alias. ?dial=HOST:PORT dials another address; ?sslrootcert=FILE trusts another authority than AWS's.",
            ),
        ),
        // "Too many connections", which pools wait for.
        Failure::Full { .. } | Failure::TooFast { .. } => ("53300", None),
        Failure::TooLong { .. } => ("54000", None),
        Failure::Lost { .. } => (
            "08006",
            Some(
                "Connect again: the database may be restarting. If there is a tunnel, its own messages name the cause.",
            ),
        ),
        Failure::TimedOut(_) => (
            "08006",
            Some(
                "The client stopped in its login, or the database does not answer: it may be starting, or have no connection left.",
            ),
        ),
        Failure::Io(_) | Failure::ClientGone => ("08006", None),
        Failure::Unexpected { .. } => {
            ("08P01", Some("Check that the address is that of a PostgreSQL server, and its port."))
        }
        Failure::Malformed(_) | Failure::Refused { .. } => ("08P01", None),
    };
    ErrorResponse { hint: hint.map(str::to_owned), ..ErrorResponse::fatal(code, text) }.encode()
}

fn refused_help(code: ServerCode) -> Option<&'static str> {
    code.help().or_else(|| code.is_login_refusal().then_some(REFUSED_HELP))
}

/// Returns the server's message with a hint, unless it has one or is no ErrorResponse.
fn with_hint(packet: &[u8], hint: Option<&str>) -> Vec<u8> {
    let body = packet.get(HEADER..).unwrap_or_default();
    let (Some(hint), Some(parsed), Some((0, fields))) = (hint, ErrorResponse::parse(body), body.split_last())
    else {
        return packet.to_vec();
    };
    if parsed.hint.is_some() {
        return packet.to_vec();
    }
    let mut body = fields.to_vec();
    put(&mut body, b'H', hint);
    body.push(0);
    message::encode(TAG, &body)
}

fn put(body: &mut Vec<u8>, field: u8, value: &str) {
    body.push(field);
    // A zero byte would end the field.
    body.extend(value.bytes().filter(|&byte| byte != 0));
    body.push(0);
}
