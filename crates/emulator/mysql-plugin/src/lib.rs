//! `AWSAuthenticationPlugin` for a stock MySQL server: it emulates the plugin of that name which
//! RDS has, for tests on one machine. It really checks tokens: form, lifetime, endpoint, region, user
//! and signature, against what the emulator wrote into the control folder.
//!
//! - `decide` is what a login is answered with; pure, and tested without a server.
//! - `abi` declares MySQL's structures, with their sizes and offsets checked at compile time.
//! - `entry` is what the server calls: it turns C into Rust and back, and decides nothing.
//!
//! Load it with `--plugin-load-add=AWSAuthenticationPlugin=<this library's file name>`, and name the
//! control folder in the server's environment (`RDS_IAM_EMULATOR_CONTROL`).

#![allow(non_snake_case, reason = "the library's file is named after the plugin")]

mod abi;
mod decide;
mod entry;
