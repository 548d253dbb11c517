//! The observed state of a server: its roles, memberships, objects and privileges, and what follows from them. Pure
//! data; `catalog` reads it.

use std::collections::{BTreeMap, BTreeSet};

use super::lockout::Edge;
use super::{CreateTable, Declared, Kind, Memberships, Object, ObservedGrants, Version};

/// The role whose only member is the owner of the database in use.
const DATABASE_OWNER: &str = "pg_database_owner";

/// The server's state, as far as a declaration is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// The server's version.
    pub(crate) version: Version,
    /// Whether the server refuses connections without TLS, as far as it says so (`rds.force_ssl`).
    pub(crate) force_ssl: bool,
    /// Whether every role may connect to the database of `rds.conf`.
    pub(crate) public_connects: bool,
    /// The master user; or, if the reader doesn't know it, the roles that may be.
    pub(crate) masters: BTreeSet<String>,
    /// All roles.
    pub(crate) roles: BTreeMap<String, ObservedRole>,
    /// All memberships, by member and role.
    pub(crate) memberships: BTreeMap<(String, String), Vec<Membership>>,
    /// All databases, with their owners.
    pub(crate) databases: BTreeMap<String, String>,
    /// All schemas of the database in use, with their owners.
    pub(crate) schemas: BTreeMap<String, String>,
    /// The tables, views and sequences of the declared schemas.
    pub(crate) relations: BTreeMap<(String, String), Relation>,
    /// The functions and procedures of the declared schemas.
    pub(crate) routines: Vec<Routine>,
    /// The extensions of the database.
    pub(crate) extensions: BTreeSet<String>,
    /// The extensions that the server could create.
    pub(crate) available_extensions: BTreeSet<String>,
    /// The privileges of the declared roles, on objects that they don't own.
    pub(crate) grants: BTreeMap<String, ObservedGrants>,
    /// The owners of the objects of these privileges.
    pub(crate) owners: BTreeMap<Object, String>,
    /// What the declared users own.
    pub(crate) owned: BTreeMap<String, Owned>,
    /// The role of the test of the master user's login, if it exists and no run makes that test.
    pub(crate) canary: Option<Canary>,
}

/// A role of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObservedRole {
    /// `LOGIN`
    pub(crate) can_login: bool,
    /// `INHERIT`
    pub(crate) inherits: bool,
    /// `CREATEROLE`
    pub(crate) creates_roles: bool,
    /// `CREATEDB`
    pub(crate) creates_databases: bool,
    /// `SUPERUSER`
    pub(crate) is_superuser: bool,
    /// `REPLICATION`
    pub(crate) replicates: bool,
    /// `BYPASSRLS`
    pub(crate) bypasses_row_security: bool,
    /// `CONNECTION LIMIT`; -1 is none.
    pub(crate) connection_limit: i32,
    /// The settings of its sessions.
    pub(crate) settings: BTreeMap<String, String>,
    /// The settings of its sessions in the database in use, which prevail.
    pub(crate) settings_here: BTreeMap<String, String>,
}

/// A grant of a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "PostgreSQL's options of a membership, each its own column"
)]
pub(crate) struct Membership {
    /// The member.
    pub(crate) member: String,
    /// The role.
    pub(crate) role: String,
    /// The role that granted it.
    pub(crate) grantor: String,
    /// Whether the member may grant the role to others.
    pub(crate) admin: bool,
    /// Whether the member has the role's privileges.
    pub(crate) inherit: bool,
    /// Whether the member may act as the role (`SET ROLE`).
    pub(crate) set: bool,
    /// Whether it is what the creation of the role made, since PostgreSQL 16.
    pub(crate) is_creator: bool,
}

/// A table, view or sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    /// `Table` or `Sequence`.
    pub(crate) kind: Kind,
    /// Its owner.
    pub(crate) owner: String,
    /// Whether an extension created it.
    pub(crate) of_extension: bool,
}

/// A function or procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Routine {
    /// The schema.
    pub(crate) schema: String,
    /// The name.
    pub(crate) name: String,
    /// The types of its arguments, in SQL as the server writes them.
    pub(crate) arguments: String,
    /// Its owner.
    pub(crate) owner: String,
    /// Whether an extension created it.
    pub(crate) of_extension: bool,
}

/// What a role owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    /// The number of objects, in all databases.
    pub(crate) count: i64,
    /// One of them, in the server's words, if one is in the database in use.
    pub(crate) example: Option<String>,
}

/// The role of the test of the master user's login, outside of the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Canary {
    /// Whether it owns an object of any database, or has privileges on one.
    pub(crate) has_objects: bool,
}

impl Observed {
    /// Adds the grant of a membership.
    pub(crate) fn add_membership(&mut self, membership: Membership) {
        let key = (membership.member.clone(), membership.role.clone());
        self.memberships.entry(key).or_default().push(membership);
    }

    /// Removes the grant of a membership, or only the right to grant it to others.
    #[cfg(test)]
    pub(crate) fn remove_membership(&mut self, member: &str, role: &str, grantor: &str, admin_only: bool) {
        let key = (member.to_owned(), role.to_owned());
        let grants = self.memberships.entry(key).or_default();
        if admin_only {
            grants.iter_mut().filter(|grant| grant.grantor == grantor).for_each(|grant| grant.admin = false);
        } else {
            grants.retain(|grant| grant.grantor != grantor || grant.is_creator);
        }
    }

    /// Returns the grants of a membership.
    pub(crate) fn memberships(&self, member: &str, role: &str) -> &[Membership] {
        self.memberships.get(&(member.to_owned(), role.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Returns the grants of all memberships of a role in others.
    pub(crate) fn memberships_of(&self, member: &str) -> impl Iterator<Item = &Membership> {
        let from = (member.to_owned(), String::new());
        let of_member = self.memberships.range(from..).take_while(move |((other, _), _)| other == member);
        of_member.flat_map(|(_, grants)| grants)
    }

    /// Returns the memberships as a graph.
    pub(crate) fn graph(&self) -> Memberships {
        let edge = |grant: &Membership| Edge {
            member: grant.member.clone(),
            role: grant.role.clone(),
            is_creator: grant.is_creator,
        };
        self.memberships.values().flatten().map(edge).collect()
    }

    /// Returns the roles whose privileges a role has, itself included.
    pub(crate) fn acts_as(&self, role: &str, database: &str) -> BTreeSet<String> {
        let (mut found, mut queue) = (BTreeSet::new(), vec![role.to_owned()]);
        while let Some(member) = queue.pop() {
            if !found.insert(member.clone()) {
                continue;
            }
            if self.databases.get(database) == Some(&member) {
                queue.push(DATABASE_OWNER.to_owned());
            }
            let has_option = self.version.has_membership_options();
            let inherits = self.roles.get(&member).is_some_and(|role| role.inherits);
            let inherited = self
                .memberships_of(&member)
                .filter(|grant| if has_option { grant.inherit } else { inherits });
            queue.extend(inherited.map(|grant| grant.role.clone()));
        }
        found
    }

    /// Returns the sequences that the creation of the declared tables makes, of those tables that don't exist yet.
    pub(crate) fn created_sequences<'a>(&self, declared: &'a Declared) -> impl Iterator<Item = &'a str> {
        let is_new = move |table: &&CreateTable| {
            let key = (declared.schema().to_owned(), table.table().to_owned());
            !self.relations.contains_key(&key)
        };
        let created = declared.tables().iter().filter(is_new).flat_map(CreateTable::sequences);
        created.map(String::as_str)
    }

    /// Returns the owner of an object; for future objects, their creator. `None` if it doesn't exist.
    pub(crate) fn owner_of<'a>(&'a self, object: &'a Object) -> Option<&'a str> {
        let relation = |schema: &String, name: &String| {
            self.relations.get(&(schema.clone(), name.clone())).map(|relation| relation.owner.as_str())
        };
        let found = match object {
            Object::Database(name) => self.databases.get(name).map(String::as_str),
            Object::Schema(name) => self.schemas.get(name).map(String::as_str),
            Object::Table { schema, table: name }
            | Object::Column { schema, table: name, .. }
            | Object::Sequence { schema, sequence: name } => relation(schema, name),
            Object::Function { schema, function, arguments } => {
                let is_it = |routine: &&Routine| {
                    routine.schema == *schema && routine.name == *function && routine.arguments == *arguments
                };
                self.routines.iter().find(is_it).map(|routine| routine.owner.as_str())
            }
            Object::Future { owner, .. } => Some(owner.as_str()),
            Object::Other { .. } => None,
        };
        // Objects of other schemas are not read.
        found.or_else(|| self.owners.get(object).map(String::as_str))
    }
}
