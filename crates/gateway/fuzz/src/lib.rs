//! Drivers of the fuzz targets: each runs one part of the gateway's protocols on arbitrary bytes, between streams in
//! memory, and panics if a property is violated. The README lists the properties.
//!
//! The fuzz targets call them with libFuzzer's inputs, and `cargo test` with the [`seeds`] and changes of them.

mod frames;
mod input;
mod login;
mod mysql;
mod planted;
mod postgres;
mod relay;
pub mod seeds;
mod sessions;
mod stream;

pub use frames::{mysql_frames, postgres_frames};
pub use mysql::mysql_login;
pub use planted::planted_fault;
pub use postgres::postgres_login;
pub use relay::relay;
pub use sessions::sessions;
