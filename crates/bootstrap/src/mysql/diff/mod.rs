//! The difference between the declared and the observed, as changes. Pure: no server, no clock.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::TABLES_READ;
use super::grants::by_object;
use super::hosts;
use super::names::{database_pattern, is_wildcard, matches_no_client};
use super::{
    Account, Change, Declared, Grants, Object, Observed, ObservedAccount, PlannedChange, Privilege, Warning,
    missing,
};
use crate::plan::{Actor, Missing, Plan, Step, UNDECLARED_SHOWN};

/// The difference between the declared and the observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    /// The changes that remove the difference, in order. Empty if everything is as declared.
    pub(crate) changes: Vec<PlannedChange>,
    /// Observations for an operator. A run changes none of them, and they do not count as drift.
    pub(crate) warnings: Vec<Warning>,
}

/// Compares the declared with the observed.
///
/// # Errors
/// Returns [`Missing`] if a database or a table doesn't exist: there is nothing to grant on. Create it first.
pub(crate) fn diff(declared: &Declared, observed: &Observed) -> Result<Diff, Missing> {
    missing::check(declared, observed)?;
    let grantable = grantable(declared);
    let accounts = declared.accounts().collect();
    let mut comparison =
        Comparison { observed, declared: accounts, grantable: &grantable, diff: Diff::default() };

    comparison.account(declared.admin(), &admin_grants(&grantable, observed), Step::Admin);
    for table in declared.tables() {
        let database = declared.database();
        if !observed.tables.contains(&(database.to_owned(), table.table().to_owned())) {
            let change = Change::CreateTable { table: table.table().to_owned(), sql: table.sql(database) };
            comparison.push(Step::Users, Actor::Admin, change);
        }
    }
    for user in declared.users() {
        let wanted = by_object(&user.grants, observed.partial_revokes);
        comparison.account(&user.account, &wanted, Step::Users);
    }
    comparison.warn_of_the_server();
    Ok(comparison.diff)
}

impl From<Diff> for Plan {
    fn from(diff: Diff) -> Self {
        Self {
            actions: diff.changes.into_iter().map(Into::into).collect(),
            warnings: diff.warnings.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }
}

/// Returns the privileges that the admin has on each database: all privileges that are declared for any user,
/// which the admin grants, and those for creating tables.
fn grantable(declared: &Declared) -> BTreeMap<&str, BTreeSet<Privilege>> {
    let mut databases: BTreeMap<&str, BTreeSet<Privilege>> = BTreeMap::new();
    for grant in declared.users().iter().flat_map(|user| &user.grants) {
        let privileges = databases.entry(&grant.database).or_default();
        privileges.extend(grant.privileges.iter().cloned());
        privileges.insert(Privilege::GRANT_OPTION);
    }
    for table in declared.tables() {
        let privileges = databases.entry(declared.database()).or_default();
        privileges.insert(Privilege::from_name("CREATE"));
        if table.has_foreign_key() {
            privileges.insert(Privilege::from_name("REFERENCES"));
        }
    }
    databases
}

fn admin_grants(grantable: &BTreeMap<&str, BTreeSet<Privilege>>, observed: &Observed) -> Grants {
    let databases = grantable.iter().map(|(database, privileges)| {
        let pattern = database_pattern(database, observed.partial_revokes);
        (Object::Database { pattern }, privileges.clone())
    });
    let catalog = TABLES_READ.iter().map(|table| {
        let object = Object::Table { database: "mysql".into(), table: (*table).into() };
        (object, BTreeSet::from([Privilege::from_name("SELECT")]))
    });
    let create_user = (Object::Global, BTreeSet::from([Privilege::from_name("CREATE USER")]));
    databases.chain(catalog).chain([create_user]).collect()
}

struct Comparison<'a> {
    observed: &'a Observed,
    declared: BTreeSet<&'a Account>,
    grantable: &'a BTreeMap<&'a str, BTreeSet<Privilege>>,
    diff: Diff,
}

impl Comparison<'_> {
    fn push(&mut self, step: Step, actor: Actor, change: Change) {
        self.diff.changes.push(PlannedChange { step, actor, change });
    }

    fn account(&mut self, account: &Account, wanted: &Grants, step: Step) {
        let actor = if step == Step::Admin { Actor::Master } else { Actor::Admin };
        let found = self.observed.accounts.get(account);
        let own = || account.clone();
        match found {
            None => self.push(step, actor, Change::CreateAccount { account: own() }),
            Some(found) if !found.is_iam => {
                let (from, stricter) = (found.plugin.clone(), found.is_stricter_than_tls());
                self.push(step, actor, Change::UseIam { account: own(), from, stricter });
            }
            Some(found) if found.ssl_type.is_empty() => {
                self.push(step, actor, Change::RequireTls { account: own() });
            }
            Some(_) => {}
        }
        self.warn(account, found);

        let none = ObservedAccount::default();
        let found = found.unwrap_or(&none);
        if !found.limits.is_empty() {
            let limits = found.limits.clone();
            self.push(step, actor, Change::LiftLimits { account: own(), limits });
        }
        // Missing privileges first: an application keeps what it needs while a grant is replaced. But if a global
        // privilege is restricted on a database, a grant there only ends the restriction, and would be revoked with the
        // global privilege. So the global privilege is revoked first.
        let (global, surplus): (Vec<_>, Vec<_>) = difference(&found.grants, wanted)
            .into_iter()
            .partition(|(object, _)| *object == Object::Global && !found.restricted.is_empty());
        let is_restricted =
            |object: &Object| object.database().is_some_and(|database| found.restricted.contains(database));
        let (after, missing): (Vec<_>, Vec<_>) =
            difference(wanted, &found.grants).into_iter().partition(|(object, _)| is_restricted(object));
        self.grant(account, step, missing);
        self.revoke(account, step, global);
        self.grant(account, step, after);
        self.revoke(account, step, surplus);
        for role in &found.roles {
            self.push(step, Actor::Master, Change::RevokeRole { account: own(), role: role.clone() });
        }
    }

    fn grant(&mut self, account: &Account, step: Step, missing: Vec<(Object, BTreeSet<Privilege>)>) {
        let actor = if step == Step::Admin { Actor::Master } else { Actor::Admin };
        for (object, privileges) in missing {
            self.push(step, actor, Change::Grant { account: account.clone(), object, privileges });
        }
    }

    fn revoke(&mut self, account: &Account, step: Step, surplus: Vec<(Object, BTreeSet<Privilege>)>) {
        for (object, privileges) in surplus {
            let by_admin = step != Step::Admin && self.admin_has(&object, &privileges);
            let actor = if by_admin { Actor::Admin } else { Actor::Master };
            let wildcard = matches!(&object, Object::Database { pattern }
                if is_wildcard(pattern, self.observed.partial_revokes));
            self.push(step, actor, Change::Revoke { account: account.clone(), object, privileges, wildcard });
        }
    }

    /// Returns whether the admin may revoke the privileges: a user can only revoke its own.
    fn admin_has(&self, object: &Object, privileges: &BTreeSet<Privilege>) -> bool {
        self.grantable.iter().any(|(database, has)| {
            let pattern = database_pattern(database, self.observed.partial_revokes);
            let name = if matches!(object, Object::Database { .. }) { pattern.as_str() } else { *database };
            object.database() == Some(name)
                && has.contains(&Privilege::GRANT_OPTION)
                && has.is_superset(privileges)
        })
    }

    fn warn(&mut self, account: &Account, found: Option<&ObservedAccount>) {
        let own = || account.clone();
        let mut warnings = Vec::new();
        // All hosts of the name, which are adjacent.
        let from = Account::observed(account.user(), "");
        let of_name = |other: &&Account| other.user() == account.user();
        let is_first = self.declared.range::<Account, _>(&from..).next() == Some(&account);
        let others =
            self.observed.accounts.range::<Account, _>(&from..).map(|(other, _)| other).take_while(of_name);
        for other in others.filter(|other| !self.declared.contains(other)) {
            let other = other.clone();
            if hosts::precedes(&other, account) {
                warnings.push(Warning::OtherHost { account: own(), other });
            } else if is_first && matches_no_client(other.host()) {
                warnings.push(Warning::NoClient { account: own(), other });
            } else if is_first {
                warnings.push(Warning::FurtherHost { account: own(), other });
            }
        }
        let Some(found) = found else {
            return self.diff.warnings.append(&mut warnings);
        };
        if found.locked {
            warnings.push(Warning::Locked { account: own() });
        }
        if found.is_stricter_than_tls() {
            warnings.push(Warning::StricterTls { account: own() });
        }
        if found.further_factor {
            warnings.push(Warning::FurtherFactor { account: own() });
        }
        let proxies = found.proxies.iter();
        warnings.extend(proxies.map(|p| Warning::Proxy { account: own(), proxied: p.clone() }));
        self.diff.warnings.append(&mut warnings);
    }

    /// Warns of roles that every account has, and of accounts that are not declared.
    fn warn_of_the_server(&mut self) {
        let (observed, warnings) = (self.observed, &mut self.diff.warnings);
        if !observed.mandatory_roles.is_empty() {
            let (roles, active) = (observed.mandatory_roles.clone(), observed.roles_active_on_login);
            warnings.push(Warning::MandatoryRoles { roles, active });
        }
        for anonymous in observed.others.keys().filter(|account| account.user().is_empty()) {
            let mut after = self.declared.iter().filter(|account| hosts::precedes(anonymous, account));
            if let Some(account) = after.next() {
                let (anonymous, account) = (anonymous.clone(), (*account).clone());
                warnings.push(Warning::Anonymous { anonymous, account, more: after.count() });
            }
        }
        let undeclared = observed.others.iter().filter(|(account, found)| {
            let is_own = account.user().is_empty() || account.is_reserved();
            let is_administrator = !found.uses_iam_plugin() && found.is_administrator();
            !is_own && !is_administrator && (found.uses_iam_plugin() || !found.grants.is_empty())
        });
        let mut undeclared = undeclared.map(|(account, found)| Warning::Undeclared {
            account: account.clone(),
            is_iam: found.uses_iam_plugin(),
            grants: found.grants.clone(),
        });
        warnings.extend(undeclared.by_ref().take(UNDECLARED_SHOWN));
        match undeclared.count() {
            0 => {}
            count => warnings.push(Warning::MoreUndeclared { count }),
        }
    }
}

/// Returns the privileges in `these` that are not in `those`.
fn difference(these: &Grants, those: &Grants) -> Vec<(Object, BTreeSet<Privilege>)> {
    let none = BTreeSet::new();
    these
        .iter()
        .map(|(object, privileges)| {
            let beyond = privileges - those.get(object).unwrap_or(&none);
            (object.clone(), beyond)
        })
        .filter(|(_, beyond)| !beyond.is_empty())
        .collect()
}

#[cfg(test)]
mod tests;
