//! Conversations that a fuzzer starts with: at least one for each branch of the protocols.

mod mysql;
mod postgres;
mod relay;

use crate::{mysql_frames, mysql_login, postgres_frames, postgres_login, relay as relay_driver, sessions};

/// A fuzz target, with its seeds.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "the tests and the example read all of it")]
pub struct Target {
    /// The name of its program.
    pub name: &'static str,
    /// Its driver.
    pub run: fn(&[u8]),
    /// The seeds.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// The fuzz targets, except for the one that fails.
pub const TARGETS: [Target; 6] = [
    Target { name: "mysql_frames", run: mysql_frames, seeds: mysql::frames },
    Target { name: "mysql_login", run: mysql_login, seeds: mysql::logins },
    Target { name: "postgres_frames", run: postgres_frames, seeds: postgres::frames },
    Target { name: "postgres_login", run: postgres_login, seeds: postgres::logins },
    Target { name: "relay", run: relay_driver, seeds: relay::sessions },
    Target { name: "sessions", run: sessions, seeds: all_sessions },
];

fn all_sessions() -> Vec<Vec<u8>> {
    [mysql::sessions(), postgres::sessions()].concat()
}

/// Returns the bytes of a database for [`sessions`]: those before TLS, and those of two connections inside.
fn database(plain: &[u8], first: &[u8], second: &[u8]) -> Vec<u8> {
    let lengths = [plain, first].map(|bytes| u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
    [&lengths.concat(), plain, first, second].concat()
}
