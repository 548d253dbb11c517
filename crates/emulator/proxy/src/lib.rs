//! RDS Proxy on this machine, for tests and demos: it demands TLS and a token for its own endpoint, logs in to a real
//! database with a token of its own or with a secret, and reuses the database's connections.
//!
//! No shipped program depends on this crate. What differs from AWS is in its README.
//!
//! ```no_run
//! use rds_iam_emulator_proxy::{Proxy, Settings};
//! use rds_iam_emulator_server::MySql;
//!
//! # async fn example() -> Result<(), rds_iam_emulator_server::Error> {
//! let server = MySql::builder().database("shop").start().await?;
//! let proxy = Proxy::start(Settings::before(&server)?).await?;
//! let sign_for = proxy.endpoint(); // local-proxy.proxy-c0ffee123456.us-east-1.rds.amazonaws.com:3306
//! let dial = proxy.dial(); // 127.0.0.1:<port>
//! let ca = proxy.ca_pem(); // another authority than the database's, as on AWS
//! # Ok(())
//! # }
//! ```

mod backend;
mod forward;
mod front;
mod mysql;
mod pinned;
mod pool;
mod postgres;
mod protocol;
mod proxy;
mod settings;
mod stats;

pub use proxy::Proxy;
pub use rds_iam_emulator_server::Error;
pub use settings::{Backend, Engine, Limits, Secret, Settings, upstream};
pub use stats::Stats;
