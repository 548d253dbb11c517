//! PostgreSQL's protocol, versions 3.0 and 3.2, up to the end of the login, and the headers of what follows.
//!
//! - [`accept`]: the login as a server: requests for TLS and GSS, the startup packet, a local password.
//! - [`connect`]: the login as a client: TLS, the startup packet, the answer to the server's request.
//! - [`CancelKeys`]: the keys of live sessions, and cancel requests for them.
//! - [`ClientFrames`] and [`ServerFrames`]: the headers of the messages after the login.
//! - [`ErrorResponse`]: errors in the form that clients show.
//! - [`session`]: these together, as the auth proxy opens a session.

pub mod accept;
mod cancel;
pub mod connect;
mod error;
mod frames;
pub mod message;
mod prefixed;
pub mod session;
pub mod startup;
#[cfg(test)]
mod tests;

pub use cancel::{CancelGuard, CancelKeys};
pub use error::{ErrorResponse, Severity};
pub use frames::{ClientFrames, Observer, ServerFrames};
pub use prefixed::Prefixed;
