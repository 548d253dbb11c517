//! Rules of this design, one function each.

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

/// A rule. Its id is never reused.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// `RDSIAM` and three digits.
    pub id: &'static str,
    /// Its name, in words joined by hyphens.
    pub name: &'static str,
    /// The refused configuration, in one line.
    pub description: &'static str,
    /// The reason and the remedy.
    pub help: &'static str,
    /// The severity, from 0 to 10, in the form of GitHub's `security-severity`.
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
