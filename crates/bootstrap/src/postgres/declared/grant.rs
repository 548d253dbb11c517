//! Validates one declared grant: which objects it names, and which privileges they have.

use std::collections::BTreeSet;

use super::{check_schema, refuse_system_database};
use crate::declaration::{self, Violations};
use crate::postgres::names::check_name;
use crate::postgres::privilege::is_of_database;
use crate::postgres::{Grant, Kind, Privilege, Scope};

/// The user that a grant is for, and what its keys stand for when they are left out.
pub(super) struct Place<'a> {
    pub(super) user: &'a str,
    pub(super) database: &'a str,
    pub(super) schema: &'a str,
}

/// Returns the grants that a declared one stands for: one, or two if it names privileges of the database and of
/// tables.
pub(super) fn check(
    grant: &declaration::Grant,
    place: &Place<'_>,
    violations: &mut Violations,
) -> Vec<Grant> {
    let before = violations.len();
    let grants = scopes(grant, place, violations);
    if grant.privileges.is_empty() {
        violations.add(place.user, "a grant lists no privileges: list some, or leave the grant out");
    }
    let mut checked = Vec::new();
    for (scope, kind, names) in grants {
        let mut privileges = BTreeSet::new();
        for name in names {
            let found = violations.keep(place.user, Privilege::declared(name, kind));
            privileges.extend(found.into_iter().flatten());
        }
        if !privileges.is_empty() {
            checked.push(Grant { scope, privileges });
        }
    }
    if violations.len() == before { checked } else { Vec::new() }
}

/// Returns the objects of a grant, each with the names of its privileges.
fn scopes<'a>(
    grant: &'a declaration::Grant,
    place: &Place<'_>,
    violations: &mut Violations,
) -> Vec<(Scope, Kind, Vec<&'a str>)> {
    let all = || grant.privileges.iter().map(String::as_str).collect::<Vec<_>>();
    let keys =
        [(Kind::Table, &grant.table), (Kind::Sequence, &grant.sequence), (Kind::Function, &grant.function)];
    let mut named = keys.iter().filter_map(|(kind, name)| Some((*kind, name.as_deref()?)));
    let object = named.next();
    if named.next().is_some() {
        violations.add(
            place.user,
            "a grant names a table, a sequence or a function: name one of them in each grant",
        );
    }
    if let Some(database) = grant.database.as_deref().filter(|name| *name != place.database) {
        return other_database(database, grant, place, violations);
    }
    let schema = grant.schema.as_deref().unwrap_or(place.schema).to_owned();
    check_schema(place.user, &schema, violations);
    match object {
        Some((kind, "*")) => vec![(Scope::All { kind, schema }, kind, all())],
        Some((kind, name)) => {
            if let Err(reason) = check_name(name) {
                violations.add(place.user, format_args!("{kind} {name:?}: {reason}"));
            }
            if kind == Kind::Function && name.contains('(') {
                let message = format_args!(
                    "function {name:?}: name it without its arguments; all functions of that name are meant"
                );
                violations.add(place.user, message);
            }
            vec![(Scope::One { kind, schema, name: name.to_owned() }, kind, all())]
        }
        None if grant.schema.is_some() => vec![(Scope::Schema(schema), Kind::Schema, all())],
        None => {
            let (database, tables): (Vec<_>, Vec<_>) =
                all().into_iter().partition(|name| is_of_database(name));
            let (kind, name) = (Kind::Table, place.database.to_owned());
            let of_database = (Scope::Database(name), Kind::Database, database);
            [of_database, (Scope::All { kind, schema }, kind, tables)].into()
        }
    }
}

fn other_database<'a>(
    database: &str,
    grant: &'a declaration::Grant,
    place: &Place<'_>,
    violations: &mut Violations,
) -> Vec<(Scope, Kind, Vec<&'a str>)> {
    let names: Vec<_> = grant.privileges.iter().map(String::as_str).collect();
    let is_inside = grant.schema.is_some()
        || grant.table.is_some()
        || grant.sequence.is_some()
        || grant.function.is_some()
        || !names.iter().all(|name| is_of_database(name));
    if database == "*" {
        violations.add(place.user, "privileges on every database would reach databases that the author did not think of: name the database");
    } else if let Err(reason) = check_name(database) {
        violations.add(place.user, format_args!("database {database:?}: {reason}"));
    } else if is_inside {
        violations.add(
            place.user,
            format_args!(
                "privileges on objects in database {database:?} need a run with that DB_NAME: a connection reads and changes one database; CONNECT, CREATE and TEMPORARY on it can be declared here"
            ),
        );
    }
    refuse_system_database(place.user, database, violations);
    vec![(Scope::Database(database.to_owned()), Kind::Database, names)]
}
