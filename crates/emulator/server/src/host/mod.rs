//! Access to this machine for the crates of the emulator: cache folder, Debian packages, Docker engine, files, and
//! free ports. Not meant for the emulator's users.

pub mod cache;
pub mod debian;
pub mod docker;
pub mod file;
pub(crate) mod package;
pub(crate) mod shared;
pub(crate) mod tree;

use std::io;
use std::net::TcpListener;

/// Returns a port of the loopback address that was free a moment ago.
///
/// # Errors
/// Returns the system's error if there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
