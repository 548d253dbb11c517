//! The message board: an axum service that logs in to MySQL or PostgreSQL by IAM token.
//!
//! Ten latest messages and a form at `/`, the same as JSON under `/api`; probes and metrics on a second,
//! management port. It holds no password: [`rds_iam_sqlx`] keeps its connections authenticated.
//! [`Config::load`] checks all settings before anything starts, [`run`] serves until a signal, and [`router`]
//! and [`management_router`] are the whole service for a test that creates its own pool.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rds_iam_app::{Config, Environment};
//!
//! let now = rds_iam_token::Clock::system().now();
//! let config = Config::load(&Environment::from_process(), None, now).await?;
//! rds_iam_app::run(config).await?;
//! # Ok(()) }
//! ```

/// The repository's README, whose examples are compiled with this package's tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

mod accept;
mod accepts;
mod clients;
pub mod config;
mod error;
pub mod logging;
mod message;
mod metrics;
mod middleware;
mod permit;
mod pool;
mod routes;
mod serve;
mod state;
mod store;

pub use clients::ClientLimits;
pub use config::{Config, ConfigError, Environment};
pub use permit::Permit;
pub use pool::Database;
pub use routes::{management_router, router};
pub use serve::{Listeners, RunError, check_credentials, run, serve};
pub use state::AppState;
