//! The emulated Session Manager, as a client meets it: on the wire, by the codec of the tunnel alone.

mod api;
mod basic;
mod channel;
mod client;
mod commands;
mod faults;
mod laptop;
mod mux;
#[path = "../setup/mod.rs"]
mod setup;
mod shell;
mod support;
mod tunnel;
