//! One function per AWS control-plane operation of a deployment. Progress of the long ones is reported as [`tracing`]
//! events under the target [`PROGRESS`].
//!
//! | Module | Operations |
//! | --- | --- |
//! | [`whoami`], [`permissions`] | the caller's identity and permissions |
//! | [`behind`] | the database, cluster or proxy behind an endpoint; AWS's clock |
//! | [`ssm`] | the app's parameters: read, compare, write, delete |
//! | [`proxy_auth`] | end-to-end IAM authentication of an RDS Proxy |
//! | [`invoke_bootstrap`] | the Lambda function that creates the database users |
//! | [`image`] | images in ECR by digest: push, inspect, promote, mark as deployed; a login for other programs |
//! | [`rollout`] | rollout of an image by an instance refresh, and rollback |
//! | [`snapshot`] | a snapshot of the database |
//! | [`identity`] | the database identity of the running service |
//! | [`assumptions`] | checks of this project's assumptions about AWS on a deployment |
//!
//! [`aws`] holds their shared parts.

pub mod assumptions;
pub mod aws;
pub mod behind;
pub mod identity;
pub mod image;
pub mod invoke_bootstrap;
pub mod permissions;
pub mod proxy_auth;
pub mod rollout;
pub mod snapshot;
pub mod ssm;
#[cfg(test)]
mod test_progress;
pub mod whoami;

/// The target of progress events. Their message is one line for the operator; they have no other fields.
pub const PROGRESS: &str = "rds_iam_deploy::progress";
