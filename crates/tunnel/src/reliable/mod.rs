//! The reliable stream of each direction: messages counted from 0, acknowledged one by one, sent again until they are.
//!
//! Both types are pure: they do no I/O, and the time is passed in. [`Sender`] decides when which message is sent,
//! [`Receiver`] which one is acknowledged and processed.

mod receiver;
mod round_trip;
mod sender;
#[cfg(test)]
mod tests;
mod window;

pub use receiver::{Receipt, Receiver};
pub use sender::Sender;
