//! MySQL: packets, the login on both sides, and the headers of what follows.
//!
//! - [`packet`]: the frames that everything is sent in.
//! - [`Greeting`]: a server's first packet, and its form for clients of the gateway.
//! - [`accept`]: the login as a server accepts it.
//! - [`connect`]: the login as a client performs it, with a token.
//! - [`session`]: both together, for the auth proxy.
//! - [`frames`]: the packet headers after the login.
//! - [`ErrorPacket`]: errors that a client shows.

pub mod accept;
pub mod connect;
mod error;
pub mod frames;
mod greeting;
pub mod packet;
pub mod session;

pub use error::ErrorPacket;
pub use frames::{ClientFrames, Command, ServerFrames, refuse_change_user};
pub use greeting::{Greeting, Offer};

#[cfg(test)]
mod tests;
