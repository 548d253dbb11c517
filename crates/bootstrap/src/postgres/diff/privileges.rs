//! Changes to the privileges of a role.

use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, PlannedChange};
use crate::plan::{Actor, Step};
use crate::postgres::names::{identifier, visible};
use crate::postgres::wanted::{Entry, Wanted};
use crate::postgres::{Change, Held, Object, ObservedGrants, Privilege, Role, User, Warning, wanted};

impl Comparison<'_> {
    /// The privileges of a batch of users, in the order of [`key`]: equal ones of several users are adjacent.
    pub(super) fn privileges_of(&mut self, users: &[User]) {
        let first = self.diff.changes.len();
        for user in users {
            let wanted = wanted::of_user(&user.grants, self.declared, self.observed);
            self.privileges(&user.role, &wanted, Step::Users);
        }
        self.diff.changes[first..].sort_by(|one, other| key(one).cmp(&key(other)));
    }

    /// The privileges of one role.
    pub(super) fn privileges(&mut self, role: &Role, wanted: &Wanted, step: Step) {
        let none = ObservedGrants::new();
        let found = self.observed.grants.get(role.name()).unwrap_or(&none);
        let mut changes = Vec::new();
        for (object, entry) in &wanted.0 {
            self.missing_privileges(role, object, entry, found.get(object), &mut changes);
        }
        for (object, held) in found {
            self.surplus_privileges(role, object, wanted.privileges(object), held, &mut changes);
        }
        let first = self.diff.changes.len();
        for (actor, change) in changes {
            self.push(step, actor, change);
        }
        self.diff.changes[first..].sort_by(|one, other| key(one).cmp(&key(other)));
    }

    /// The right of an admin that does not own the tables to connect, if every role's does not include it. Other
    /// privileges of it are left.
    pub(super) fn connection(&mut self, admin: &Role, step: Step) {
        let observed = self.observed;
        let inherits = observed.acts_as(admin.name(), self.declared.database());
        let found = observed.grants.get(admin.name());
        let mut changes = Vec::new();
        for (object, entry) in &wanted::connection(self.declared, observed).0 {
            // A member of the database's owner has the owner's privileges.
            if !inherits.contains(&self.owner_of(object)) {
                let held = found.and_then(|found| found.get(object));
                self.missing_privileges(admin, object, entry, held, &mut changes);
            }
        }
        for (actor, change) in changes {
            self.push(step, actor, change);
        }
    }

    fn missing_privileges(
        &mut self,
        role: &Role,
        object: &Object,
        entry: &Entry,
        held: Option<&BTreeSet<Held>>,
        changes: &mut Vec<(Actor, Change)>,
    ) {
        let owner = self.owner_of(object);
        // An owner has every privilege.
        if owner == role.name() {
            return;
        }
        let has =
            |privilege: &&Privilege| held.into_iter().flatten().any(|held| held.privilege == **privilege);
        let privileges: BTreeSet<_> =
            entry.privileges.iter().filter(|privilege| !has(privilege)).cloned().collect();
        if privileges.is_empty() {
            return;
        }
        let change = Change::Grant { role: role.clone(), object: object.clone(), privileges };
        // The admin's own privileges are granted before it connects.
        let actor = if role == self.declared.admin() {
            self.master_is.contains(&owner).then_some(Actor::Master)
        } else {
            self.actor_as(&owner)
        };
        match actor {
            Some(actor) => changes.push((actor, change)),
            None if entry.is_named => {
                let subject = format!("{change}: only its owner {} may do that", visible(&owner));
                self.miss(subject, &format!("As {}: {};", visible(&owner), change.sql()));
            }
            None => {
                let is_known = self.diff.warnings.iter().any(
                    |warning| matches!(warning, Warning::NotGranted { object: known, .. } if known == object),
                );
                if !is_known {
                    let (role, object, sql) = (role.clone(), object.clone(), change.sql());
                    self.diff.warnings.push(Warning::NotGranted { role, object, owner, sql });
                }
            }
        }
    }

    fn surplus_privileges(
        &mut self,
        role: &Role,
        object: &Object,
        wanted: Option<&BTreeSet<Privilege>>,
        held: &BTreeSet<Held>,
        changes: &mut Vec<(Actor, Change)>,
    ) {
        let owner = self.owner_of(object);
        let mut by_grantor: BTreeMap<&str, (BTreeSet<Privilege>, BTreeSet<Privilege>)> = BTreeMap::new();
        for Held { privilege, grantor, with_grant_option } in held {
            let (surplus, options) = by_grantor.entry(grantor).or_default();
            if !wanted.is_some_and(|wanted| wanted.contains(privilege)) {
                surplus.insert(privilege.clone());
            } else if *with_grant_option {
                options.insert(privilege.clone());
            }
        }
        for (grantor, (surplus, options)) in by_grantor {
            let actor = if grantor == owner {
                self.actor_as(&owner)
            } else if grantor == self.declared.admin().name() {
                Some(Actor::Admin)
            } else if self.observed.masters.contains(grantor) {
                Some(Actor::Master)
            } else {
                None
            };
            let own = || (role.clone(), object.clone());
            let mut both = Vec::new();
            if !surplus.is_empty() {
                let (role, object) = own();
                both.push(Change::Revoke { role, object, privileges: surplus });
            }
            if !options.is_empty() {
                let (role, object) = own();
                both.push(Change::RevokeGrantOption { role, object, privileges: options });
            }
            for change in both {
                match actor {
                    Some(actor) => changes.push((actor, change)),
                    None => self.diff.warnings.push(not_revoked(role, object, grantor, &change)),
                }
            }
        }
    }

    /// Returns the owner of an object that exists, or that is created by the changes.
    fn owner_of(&self, object: &Object) -> String {
        let found = self.observed.owner_of(object).map(str::to_owned);
        found.unwrap_or_else(|| match object {
            Object::Schema(_) => self.observed.masters.first().cloned().unwrap_or_default(),
            _ => self.declared.table_owner().name().to_owned(),
        })
    }
}

/// Returns the order of changes of privileges. What is wanted is granted before the rest is revoked: a user keeps what it
/// needs while a grant is replaced. Then follow the user that makes the change, in one transaction each, and the object.
fn key(planned: &PlannedChange) -> (bool, bool, Option<&Object>, bool, Option<&BTreeSet<Privilege>>) {
    let (is_revoked, object, is_option, privileges) = match &planned.change {
        Change::Grant { object, privileges, .. } => (false, Some(object), false, Some(privileges)),
        Change::Revoke { object, privileges, .. } => (true, Some(object), false, Some(privileges)),
        Change::RevokeGrantOption { object, privileges, .. } => (true, Some(object), true, Some(privileges)),
        _ => (false, None, false, None),
    };
    (is_revoked, planned.actor == Actor::Admin, object, is_option, privileges)
}

fn not_revoked(role: &Role, object: &Object, grantor: &str, change: &Change) -> Warning {
    let (Change::Revoke { privileges, .. } | Change::RevokeGrantOption { privileges, .. }) = change else {
        unreachable!("only revocations come here");
    };
    let what = format!("{} on {object}", crate::postgres::grants::list(privileges));
    let sql = if matches!(object, Object::Future { .. }) {
        change.sql()
    } else {
        format!("{} GRANTED BY {}", change.sql(), identifier(grantor))
    };
    Warning::NotRevoked { role: role.clone(), what, grantor: grantor.to_owned(), sql }
}
