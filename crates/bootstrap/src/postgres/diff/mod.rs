//! The difference between the declared and the observed, as changes, and the forecast of the master user's login. Pure:
//! no server, no clock.

mod canary;
mod privileges;
mod roles;

use std::collections::{BTreeMap, BTreeSet};

use super::{CANARY, Change, Declared, IAM_ROLE, Observed, PlannedChange, Role, Warning, missing, names};
use crate::plan::{Actor, Forecast, Missing, Plan, Step, UNDECLARED_SHOWN};

/// The number of users whose changes are made in one transaction. Each transaction ends with a check of memberships, and
/// since 16 the server reads an admin's memberships again after each statement that changes one.
const BATCH: usize = 100;

/// The difference between the declared and the observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    /// The changes that remove the difference, in order. Empty if everything is as declared.
    pub(crate) changes: Vec<PlannedChange>,
    /// Observations for an operator. A run changes none of them, and they do not count as drift.
    pub(crate) warnings: Vec<Warning>,
    /// The master user's path to `rds_iam` before any change.
    pub(crate) path_before: Forecast,
    /// The master user's path to `rds_iam` after the changes.
    pub(crate) path_after: Forecast,
}

/// Compares the declared with the observed.
///
/// # Errors
/// Returns [`Missing`] if something doesn't exist that the declaration names: there is nothing to grant on.
pub(crate) fn diff(declared: &Declared, observed: &Observed) -> Result<Diff, Missing> {
    missing::check(declared, observed)?;
    let database = declared.database();
    let mut admin_is = observed.acts_as(declared.admin().name(), database);
    if let Some(owner) = declared.owner() {
        // It becomes a member before it needs to be one.
        admin_is.extend(observed.acts_as(owner.name(), database));
    }
    let master_is = observed.masters.iter().flat_map(|master| observed.acts_as(master, database)).collect();
    let diff = Diff::default();
    let mut comparison =
        Comparison { declared, observed, admin_is, master_is, batch: None, missing: None, diff };

    // First: its memberships would be in the way of the checks of all other changes.
    comparison.canary();
    comparison.admin();
    comparison.schema();
    comparison.owner();
    comparison.tables();
    for (number, users) in declared.users().chunks(BATCH).enumerate() {
        comparison.batch = Some(number + 1);
        comparison.roles(users);
    }
    // After all roles: since 16 the server reads an admin's memberships again after each change of one.
    for (number, users) in declared.users().chunks(BATCH).enumerate() {
        comparison.batch = Some(number + 1);
        comparison.privileges_of(users);
    }
    comparison.warn_of_the_server();
    comparison.forecast();
    match comparison.missing {
        Some(missing) => Err(missing),
        None => Ok(comparison.diff),
    }
}

impl From<Diff> for Plan {
    fn from(diff: Diff) -> Self {
        Self {
            actions: diff.changes.into_iter().map(Into::into).collect(),
            warnings: diff.warnings.into_iter().map(Into::into).collect(),
            path_before: diff.path_before,
            path_after: diff.path_after,
        }
    }
}

struct Comparison<'a> {
    declared: &'a Declared,
    observed: &'a Observed,
    /// The roles whose privileges the admin has after its own changes, and those that the master user has.
    admin_is: BTreeSet<String>,
    master_is: BTreeSet<String>,
    /// The batch of users that is compared.
    batch: Option<usize>,
    /// Declared grants that neither of them may make.
    missing: Option<Missing>,
    diff: Diff,
}

impl Comparison<'_> {
    fn push(&mut self, step: Step, actor: Actor, change: Change) {
        self.diff.changes.push(PlannedChange { step, actor, change, batch: self.batch });
    }

    /// Returns the user that acts as a role.
    fn actor_as(&self, role: &str) -> Option<Actor> {
        if self.admin_is.contains(role) {
            Some(Actor::Admin)
        } else if self.master_is.contains(role) {
            Some(Actor::Master)
        } else {
            None
        }
    }

    /// Creates the schema and the extensions. The master user does, as the owner of the database.
    fn schema(&mut self) {
        let (declared, observed) = (self.declared, self.observed);
        let schema = declared.schema().to_owned();
        if !observed.schemas.contains_key(&schema) {
            self.push(Step::Admin, Actor::Master, Change::CreateSchema { schema: schema.clone() });
            // The master user owns it then.
            if let Some(master) = observed.masters.first() {
                self.master_is.insert(master.clone());
            }
        }
        for extension in declared.extensions() {
            if !observed.extensions.contains(extension) {
                let (extension, schema) = (extension.clone(), super::DEFAULT_SCHEMA.to_owned());
                self.push(Step::Admin, Actor::Master, Change::CreateExtension { extension, schema });
            }
        }
    }

    fn tables(&mut self) {
        let (declared, observed) = (self.declared, self.observed);
        let schema = declared.schema();
        for table in declared.tables() {
            if !observed.relations.contains_key(&(schema.to_owned(), table.table().to_owned())) {
                let change = Change::CreateTable {
                    table: table.table().to_owned(),
                    sql: table.sql(schema),
                    owner: declared.owner().cloned(),
                };
                self.push(Step::Users, Actor::Admin, change);
            }
        }
    }

    /// Warns of a server without forced TLS.
    fn warn_of_the_server(&mut self) {
        if !self.observed.force_ssl {
            self.diff.warnings.push(Warning::TlsNotForced);
        }
    }

    /// Warns of roles that are not declared and log in by IAM only: now, or after the changes. `before` and `after` are the
    /// members of `rds_iam`, each with the role that makes it one.
    fn warn_of_members(&mut self, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
        let declared: BTreeSet<_> = self.declared.role_names().into_iter().collect();
        let observed = self.observed;
        let logs_in = |name: &String| observed.roles.get(name).is_some_and(|role| role.can_login);
        let is_shown = |member: &String, role: &String| {
            !declared.contains(member)
                && !names::is_reserved(member)
                && !observed.masters.contains(member)
                && (role == IAM_ROLE || logs_in(member))
        };
        let shown: Vec<_> = after.iter().filter(|(member, role)| is_shown(member, role)).collect();
        let (known, new): (Vec<_>, Vec<_>) =
            shown.into_iter().partition(|(member, _)| before.contains_key(*member));
        let ends = new
            .into_iter()
            .map(|(member, role)| Warning::PasswordEnds { role: member.clone(), through: role.clone() });
        self.diff.warnings.extend(ends);
        let mut undeclared = known.into_iter().map(|(member, role)| Warning::Undeclared {
            role: member.clone(),
            through: (role != IAM_ROLE).then(|| role.clone()),
        });
        self.diff.warnings.extend(undeclared.by_ref().take(UNDECLARED_SHOWN));
        match undeclared.count() {
            0 => {}
            count => self.diff.warnings.push(Warning::MoreUndeclared { count }),
        }
    }

    /// Calculates the master user's paths to `rds_iam`, before and after the changes, and warns of others' paths.
    fn forecast(&mut self) {
        let mut graph = self.observed.graph();
        let is_locked = |master: &&String| matches!(graph.forecast(master), Forecast::LockOut { .. });
        // Of several roles that may be the master user, those that log in by IAM already are administrators with
        // tokens of their own.
        let mut masters: Vec<_> = self.observed.masters.iter().filter(|master| !is_locked(master)).collect();
        if masters.is_empty() {
            masters = self.observed.masters.iter().collect();
        }
        let worst = |graph: &super::Memberships| {
            masters.iter().map(|master| graph.forecast(master)).max().unwrap_or_default()
        };
        self.diff.path_before = worst(&graph);
        let members_before = graph.members();
        let has_creators = self.observed.version.has_membership_options();
        let master = self.observed.masters.first().cloned().unwrap_or_default();
        for PlannedChange { actor, change, .. } in &self.diff.changes {
            let actor = if *actor == Actor::Admin { self.declared.admin().name() } else { &master };
            match change {
                Change::CreateAdmin { role } | Change::CreateOwner { role } | Change::CreateUser { role }
                    if has_creators =>
                {
                    graph.add(actor, role.name(), true);
                }
                Change::GrantRole { role, member, .. } => graph.add(member, role, false),
                Change::RevokeRole { role, member, admin_only: false, .. } => graph.remove(member, role),
                Change::DropCanary => graph.remove_role(CANARY),
                _ => {}
            }
        }
        self.diff.path_after = worst(&graph);
        self.warn_of_members(&members_before, &graph.members());
    }

    fn miss(&mut self, object: String, help: &str) {
        let missing = self.missing.get_or_insert_with(|| Missing {
            objects: Vec::new(),
            help: String::new(),
            may_be_hidden: false,
        });
        missing.objects.push(object);
        if !missing.help.is_empty() {
            missing.help.push('\n');
        }
        missing.help.push_str(help);
    }

    /// Returns whether a role is one that this program made: those that an operator made may have a password.
    fn alterer(&self, role: &Role) -> Actor {
        let admin = self.declared.admin().name();
        let of_admin = self.observed.memberships(admin, role.name());
        let by_admin =
            !self.observed.version.has_membership_options() || of_admin.iter().any(|grant| grant.admin);
        if by_admin && self.observed.roles.contains_key(admin) { Actor::Admin } else { Actor::Master }
    }
}

#[cfg(test)]
mod tests;
