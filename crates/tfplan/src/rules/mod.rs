//! `RULES`: every rule that a Terraform plan is checked against, sorted by ID.

mod attachment;
mod compute;
mod connect;
mod database;
mod jump_host;
mod network;
mod parameters;
mod protection;
mod proxy;
mod secrets;
mod security_rules;
mod tunnel;

use super::Plan;
use super::finding::{Rule, Verdicts};

/// The types of databases.
const DATABASE_TYPES: [&str; 2] = ["aws_db_instance", "aws_rds_cluster"];

/// Every rule, sorted by ID.
pub const RULES: [Rule; 13] = [
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
    parameters::FORCED_TLS,
    jump_host::REACHABLE,
    tunnel::WILDCARD,
];
