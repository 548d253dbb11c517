//! The three calls of AWS's API that a session makes, and what it forwards to or runs.

use std::error::Error;
use std::fmt;
use std::pin::Pin;

use thiserror::Error;

/// The error of a call, of any type.
pub type ApiError = Box<dyn Error + Send + Sync>;

/// A call in progress.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 'a>>;

/// The calls of AWS Systems Manager, which `AwsApi` of the feature `aws` makes with the AWS SDK.
pub trait Api: Send + Sync + 'static {
    /// Calls `StartSession` with the target, the document and the parameters of the request.
    fn start<'a>(&'a self, request: &'a StartRequest) -> Call<'a, Started>;

    /// Calls `ResumeSession`. Returns `None` if the session has ended: the answer has no token, or the error says so.
    /// After an error the call is repeated, unless it is a [`Refused`].
    fn resume<'a>(&'a self, session_id: &'a str) -> Call<'a, Option<Token>>;

    /// Calls `TerminateSession`.
    fn terminate<'a>(&'a self, session_id: &'a str) -> Call<'a, ()>;
}

/// The error of [`Api::resume`] if another attempt would fail, too: AWS denied the call. The session is given up, and
/// terminated.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct Refused(pub ApiError);

/// The arguments of `StartSession`. `Display` describes the session, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartRequest {
    /// The instance: `i-…` or `mi-…`.
    pub target: String,
    /// The document of the session.
    pub document: &'static str,
    /// The parameters of the document, each with its value.
    pub parameters: Vec<(&'static str, String)>,
    description: String,
}

impl From<&Remote> for StartRequest {
    fn from(remote: &Remote) -> Self {
        Self {
            target: remote.target.clone(),
            document: Remote::DOCUMENT,
            parameters: remote.parameters().into(),
            description: remote.to_string(),
        }
    }
}

impl From<&RemoteCommand> for StartRequest {
    fn from(command: &RemoteCommand) -> Self {
        Self {
            target: command.target.clone(),
            document: RemoteCommand::DOCUMENT,
            parameters: vec![("command", command.command.clone())],
            description: format!("a command on {}", command.target),
        }
    }
}

impl fmt::Display for StartRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

/// A command in a terminal of a managed instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCommand {
    /// The instance: `i-…` or `mi-…`.
    pub target: String,
    /// The command, which the instance's shell parses.
    pub command: String,
    /// The size of the terminal at the beginning.
    pub size: TerminalSize,
}

impl RemoteCommand {
    /// The document of the session.
    pub const DOCUMENT: &'static str = "AWS-StartInteractiveCommand";
}

/// The size of a terminal. The default has 80 columns and 24 rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// The characters of a row.
    pub columns: u16,
    /// The rows.
    pub rows: u16,
}

impl Default for TerminalSize {
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

/// The destination of a tunnel, by way of a managed instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The instance: `i-…` or `mi-…`.
    pub target: String,
    /// The host to connect to, which the agent resolves.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
}

impl Remote {
    /// The document of the session.
    pub const DOCUMENT: &'static str = "AWS-StartPortForwardingSessionToRemoteHost";

    /// Returns the parameters of the document. The local port is not used: this end opens it.
    #[must_use]
    pub fn parameters(&self) -> [(&'static str, String); 3] {
        [
            ("host", self.host.clone()),
            ("portNumber", self.port.to_string()),
            ("localPortNumber", "0".to_owned()),
        ]
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, host, port } = self;
        // The colons of an IPv6 address are not that of the port.
        if host.contains(':') {
            write!(f, "[{host}]:{port} through {target}")
        } else {
            write!(f, "{host}:{port} through {target}")
        }
    }
}

/// The answer to `StartSession`.
#[derive(Clone, Debug)]
pub struct Started {
    /// The session.
    pub session_id: String,
    /// The address of the data channel, `wss://…`.
    pub stream_url: String,
    /// The token that opens the data channel.
    pub token: Token,
}

/// The token of a data channel. `Debug` does not show it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Creates a token from the value in the answer.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
