//! Changes to the roles themselves: their creation, attributes, settings and memberships.

use super::Comparison;
use crate::plan::{Actor, Step};
use crate::postgres::declared::{SETTING_NAMES, normal_setting};
use crate::postgres::names::{identifier, visible};
use crate::postgres::{Change, IAM_ROLE, Membership, ObservedRole, Role, User, Warning, wanted};

impl Comparison<'_> {
    /// The IAM admin. It may create roles and let them log in by IAM, and owns the tables if no other role does.
    pub(super) fn admin(&mut self) {
        let (observed, role) = (self.observed, self.declared.admin());
        let (step, actor) = (Step::Admin, Actor::Master);
        match observed.roles.get(role.name()) {
            None => self.push(step, actor, Change::CreateAdmin { role: role.clone() }),
            Some(found) => self.attributes(role, found, true, step, actor),
        }
        let grants = observed.memberships(role.name(), IAM_ROLE);
        if grants.is_empty() {
            self.push(step, actor, Change::use_iam(role));
            if observed.roles.contains_key(role.name()) {
                self.push(step, actor, Change::EndPassword { role: role.clone() });
            }
        }
        // Since 16, only a role that has ADMIN on `rds_iam` may grant it.
        if observed.version.has_membership_options() && !grants.iter().any(|grant| grant.admin) {
            self.push(step, actor, Change::Delegate { admin: role.clone() });
        }
        self.memberships(role, step);
        if self.declared.owner().is_some() {
            self.connection(role, step);
        } else if observed.schemas.contains_key(self.declared.schema()) {
            let wanted = wanted::of_owning_admin(self.declared, observed);
            self.privileges(role, &wanted, step);
        }
        // A schema that doesn't exist yet is created after this; the grants follow that.
    }

    /// The role that owns the tables.
    pub(super) fn owner(&mut self) {
        let (observed, declared, step) = (self.observed, self.declared, Step::Users);
        let Some(role) = declared.owner() else {
            if !observed.schemas.contains_key(declared.schema()) {
                let wanted = wanted::of_owning_admin(declared, observed);
                self.privileges(declared.admin(), &wanted, Step::Admin);
            }
            return;
        };
        let admin = declared.admin().name();
        let exists = observed.roles.contains_key(role.name());
        if !exists {
            self.push(step, Actor::Admin, Change::CreateOwner { role: role.clone() });
        }
        let with_options = observed.version.has_membership_options();
        let grants = observed.memberships(admin, role.name());
        let is_member = grants.iter().any(|grant| !with_options || (grant.inherit && grant.set));
        if !is_member {
            let actor = if exists { self.alterer(role) } else { Actor::Admin };
            let change =
                Change::GrantRole { role: role.name().to_owned(), member: admin.to_owned(), with_options };
            self.push(step, actor, change);
        }
        let wanted = wanted::of_owner(declared, observed);
        self.privileges(role, &wanted, step);
    }

    /// The roles of a batch of users: all that are created, then all that log in by IAM from now on, then the rest. Roles that
    /// exist and log in by IAM from now on come last, each with the end of its password: a later run does not know that it
    /// still has one.
    pub(super) fn roles(&mut self, users: &[User]) {
        let observed = self.observed;
        let (converted, others): (Vec<_>, Vec<_>) = users.iter().partition(|user| {
            let name = user.role.name();
            observed.roles.contains_key(name) && observed.memberships(name, IAM_ROLE).is_empty()
        });
        let first = self.diff.changes.len();
        for user in others {
            self.user(user);
        }
        self.diff.changes[first..].sort_by_key(|planned| match planned.change {
            Change::CreateUser { .. } => 0,
            Change::GrantRole { .. } => 1,
            _ => 2,
        });
        for user in converted {
            self.user(user);
        }
    }

    /// A user: the role, its login by IAM, its settings and memberships.
    fn user(&mut self, user: &User) {
        let (observed, role, step) = (self.observed, &user.role, Step::Users);
        let found = observed.roles.get(role.name());
        let alterer = if found.is_some() { self.alterer(role) } else { Actor::Admin };
        match found {
            None => self.push(step, Actor::Admin, Change::CreateUser { role: role.clone() }),
            Some(found) => self.attributes(role, found, false, step, alterer),
        }
        if observed.memberships(role.name(), IAM_ROLE).is_empty() {
            self.push(step, Actor::Admin, Change::use_iam(role));
            if found.is_some() {
                self.push(step, alterer, Change::EndPassword { role: role.clone() });
            }
        }
        let none = ObservedRole::default();
        let settings = &found.unwrap_or(&none).settings;
        let observed_value = |name: &str| settings.get(name).map(|value| normal_setting(name, value));
        for (name, value) in &user.settings {
            if observed_value(name).as_ref() != Some(value) {
                let (name, value) = (name.clone(), value.clone());
                self.push(step, alterer, Change::Set { role: role.clone(), name, value });
            }
        }
        for name in settings.keys().filter(|name| SETTING_NAMES.contains(&name.as_str())) {
            if !user.settings.contains_key(name) {
                let (role, name) = (role.clone(), name.clone());
                self.push(step, alterer, Change::Reset { role, name, database: None });
            }
        }
        let here = &found.unwrap_or(&none).settings_here;
        for name in here.keys().filter(|name| SETTING_NAMES.contains(&name.as_str())) {
            let database = Some(self.declared.database().to_owned());
            self.push(step, alterer, Change::Reset { role: role.clone(), name: name.clone(), database });
        }
        self.memberships(role, step);
        if let Some(owned) = observed.owned.get(role.name()) {
            let owner = self.declared.table_owner().clone();
            self.diff.warnings.push(Warning::Owns { role: role.clone(), owned: owned.clone(), owner });
        }
    }

    /// Attributes of a role that exists. `ALTER ROLE` names only what differs: RDS denies the others even where they
    /// change nothing.
    fn attributes(
        &mut self,
        role: &Role,
        found: &ObservedRole,
        creates_roles: bool,
        step: Step,
        actor: Actor,
    ) {
        if !found.can_login {
            self.diff.warnings.push(Warning::Locked { role: role.clone() });
        }
        let change = |creates_roles, creates_databases, unlimited| {
            let role = role.clone();
            Change::AlterRole { role, creates_roles, creates_databases, unlimited }
        };
        let roles = (found.creates_roles != creates_roles).then_some(creates_roles);
        let unlimited = found.connection_limit != -1;
        // Since 16, only a user who may create databases itself can take that right away.
        let databases = found.creates_databases.then_some(false);
        if databases.is_some() {
            self.push(step, Actor::Master, change(None, databases, false));
        }
        if roles.is_some() || unlimited {
            self.push(step, actor, change(roles, None, unlimited));
        }
    }

    /// Memberships that are not declared: all, except in `rds_iam`; for the admin, except in the owner, and in the roles
    /// that it created.
    fn memberships(&mut self, role: &Role, step: Step) {
        let observed = self.observed;
        let is_admin = role == self.declared.admin();
        let owner = self.declared.owner().map(Role::name);
        let grants: Vec<_> = observed.memberships_of(role.name()).cloned().collect();
        for grant in grants {
            let is_wanted = grant.role == IAM_ROLE || (is_admin && Some(grant.role.as_str()) == owner);
            let may_grant = is_admin && (grant.is_creator || grant.role == IAM_ROLE);
            if is_wanted && (!grant.admin || may_grant) || (is_admin && grant.is_creator) {
                continue;
            }
            self.revoke_membership(role, &grant, is_wanted, step);
        }
    }

    fn revoke_membership(&mut self, role: &Role, grant: &Membership, admin_only: bool, step: Step) {
        let change = Change::RevokeRole {
            role: grant.role.clone(),
            member: grant.member.clone(),
            grantor: grant.grantor.clone(),
            admin_only,
        };
        let has_options = self.observed.version.has_membership_options();
        let is_master = self.observed.masters.contains(&grant.grantor);
        // Before 16 every role that may create roles can revoke a membership. Since then only its grantor can; and on RDS
        // the master user in the name of the server's own superuser, though not a membership in itself.
        let is_of_rds = grant.grantor.starts_with("rds")
            && !grant.is_creator
            && !self.observed.masters.contains(&grant.role);
        let by_master = !has_options || is_master || is_of_rds;
        if has_options && grant.grantor == self.declared.admin().name() && step != Step::Admin {
            self.push(step, Actor::Admin, change);
        } else if by_master {
            self.push(step, Actor::Master, change);
        } else {
            let what = if admin_only {
                format!("the right to grant the role {}", visible(&grant.role))
            } else {
                format!("the role {}", visible(&grant.role))
            };
            let sql = format!("{} GRANTED BY {}", change.sql(), identifier(&grant.grantor));
            let grantor = grant.grantor.clone();
            self.diff.warnings.push(Warning::NotRevoked { role: role.clone(), what, grantor, sql });
        }
    }
}
