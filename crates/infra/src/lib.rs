//! What a deployment is: its `rds.conf`, its ARNs, the policy that lets a program log in, and the
//! certificate authorities to trust.
//!
//! - [`rds_conf`]: the file that carries a deployment's facts from Terraform to every program.
//! - [`arn`]: the ARNs that `rds-db:connect` is allowed on.
//! - [`plan`]: what a Terraform plan would change, and what this design forbids in it.
//! - [`policy`]: that policy's document.
//! - [`mod@file`]: files, read with a limit and written in one step.
//! - [`outputs`]: what Terraform put out, as types; `rds.conf` and the app's parameters come from it.
//! - [`remedy`]: the policy statement and the SQL that would mend a refused login.
//! - [`trust`]: the trust roots that ship with the program.
//!
//! With the feature `aws`, a module for each thing that is done to a deployment: `ssm` (the app's parameters),
//! `whoami`, `permissions`, `proxy_auth`, `snapshot`, `invoke_bootstrap`, `image`, `rollout` and `assumptions`; `aws` is
//! what they share.
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
//! let arn = conf.arn(&"node_app".parse()?)?.expect("the file names the resource and the account");
//! println!("{}", ConnectPolicy::new([arn])?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod arn;
#[cfg(feature = "aws")]
pub mod assumptions;
#[cfg(feature = "aws")]
pub mod aws;
pub mod file;
#[cfg(feature = "aws")]
pub mod identity;
#[cfg(feature = "aws")]
pub mod image;
#[cfg(feature = "aws")]
pub mod invoke_bootstrap;
pub mod outputs;
#[cfg(feature = "aws")]
pub mod permissions;
pub mod plan;
pub mod policy;
#[cfg(feature = "aws")]
pub mod proxy_auth;
pub mod rds_conf;
pub mod remedy;
#[cfg(feature = "aws")]
pub mod rollout;
#[cfg(feature = "aws")]
pub mod snapshot;
#[cfg(feature = "aws")]
pub mod ssm;
pub mod trust;
#[cfg(feature = "aws")]
pub mod whoami;

pub use outputs::{Outputs, OutputsError};
pub use rds_conf::{RdsConf, RdsConfError};
