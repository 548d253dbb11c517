//! One module per AWS control-plane operation of a deployment. [`aws`] is what they share.
//!
//! | Module | Operation |
//! | --- | --- |
//! | [`whoami`], [`permissions`] | the caller's identity, and what its policies allow |
//! | [`ssm`] | the app's parameters: read, compare, write, delete |
//! | [`proxy_auth`] | end-to-end IAM authentication of an RDS Proxy |
//! | [`invoke_bootstrap`] | the Lambda function that creates the database users |
//! | [`image`] | images in ECR by digest: push, inspect, promote, mark as deployed |
//! | [`rollout`] | an image into service by an instance refresh, and back |
//! | [`snapshot`] | a snapshot of the database |
//! | [`identity`] | the identity that running instances log in as |
//! | [`assumptions`] | what this project assumes of AWS, checked on a deployment |

pub mod assumptions;
pub mod aws;
pub mod identity;
pub mod image;
pub mod invoke_bootstrap;
pub mod permissions;
pub mod proxy_auth;
pub mod rollout;
pub mod snapshot;
pub mod ssm;
pub mod whoami;
