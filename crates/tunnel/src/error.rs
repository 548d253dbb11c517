//! The reasons why a tunnel is not opened, or ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::api::{ApiError, Remote, StartRequest};
use crate::smux::frame::FrameError;

/// The reason why a tunnel, or one of its sessions, was not opened or has ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// `StartSession` failed.
    #[error("a session for {request} could not be started")]
    Start {
        /// The request.
        request: Box<StartRequest>,
        /// The error of the call.
        source: ApiError,
    },
    /// The data channel could not be opened.
    #[error("the data channel at {host} could not be opened{}", .source.help(.host))]
    Connect {
        /// The host of the service.
        host: String,
        /// The cause.
        source: ConnectError,
    },
    /// The handshake was not complete in time.
    #[error(
        "the agent on {target} did not complete the handshake within {} s; {malformed} of the messages received were \
         malformed. Check that the instance runs and that its agent is online in Session Manager", .after.as_secs()
    )]
    NoHandshake {
        /// The instance.
        target: String,
        /// The limit.
        after: Duration,
        /// The messages that could not be read.
        malformed: u64,
    },
    /// A message of the handshake could not be read.
    #[error("the handshake of the agent on {target} could not be read")]
    Handshake {
        /// The instance.
        target: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// The agent requests encryption, which official agents never do when they forward ports.
    #[error(
        "the agent on {target} requests encryption with a KMS key, which this client does not support for port \
         forwarding. The connection is inside TLS without it; update the agent, or use another instance"
    )]
    Encryption {
        /// The instance.
        target: String,
    },
    /// The session has to be encrypted, and there is no data key.
    #[error(
        "the session on {target} has to be encrypted with the KMS key {key_id}, and no data key could be generated"
    )]
    DataKey {
        /// The instance.
        target: String,
        /// The key that the account's session preferences name.
        key_id: String,
        /// The cause.
        source: ApiError,
    },
    /// The agent began the handshake when the session was taken to be without one.
    #[error(
        "the agent on {target} began its handshake after input was sent, and has dropped that input. Start another \
         session"
    )]
    LateHandshake {
        /// The instance.
        target: String,
    },
    /// The agent completed a handshake that it did not begin, or whose steps were not all taken.
    #[error(
        "the agent on {target} completed the handshake before all its steps were taken: the session might not be \
         encrypted as required. Update the agent, or use another instance"
    )]
    EarlyCompletion {
        /// The instance.
        target: String,
    },
    /// An encrypted payload could not be read or written.
    #[error("session {session_id} is encrypted, and {operation} failed. Start another session")]
    Cipher {
        /// The session.
        session_id: String,
        /// The operation.
        operation: &'static str,
    },
    /// The agent requests an action that this client does not support.
    #[error("the agent on {target} requests the action {action}, which this client does not support")]
    Unsupported {
        /// The instance.
        target: String,
        /// The action.
        action: String,
    },
    /// The service ended the session.
    #[error("session {session_id} was ended by the service: {}", reason(.output))]
    Ended {
        /// The session.
        session_id: String,
        /// The service's reason.
        output: String,
    },
    /// The session was lost with its connection.
    #[error(
        "session {session_id} could not be resumed: it has ended, or was idle for too long. Connect again"
    )]
    Gone {
        /// The session.
        session_id: String,
    },
    /// The session was lost with its connection, and AWS refuses to resume it.
    #[error(
        "session {session_id} has lost its connection, and AWS refuses to resume it. Connect again, to start another one"
    )]
    Refused {
        /// The session.
        session_id: String,
        /// The error of the call.
        source: ApiError,
    },
    /// The agent's byte stream is no smux of version 1.
    #[error("the bytes from the agent in session {session_id} could not be read")]
    Malformed {
        /// The session.
        session_id: String,
        /// The cause.
        source: FrameError,
    },
    /// The local address could not be opened.
    #[error("the local address {address} could not be opened")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A local address that other machines reach.
    #[error("the local address {0} is not loopback: other machines would reach the database. Use 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// This machine has no certificate authorities.
    #[error(
        "no certificate authorities were found on this machine. Install them (ca-certificates), or set SSL_CERT_FILE"
    )]
    Roots {
        /// The first cause.
        source: Option<rustls_native_certs::Error>,
    },
    /// TLS could not be configured.
    #[error("TLS could not be configured")]
    Tls(#[source] rustls::Error),
    /// A setting out of range.
    #[error("{0}")]
    Option(&'static str),
    /// The tunnel was closed by this program.
    #[error("the tunnel was closed")]
    Closed,
    /// The session of a stream has ended, for a reason that all its streams share.
    #[error(transparent)]
    Shared(Arc<TunnelError>),
}

impl TunnelError {
    /// Returns whether the session ended as sessions with a command do when it has ended: without a reason.
    pub(crate) fn is_end_of_command(&self) -> bool {
        matches!(self.reason(), Self::Ended { output, .. } if output.is_empty())
    }

    /// Returns the error itself: that of the session, if it is [shared](Self::Shared).
    #[must_use]
    pub fn reason(&self) -> &Self {
        match self {
            Self::Shared(reason) => reason.reason(),
            other => other,
        }
    }
}

fn reason(output: &str) -> &str {
    if output.is_empty() { "no reason given. The agent's log on the instance may have it" } else { output }
}

/// The reason why a data channel could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address in the answer of the API.
    #[error("the address is no URL of a WebSocket: {0}")]
    Url(&'static str),
    /// An address without TLS on another machine: the token would be readable.
    #[error("the address has no TLS (ws://), which is only accepted on loopback")]
    NoTls,
    /// TCP or TLS failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The service refused the WebSocket, or answered something else.
    #[error("the WebSocket was refused")]
    WebSocket(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    /// There was no answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl ConnectError {
    /// Returns what to do, behind a message.
    fn help(&self, host: &str) -> String {
        if let Self::WebSocket(_) = self {
            return format!(
                ". Check what answers for {host}: a proxy or portal of this network, or a wrong AWS_ENDPOINT_URL_SSM"
            );
        }
        let is_reached = match self {
            Self::TimedOut(_) => false,
            // TLS, which has a text of its own.
            Self::Io(error) => error.kind() == io::ErrorKind::InvalidData,
            Self::Url(_) | Self::NoTls | Self::WebSocket(_) => true,
        };
        if is_reached {
            return String::new();
        }
        format!(". Check that this network reaches {host}, port 443, directly; HTTPS_PROXY is not used")
    }
}

/// The reason why one stream failed, inside the [`io::Error`] of its reads and writes.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The agent could not connect.
    #[error(
        "the instance could not connect to {host}:{port} ({target}). Check the name, the port and the security groups; \
         the agent's log on the instance has the cause", host = .0.host, port = .0.port, target = .0.target
    )]
    Refused(Remote),
    /// The local program did not read enough.
    #[error(
        "the program read less than 1 MiB in {} s while up to {limit} bytes waited, so its stream was closed",
        .after.as_secs()
    )]
    Stuck {
        /// The time within which 1 MiB has to be read.
        after: Duration,
        /// The limit of a stream's buffer.
        limit: usize,
    },
    /// The session has ended.
    #[error("the session of the stream has ended")]
    Ended(#[source] Arc<TunnelError>),
    /// The stream was closed by the other end.
    #[error("the database closed the connection")]
    Closed,
    /// The other end did not close the stream after the local program did.
    #[error(
        "the instance sent nothing for {} s after the program closed the connection, and did not close it. What the \
         database sent before may be incomplete", .after.as_secs()
    )]
    Unanswered {
        /// The time without data.
        after: Duration,
    },
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Refused(_) => io::ErrorKind::ConnectionRefused,
            StreamError::Stuck { .. } | StreamError::Ended(_) => io::ErrorKind::ConnectionAborted,
            StreamError::Closed => io::ErrorKind::BrokenPipe,
            StreamError::Unanswered { .. } => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_not_reached_comes_with_help() {
        let text = |source| TunnelError::Connect { host: "h".to_owned(), source }.to_string();
        let help = "the data channel at h could not be opened. Check that this network reaches h, port 443, directly; \
                    HTTPS_PROXY is not used";
        assert_eq!(text(ConnectError::TimedOut(Duration::from_secs(15))), help);
        assert_eq!(text(io::Error::from(io::ErrorKind::ConnectionRefused).into()), help);
        let untrusted = io::Error::from(io::ErrorKind::InvalidData);
        assert_eq!(text(untrusted.into()), "the data channel at h could not be opened");
        let refused = Box::new(tokio_tungstenite::tungstenite::Error::ConnectionClosed);
        assert_eq!(
            text(ConnectError::WebSocket(refused)),
            "the data channel at h could not be opened. Check what answers for h: a proxy or portal of this network, or a \
             wrong AWS_ENDPOINT_URL_SSM"
        );
    }
}
