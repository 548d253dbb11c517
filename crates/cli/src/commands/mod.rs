//! The subcommands of `rds-iam`, one module each.

pub(crate) mod assumptions;
pub(crate) mod completions;
pub(crate) mod conf;
pub(crate) mod connect;
pub(crate) mod credential_helper;
pub(crate) mod delete_parameters;
pub(crate) mod doctor;
pub(crate) mod ecr_login;
pub(crate) mod gateway;
pub(crate) mod identity;
pub(crate) mod image;
pub(crate) mod invoke_bootstrap;
pub(crate) mod man;
pub(crate) mod parameters;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod proxy_auth;
pub(crate) mod rollout;
pub(crate) mod roots;
pub(crate) mod shell;
pub(crate) mod snapshot;
pub(crate) mod token;
pub(crate) mod tunnel;
pub(crate) mod wait;
pub(crate) mod whoami;
