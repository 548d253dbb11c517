//! The types of a deployment. No AWS SDK, no network access.
//!
//! - [`Engine`]: the database engines that a deployment can have.
//! - [`arn`]: the ARNs of `rds-db:connect`.
//! - [`outputs`]: Terraform's outputs as types; `rds.conf` and the app's parameters are rendered from them.
//! - [`Permission`]: an action of IAM on a resource.
//! - [`policy`]: the document of an `rds-db:connect` policy.
//! - [`rds_conf`]: the file with a deployment's settings, from Terraform to every program.
//! - [`remedy`]: the policy statement and the SQL that would allow a refused login or statement.
//!
//! ```
//! use rds_iam_infra::{RdsConf, policy::ConnectPolicy};
//!
//! let conf = RdsConf::parse(
//!     r#"
//! RDS_ENDPOINT="orders.c0ffee.eu-west-1.rds.amazonaws.com"
//! REGION="eu-west-1"
//! MASTER_SECRET_NAME="orders/master"
//! DB_NAME="orders"
//! IAM_ADMIN_USER="iam_admin"
//! RDS_RESOURCE_ID="db-ABCDEFGHIJKLMNOPQRSTUVWX12"
//! AWS_ACCOUNT_ID="123456789012"
//! "#,
//! )?;
//! assert_eq!(conf.endpoint.port(), 3306);
//! assert_eq!(RdsConf::parse(&conf.to_string())?, conf);
//!
//! let arn = conf.arn(&"node_app".parse()?)?.expect("the file has the resource id and the account");
//! println!("{}", ConnectPolicy::new([arn])?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod arn;
mod engine;
mod file_value;
pub mod outputs;
mod permission;
pub mod policy;
pub mod rds_conf;
pub mod remedy;

pub use engine::{Engine, UnknownEngine};
pub use outputs::{Outputs, OutputsError};
pub use permission::{Permission, PermissionError};
pub use rds_conf::{RdsConf, RdsConfError};
