//! Declarations and observed states of a server for unit tests, and the effect of changes on a state, all in
//! memory.

use std::collections::BTreeSet;

use super::diff::Diff;
use super::{
    Account, Change, Declared, Limits, Object, Observed, ObservedAccount, PLUGIN, PlannedChange, Privilege,
    diff,
};
use crate::fixture::{conf, declaration};
use crate::plan::{Actor, Plan};
use crate::{Declaration, Mode, Outcome, Report};

/// Returns the validated declaration of [`declaration()`].
pub(crate) fn standard() -> Declared {
    Declared::new(&declaration(), &conf()).unwrap()
}

pub(crate) fn declared(users: &str) -> Declared {
    Declared::new(&Declaration::parse(users, "users.toml").unwrap(), &conf()).unwrap()
}

pub(crate) fn app() -> Account {
    Account::new("node_app", "%").unwrap()
}

pub(crate) fn set(names: &[&'static str]) -> BTreeSet<Privilege> {
    names.iter().map(|name| Privilege::from_name(name)).collect()
}

pub(crate) fn database(pattern: &str) -> Object {
    Object::Database { pattern: pattern.into() }
}

/// Returns a server with the database and nothing else.
pub(crate) fn fresh() -> Observed {
    Observed { databases: ["mysql".into(), "node_db".into()].into(), ..Observed::default() }
}

/// Returns the server after the changes.
pub(crate) fn applied(diff: &Diff, before: &Observed) -> Observed {
    let mut after = before.clone();
    for PlannedChange { change, .. } in &diff.changes {
        let account = |account: &Account| account.clone();
        match change {
            Change::CreateAccount { account: a }
            | Change::UseIam { account: a, .. }
            | Change::RequireTls { account: a } => {
                let require_ssl = change.sql().ends_with(" REQUIRE SSL");
                let found = after.accounts.entry(account(a)).or_default();
                found.plugin = PLUGIN.into();
                found.is_iam = true;
                if require_ssl {
                    found.ssl_type = "ANY".into();
                }
            }
            Change::LiftLimits { account: a, .. } => {
                after.accounts.get_mut(a).unwrap().limits = Limits::default();
            }
            Change::Grant { account: a, object, privileges } => {
                let grants = &mut after.accounts.get_mut(a).unwrap().grants;
                grants.entry(object.clone()).or_default().extend(privileges.iter().cloned());
            }
            Change::Revoke { account: a, object, privileges, .. } => {
                let grants = &mut after.accounts.get_mut(a).unwrap().grants;
                grants.get_mut(object).unwrap().retain(|privilege| !privileges.contains(privilege));
            }
            Change::RevokeRole { account: a, role } => {
                assert!(after.accounts.get_mut(a).unwrap().roles.remove(role));
            }
            Change::CreateTable { table, .. } => {
                after.tables.insert(("node_db".into(), table.clone()));
            }
        }
    }
    after
}

/// Returns a server that matches the standard declaration, after `change` to the user's account.
pub(crate) fn complete(change: impl FnOnce(&mut ObservedAccount)) -> Observed {
    let mut observed = applied(&diff(&standard(), &fresh()).unwrap(), &fresh());
    change(observed.accounts.get_mut(&app()).unwrap());
    observed
}

/// Returns the statements, with the user that runs them. Carrying them out leaves nothing to do.
pub(crate) fn corrections(declared: &Declared, observed: &Observed) -> Vec<String> {
    let needed = diff(declared, observed).unwrap();
    let left = diff(declared, &applied(&needed, observed)).unwrap();
    assert_eq!(left.changes, [], "a second run has something to do");
    let statement = |planned: &PlannedChange| format!("{:?}: {}", planned.actor, planned.change.sql());
    needed.changes.iter().map(statement).collect()
}

pub(crate) fn report(mode: Mode, diff: Diff) -> Report {
    let plan = Plan::from(diff);
    Report {
        mode,
        outcome: if plan.actions.is_empty() { Outcome::Clean } else { Outcome::Drift },
        endpoint: conf().endpoint.to_string(),
        database: "node_db".into(),
        read_as: Actor::Master,
        actions: plan.actions,
        warnings: plan.warnings,
        logins: Vec::new(),
        logins_not_tried: 0,
        lock_out: None,
    }
}
