//! Declarations and observed states of a server for unit tests, and the effect of changes on a state, all in memory.

use super::diff::Diff;
use super::{
    CANARY, Change, Declared, Held, IAM_ROLE, Kind, Membership, Observed, ObservedRole, PlannedChange,
    Relation, Version, diff,
};
use crate::Declaration;
use crate::fixture::conf;
use crate::plan::Actor;

/// A declaration with everything that may be in one.
pub(crate) const DECLARATION: &str = r#"
[[user]]
name = "orders_app"
settings = { statement_timeout = "4s", search_path = "app,public" }
grant = [
  { privileges = ["SELECT", "CONNECT", "CREATE"] },
  { schema = "public", privileges = ["ALL"] },
  { schema = "reporting", table = "orders", privileges = ["SELECT"] },
  { sequence = "*", privileges = ["USAGE"] },
  { function = "total", privileges = ["EXECUTE"] },
  { database = "archive", privileges = ["CONNECT"] },
]
[schema]
name = "app"
owner = "orders_owner"
extensions = ["pgcrypto"]
statements = ["CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY)"]
"#;

/// One user with privileges on all tables, and one table.
pub(crate) const SIMPLE: &str = r#"
[[user]]
name = "app"
grant = [{ privileges = ["SELECT", "INSERT"] }]
[schema]
statements = ["CREATE TABLE IF NOT EXISTS messages (id bigint PRIMARY KEY)"]
"#;

pub(crate) const V15: Version = Version::new(150_018);
pub(crate) const V18: Version = Version::new(180_006);

pub(crate) fn declared(users: &str) -> Declared {
    Declared::new(&Declaration::parse(users, "users.toml").unwrap(), &conf()).unwrap()
}

pub(crate) fn role() -> ObservedRole {
    ObservedRole { can_login: true, inherits: true, connection_limit: -1, ..ObservedRole::default() }
}

/// Returns a server as RDS makes it, with the database of `rds.conf` and nothing else.
pub(crate) fn fresh(version: Version) -> Observed {
    let mut observed = Observed { version, force_ssl: true, public_connects: true, ..Observed::default() };
    observed.masters.insert("postgres".into());
    for name in ["rdsadmin", "rds_iam", "rds_superuser"] {
        observed.roles.insert(name.into(), role());
    }
    let master = ObservedRole { creates_roles: true, creates_databases: true, ..role() };
    observed.roles.insert("postgres".into(), master);
    observed.add_membership(membership("postgres", "rds_superuser", "rdsadmin"));
    observed.databases.insert("node_db".into(), "postgres".into());
    observed.schemas.insert("public".into(), "pg_database_owner".into());
    observed.available_extensions.insert("pgcrypto".into());
    observed
}

pub(crate) fn membership(member: &str, role: &str, grantor: &str) -> Membership {
    Membership {
        member: member.into(),
        role: role.into(),
        grantor: grantor.into(),
        admin: false,
        inherit: true,
        set: true,
        is_creator: false,
    }
}

/// Returns the server after the changes.
pub(crate) fn applied(declared: &Declared, diff: &Diff, before: &Observed) -> Observed {
    let mut after = before.clone();
    let (admin, owner) = (declared.admin().name().to_owned(), declared.table_owner().name().to_owned());
    for PlannedChange { change, actor, .. } in &diff.changes {
        let actor = if *actor == Actor::Admin { admin.as_str() } else { "postgres" };
        let created = |after: &mut Observed, name: &str, attributes: ObservedRole| {
            after.roles.insert(name.into(), attributes);
            if after.version.has_membership_options() {
                let creator = Membership {
                    admin: true,
                    inherit: false,
                    set: false,
                    is_creator: true,
                    ..membership(actor, name, "rdsadmin")
                };
                after.add_membership(creator);
            }
        };
        match change {
            Change::CreateUser { role: name } => created(&mut after, name.name(), role()),
            Change::CreateAdmin { role: name } => {
                created(&mut after, name.name(), ObservedRole { creates_roles: true, ..role() });
            }
            Change::CreateOwner { role: name } => {
                created(&mut after, name.name(), ObservedRole { can_login: false, ..role() });
            }
            Change::DropCanary => {
                after.canary = None;
                after.roles.remove(CANARY);
                after.memberships.retain(|(member, role), _| member != CANARY && role != CANARY);
            }
            Change::GrantRole { role, member, .. } => {
                after.add_membership(membership(member, role, actor));
            }
            Change::Delegate { admin } => {
                let membership = membership(admin.name(), IAM_ROLE, actor);
                after.add_membership(Membership { admin: true, ..membership });
            }
            Change::RevokeRole { role, member, grantor, admin_only } => {
                after.remove_membership(member, role, grantor, *admin_only);
            }
            Change::EndPassword { .. } => {}
            Change::AlterRole { role, creates_roles, creates_databases, unlimited } => {
                let found = after.roles.get_mut(role.name()).unwrap();
                found.creates_roles = creates_roles.unwrap_or(found.creates_roles);
                found.creates_databases = creates_databases.unwrap_or(found.creates_databases);
                found.connection_limit = if *unlimited { -1 } else { found.connection_limit };
            }
            Change::Set { role, name, value } => {
                after.roles.get_mut(role.name()).unwrap().settings.insert(name.clone(), value.clone());
            }
            Change::Reset { role, name, database } => {
                let found = after.roles.get_mut(role.name()).unwrap();
                let settings =
                    if database.is_none() { &mut found.settings } else { &mut found.settings_here };
                settings.remove(name);
            }
            Change::CreateSchema { schema } => {
                after.schemas.insert(schema.clone(), "postgres".into());
            }
            Change::CreateExtension { extension, .. } => {
                after.extensions.insert(extension.clone());
            }
            Change::CreateTable { table, .. } => {
                let of_table = declared.tables().iter().filter(|declared| declared.table() == table);
                for sequence in of_table.flat_map(super::CreateTable::sequences) {
                    let relation =
                        Relation { kind: Kind::Sequence, owner: owner.clone(), of_extension: false };
                    after.relations.insert((declared.schema().into(), sequence.clone()), relation);
                }
                let relation = Relation { kind: Kind::Table, owner: owner.clone(), of_extension: false };
                after.relations.insert((declared.schema().into(), table.clone()), relation);
            }
            Change::Grant { role, object, privileges } => {
                let held = after.grants.entry(role.name().into()).or_default();
                let held = held.entry(object.clone()).or_default();
                held.extend(privileges.iter().map(|privilege| Held {
                    privilege: privilege.clone(),
                    grantor: before.owner_of(object).unwrap_or(&owner).to_owned(),
                    with_grant_option: false,
                }));
            }
            Change::Revoke { role, object, privileges, .. } => {
                let held = after.grants.get_mut(role.name()).unwrap().get_mut(object).unwrap();
                held.retain(|held| !privileges.contains(&held.privilege));
            }
            Change::RevokeGrantOption { role, object, privileges } => {
                let held = after.grants.get_mut(role.name()).unwrap().get_mut(object).unwrap();
                let kept = std::mem::take(held).into_iter().map(|held| {
                    let is_revoked = privileges.contains(&held.privilege);
                    Held { with_grant_option: held.with_grant_option && !is_revoked, ..held }
                });
                *held = kept.collect();
            }
        }
    }
    after
}

/// Returns a server that matches the declaration.
pub(crate) fn complete(declared: &Declared, before: &Observed) -> Observed {
    applied(declared, &diff(declared, before).unwrap(), before)
}

/// Returns the statements, with the user that runs them. Carrying them out leaves nothing to do.
pub(crate) fn corrections(declared: &Declared, observed: &Observed) -> String {
    let needed = diff(declared, observed).unwrap();
    let left = diff(declared, &applied(declared, &needed, observed)).unwrap();
    assert_eq!(left.changes, [], "a second run has something to do");
    let statement = |planned: &PlannedChange| format!("{:?}: {}", planned.actor, planned.change.sql());
    needed.changes.iter().map(statement).collect::<Vec<_>>().join("\n")
}
