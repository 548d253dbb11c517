//! `libpam.so.0` for a stock PostgreSQL server: it emulates the IAM authentication of RDS, for tests on one machine. It
//! replaces the library of the Linux-PAM project for that one process, without root and without `/etc/pam.d`, and
//! really checks tokens: form, lifetime, endpoint, region, user and signature, against the state that the emulator wrote
//! into the control folder.
//!
//! Only PostgreSQL: the interface of PAM.
//!
//! - The decision is `rds_iam_emulator_control::decide`, which both engines share.
//! - `abi` declares PAM's structures, with their sizes and offsets checked at compile time.
//! - `conversation` asks the client for the token, through a function of the server.
//! - `handle` holds the items of one login.
//! - `entry` has the six functions that the server imports: they convert between C and Rust, and decide nothing.
//!
//! Put it first into the server's library path as `libpam.so.0`, name the control folder in the server's environment
//! (`RDS_IAM_EMULATOR_CONTROL`), and have lines `hostssl … pam` in `pg_hba.conf`.

mod abi;
mod conversation;
mod entry;
mod handle;
#[cfg(test)]
mod tests;
