//! The subcommands of `rds-iam`, one module each.

pub(crate) mod assumptions;
pub(crate) mod conf;
pub(crate) mod delete_parameters;
pub(crate) mod identity;
pub(crate) mod image;
pub(crate) mod invoke_bootstrap;
pub(crate) mod parameters;
pub(crate) mod plan;
pub(crate) mod proxy_auth;
pub(crate) mod rollout;
pub(crate) mod snapshot;
pub(crate) mod whoami;
