//! `AWSAuthenticationPlugin` for a stock MySQL server: it emulates the RDS plugin of that name, for tests on
//! one machine. It really checks tokens: form, lifetime, endpoint, region, user and signature, against the
//! state that the emulator wrote into the control folder.
//!
//! Only MySQL: the interface of its plugins.
//!
//! - The decision is `rds_iam_emulator_control::decide`, which both engines share.
//! - `abi` declares MySQL's structures, with their sizes and offsets checked at compile time.
//! - `entry` has the functions that the server calls: it converts between C and Rust, and decides nothing.
//!
//! Load it with `--plugin-load-add=AWSAuthenticationPlugin=<this library's file name>`, and name the control
//! folder in the server's environment (`RDS_IAM_EMULATOR_CONTROL`).

#![allow(non_snake_case, reason = "the library's file is named after the plugin")]

mod abi;
mod entry;
