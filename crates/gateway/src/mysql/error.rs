//! Error packets, and the form of each failure that a client shows.

use std::fmt::Write as _;

use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{ErrPacket, ServerError, SqlState};
use mysql_common::proto::{MyDeserialize as _, MySerialize as _};
use rds_iam_report::{ErrorReport, escape_control};
use rds_iam_token::ServerCode;

use crate::Failure;

/// The first byte of an error packet.
pub(super) const ERR: u8 = 0xff;

/// The most bytes of a message: libmysqlclient shows 511.
const MAX_MESSAGE: usize = 511;

/// An error packet.
///
/// ```
/// use rds_iam_gateway::mysql::ErrorPacket;
///
/// let error = ErrorPacket::new(1040, *b"08004", "all 100 connections of this gateway are in use");
/// assert_eq!(ErrorPacket::parse(&error.payload()), Some(error));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPacket {
    code: u16,
    state: [u8; 5],
    message: String,
}

impl ErrorPacket {
    /// Creates an error. A message of more than 511 bytes is cut off, as clients do.
    #[must_use]
    pub fn new(code: u16, state: [u8; 5], message: &str) -> Self {
        let mut message = escape_control(message);
        if message.len() > MAX_MESSAGE {
            message.truncate(message.floor_char_boundary(MAX_MESSAGE - "…".len()));
            message.push('…');
        }
        Self { code, state, message }
    }

    /// Reads an error packet: also one before the login, which has no SQLSTATE. Returns `None` if it is none.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let has_state = payload.get(3) == Some(&b'#');
        let capabilities =
            if has_state { CapabilityFlags::CLIENT_PROTOCOL_41 } else { CapabilityFlags::empty() };
        let packet = ErrPacket::deserialize(capabilities, &mut ParseBuf(payload)).ok()?;
        let ErrPacket::Error(error) = packet else { return None };
        let state = error.sql_state_ref().map_or(*b"HY000", SqlState::as_bytes);
        Some(Self { code: error.error_code(), state, message: error.message_str().into_owned() })
    }

    /// Returns the error that reports `failure`: operation, subject, cause, and help. That of a server keeps its number
    /// and its text.
    #[must_use]
    pub fn from_failure(failure: &Failure) -> Self {
        if let Failure::Refused { code, packet, message, .. } = failure {
            let (code, error) = match code {
                ServerCode::MySql(number) => (*number, Self::parse(packet)),
                _ => (1105, None),
            };
            let error = error.unwrap_or_else(|| Self::new(code, *b"HY000", message));
            return error.with_help(refusal_help(code));
        }
        let (code, state, help) = match failure {
            Failure::Malformed(_) | Failure::ClientGone => (1043, b"08S01", None),
            Failure::TooLong { .. } => (1153, b"08S01", None),
            Failure::Denied(_) => (1045, b"28000", None),
            // "Too many connections", which pools wait for.
            Failure::Full { .. } | Failure::TooFast { .. } => (1040, b"08004", None),
            // 08S01 is a communication link failure, which drivers retry.
            Failure::Unreachable { .. } => (
                1158,
                b"08S01",
                Some(
                    "check the address and the security group. A private database needs --via INSTANCE, or ?dial=HOST:PORT; a tunnel's own messages name its cause",
                ),
            ),
            Failure::Io(_) => (1158, b"08S01", None),
            Failure::Lost { .. } => (
                1158,
                b"08S01",
                Some("connect again; the database may be restarting. A tunnel's own messages name its cause"),
            ),
            Failure::TimedOut(_) => (
                1158,
                b"08S01",
                Some(
                    "the client stopped in its login, or the database does not answer: it may be starting, or have no \
                     connection left",
                ),
            ),
            Failure::Credentials(_) => (
                1045,
                b"28000",
                Some("give the gateway valid AWS credentials; `rds-iam doctor` shows where they come from"),
            ),
            Failure::Unexpected { .. } => {
                (1105, b"HY000", Some("check that the address is that of a MySQL server, and its port"))
            }
            Failure::Tls { .. } => (
                1105,
                b"HY000",
                Some(
                    "use the endpoint's own name, not an alias, and ?dial=HOST:PORT for another address; \
                     ?sslrootcert=FILE trusts another CA",
                ),
            ),
            Failure::NoTls(_) => (
                1105,
                b"HY000",
                Some("connect to the RDS endpoint itself: a proxy on the way may have removed TLS"),
            ),
            _ => (1105, b"HY000", None),
        };
        Self::new(code, *state, &ErrorReport(failure).to_string()).with_help(help)
    }

    fn with_help(self, help: Option<&str>) -> Self {
        let mut message = self.message;
        if let Some(help) = help {
            // Writing to a String succeeds.
            let _written = write!(message, " (help: {help})");
        }
        Self::new(self.code, self.state, &message)
    }

    /// Returns the payload of its packet.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        self.encode(Some(SqlState::new(self.state)))
    }

    /// Returns the payload of its packet before a greeting: without SQLSTATE, because no capability is negotiated yet,
    /// and libmysqlclient would show it as part of the message.
    #[must_use]
    pub fn payload_before_greeting(&self) -> Vec<u8> {
        self.encode(None)
    }

    fn encode(&self, state: Option<SqlState>) -> Vec<u8> {
        let mut payload = Vec::new();
        ErrPacket::Error(ServerError::new(self.code, state, self.message.as_bytes())).serialize(&mut payload);
        payload
    }

    /// Returns the number.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Returns the SQLSTATE; `HY000` if the server sent none.
    #[must_use]
    pub fn state(&self) -> [u8; 5] {
        self.state
    }

    /// Returns the message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

fn refusal_help(code: u16) -> Option<&'static str> {
    match code {
        1045 => Some(
            "allow the caller rds-db:connect on dbuser:RESOURCE-ID/USER, and check that the user is IDENTIFIED WITH \
             AWSAuthenticationPlugin AS 'RDS'",
        ),
        _ => ServerCode::MySql(code).help(),
    }
}
