//! What this design forbids, one function to a rule.

mod attachment;
mod compute;
mod connect;
mod database;
mod network;
mod protection;
mod proxy;
mod secrets;

use super::Plan;
use super::review::Verdicts;

/// A rule. Its id is never used again for another.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// `RDSIAM` and three digits.
    pub id: &'static str,
    /// Its name, in words joined by hyphens.
    pub name: &'static str,
    /// What it refuses, in one line.
    pub description: &'static str,
    /// Why, and what to do.
    pub help: &'static str,
    /// How bad it is, from 0 to 10, as GitHub's `security-severity` has it.
    pub severity: &'static str,
    pub(super) check: for<'a> fn(&'a Plan, &mut Verdicts<'a>),
}

/// Every rule, in order of its id.
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
