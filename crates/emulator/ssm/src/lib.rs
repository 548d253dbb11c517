//! Session Manager on this machine, for tests and demos: the API that starts sessions, the service that relays between
//! client and agent, and an agent that really forwards ports and runs commands.
//!
//! No shipped program depends on this crate. What differs from AWS is in its README.
//!
//! ```no_run
//! use rds_iam_emulator_ssm::{Emulator, Settings};
//!
//! # async fn example() -> Result<(), rds_iam_emulator_ssm::Error> {
//! let settings = Settings::with_instance("i-0123456789abcdef0");
//! settings.hosts.set("shop.internal", 3306, vec![([127, 0, 0, 1], 4711).into()]);
//! let ssm = Emulator::start(settings).await?;
//! let endpoint = ssm.endpoint(); // http://127.0.0.1:<port>, for AWS_ENDPOINT_URL_SSM
//! # Ok(())
//! # }
//! ```

mod agent;
mod answer;
mod api;
mod calls;
mod channel;
mod clock;
mod documents;
mod emulator;
mod error;
mod faults;
mod operation;
mod sessions;
mod settings;
mod stats;
mod tls;
pub mod transfer;
mod version;

pub use answer::{Answer, ApiError};
pub use calls::Calls;
pub use emulator::Emulator;
pub use error::Error;
pub use faults::{Close, Faults, Nonsense};
pub use operation::Operation;
pub use settings::{AGENT_VERSION, EncryptionContext, Hosts, Instance, Kms, Settings, Timers};
pub use stats::Stats;
