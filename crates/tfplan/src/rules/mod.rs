//! `RULES`: every rule that a Terraform plan is checked against, sorted by ID.

mod attachment;
mod compute;
mod connect;
mod database;
mod network;
mod protection;
mod proxy;
mod secrets;

use super::Plan;
use super::finding::{Rule, Verdicts};

/// Every rule, sorted by ID.
pub const RULES: [Rule; 10] = [
    connect::WILDCARD,
    connect::IDENTIFIER,
    proxy::TLS,
    proxy::ROLE,
    database::AUTHENTICATION,
    network::OPEN,
    compute::SECRET,
    protection::DATABASE,
    protection::LOAD_BALANCER,
    proxy::PASSWORDS,
];
