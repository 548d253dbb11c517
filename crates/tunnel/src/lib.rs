//! SSM port forwarding to a remote host, and commands on instances, spoken natively: a private database from another
//! network, without AWS's plugin and without an inbound rule.
//!
//! A [`Tunnel`] starts a session by `ssm:StartSession` with the document
//! `AWS-StartPortForwardingSessionToRemoteHost`, opens its data channel, and carries streams over it to a host and port
//! that the instance reaches. When the service closes the channel, about every hour, the session is resumed, and no
//! stream notices. The calls of AWS are made by an [`Api`]: `AwsApi`, of the feature `aws`, uses the AWS SDK.
//!
//! ```no_run
//! # use rds_iam_tunnel::*;
//! # async fn example(api: impl Api) -> Result<(), Box<dyn std::error::Error>> {
//! let remote = Remote {
//!     target: "i-0123456789abcdef0".into(),
//!     host: "app.abc123.eu-west-1.rds.amazonaws.com".into(),
//!     port: 5432,
//! };
//! let tunnel = Tunnel::start(api, remote, native_tls()?, Options::default()).await?;
//!
//! // For programs: each connection to the local port is a stream.
//! let listener = Listener::bind(tunnel.clone(), "127.0.0.1:0".parse()?).await?;
//! println!("listening on {}", listener.address());
//!
//! // For this program: a stream that is read and written, without a port.
//! let stream = tunnel.open().await?;
//! # drop(stream);
//!
//! tunnel.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Shell`] runs a command in a terminal of the instance, by `AWS-StartInteractiveCommand`, over the same channel.
//! If the account's session preferences name a KMS key, it is encrypted with a key of [`DataKeys`]: `KmsKeys`, of the
//! feature `aws`, uses the AWS SDK.
//!
//! The parts of the protocol are public, for tests that emulate the service and the agent: [`message`], [`content`] and
//! [`handshake`] are the data channel, [`reliable`] is how messages are counted, acknowledged and sent again, and
//! [`smux`] has the frames of streams.

mod api;
#[cfg(feature = "aws")]
mod aws;
mod channel;
pub mod content;
mod encryption;
mod error;
pub mod events;
pub mod handshake;
mod listen;
pub mod message;
mod options;
mod payloads;
pub mod reliable;
mod session;
mod shell;
pub mod smux;
mod streams;
mod terminal;
mod text;
mod tunnel;

pub use api::{
    Api, ApiError, Call, Refused, Remote, RemoteCommand, StartRequest, Started, TerminalSize, Token,
};
#[cfg(feature = "aws")]
pub use aws::{AwsApi, AwsError, KmsKeys, Via, ViaError};
pub use encryption::{DataKey, DataKeys, KEY_LENGTH, KeyRequest};
pub use error::{ConnectError, StreamError, TunnelError};
pub use listen::Listener;
pub use options::{Options, native_tls};
pub use session::{TunnelStream, wait_for_ends};
pub use shell::Shell;
pub use terminal::ShellEvent;
pub use tunnel::Tunnel;
