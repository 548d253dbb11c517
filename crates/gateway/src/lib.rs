//! Both wire protocols of the databases up to the end of a login, and the auth proxy built on them: a client connects
//! to a local port or socket without a password, and the gateway logs in to the database with a token over verified
//! TLS.
//!
//! - [`mysql`] and [`postgres`]: per engine, the login as a server accepts it (`accept`) and as a client performs it
//!   (`connect`), the headers of what follows (`frames`), and errors that a client shows (`error`).
//! - [`Upstream`]: the database that sessions log in to: dialled address, verified name, tokens.
//! - [`Relay`]: bytes in both directions after the login.
//! - [`Failure`]: the reason why a session was not opened, or ended.

mod admin;
mod failure;
mod frames;
mod limit;
mod listen;
mod metrics;
pub mod mysql;
mod password;
pub mod postgres;
mod relay;
#[cfg(test)]
mod scripted;
mod serve;
mod session;
mod state;
mod upstream;
mod user;

pub use failure::Failure;
pub use frames::{Followed, Frames};
pub use limit::Limits;
pub use listen::{Address, ListenError};
pub use password::LocalPassword;
pub use relay::{Ended, Relay};
pub use serve::Gateway;
pub use state::{Row, Target};
pub use upstream::{Secured, Upstream};
pub use user::{Tokens, UserRule};

/// The most bytes of one packet or message before the login is complete: 128 KiB. A token may have 64 KB, and the
/// attributes of a connection as many again.
pub const MAX_LOGIN_PACKET: usize = 128 * 1024;
