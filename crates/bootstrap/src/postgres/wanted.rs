//! The privileges that a declaration stands for on this server: names and `*` become objects, and privileges within a
//! schema need USAGE on it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Declared, FutureObjects, Grant, Kind, Object, Observed, Privilege, Scope};

/// The wanted privileges of a role.
#[derive(Debug, Default)]
pub(super) struct Wanted(pub(super) BTreeMap<Object, Entry>);

/// The wanted privileges on one object.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) privileges: BTreeSet<Privilege>,
    /// Whether the declaration names the object, rather than all objects of a schema.
    pub(super) is_named: bool,
}

impl Wanted {
    pub(super) fn add(&mut self, object: Object, privileges: &BTreeSet<Privilege>, is_named: bool) {
        let entry = self.0.entry(object).or_default();
        entry.privileges.extend(privileges.iter().cloned());
        entry.is_named |= is_named;
    }

    pub(super) fn privileges(&self, object: &Object) -> Option<&BTreeSet<Privilege>> {
        self.0.get(object).map(|entry| &entry.privileges)
    }
}

/// Returns the privileges that a user's grants stand for.
pub(super) fn of_user(grants: &[Grant], declared: &Declared, observed: &Observed) -> Wanted {
    let mut wanted = connection(declared, observed);
    for Grant { scope, privileges } in grants {
        match scope {
            Scope::Database(name) => wanted.add(Object::Database(name.clone()), privileges, true),
            Scope::Schema(name) => wanted.add(Object::Schema(name.clone()), privileges, true),
            Scope::One { kind, schema, name } => {
                for object in named(*kind, schema, name, observed) {
                    wanted.add(object, privileges, true);
                }
            }
            Scope::All { kind, schema } => {
                for object in all(*kind, schema, declared, observed) {
                    wanted.add(object, privileges, false);
                }
            }
        }
        if let Scope::One { schema, .. } | Scope::All { schema, .. } = scope {
            let usage = BTreeSet::from([Privilege::from_name("USAGE")]);
            wanted.add(Object::Schema(schema.clone()), &usage, true);
        }
    }
    wanted
}

/// Returns the privileges that a role needs to connect to the database of `rds.conf`, beside those of every role.
pub(super) fn connection(declared: &Declared, observed: &Observed) -> Wanted {
    let mut wanted = Wanted::default();
    if !observed.public_connects {
        let connect = BTreeSet::from([Privilege::from_name("CONNECT")]);
        wanted.add(Object::Database(declared.database().to_owned()), &connect, true);
    }
    wanted
}

/// Returns the privileges of an admin that owns the tables.
pub(super) fn of_owning_admin(declared: &Declared, observed: &Observed) -> Wanted {
    let mut wanted = connection(declared, observed);
    wanted.0.extend(of_owner(declared, observed).0);
    wanted
}

/// Returns the privileges that the owner of the tables needs, to create them.
pub(super) fn of_owner(declared: &Declared, observed: &Observed) -> Wanted {
    let mut wanted = Wanted::default();
    let owner = declared.table_owner().name();
    let owns_schema = observed.schemas.get(declared.schema()).is_some_and(|role| role == owner);
    if !declared.tables().is_empty() && !owns_schema {
        let both = BTreeSet::from(["USAGE", "CREATE"].map(Privilege::from_name));
        wanted.add(Object::Schema(declared.schema().to_owned()), &both, true);
    }
    wanted
}

/// Returns the objects of a name: one, or for a function one for each list of arguments.
fn named(kind: Kind, schema: &str, name: &str, observed: &Observed) -> Vec<Object> {
    match kind {
        Kind::Function => {
            let of_name =
                observed.routines.iter().filter(|found| found.schema == schema && found.name == name);
            of_name.map(routine).collect()
        }
        _ => vec![relation(kind, schema, name)],
    }
}

/// Returns all objects of a kind in a schema but those of extensions, and those that their creators will create.
fn all(kind: Kind, schema: &str, declared: &Declared, observed: &Observed) -> Vec<Object> {
    let mut objects = Vec::new();
    let mut owners = BTreeSet::new();
    if kind == Kind::Function {
        for found in observed.routines.iter().filter(|found| found.schema == schema && !found.of_extension) {
            objects.push(routine(found));
            owners.insert(found.owner.clone());
        }
    } else {
        for ((_, name), found) in observed.relations.iter().filter(|((of, _), _)| of == schema) {
            if found.kind == kind && !found.of_extension {
                objects.push(relation(kind, schema, name));
                owners.insert(found.owner.clone());
            }
        }
    }
    if schema == declared.schema() {
        owners.insert(declared.table_owner().name().to_owned());
        if kind == Kind::Table {
            objects.extend(declared.tables().iter().map(|table| relation(kind, schema, table.table())));
        }
        if kind == Kind::Sequence {
            objects.extend(observed.created_sequences(declared).map(|name| relation(kind, schema, name)));
        }
    }
    let future = owners.into_iter().filter_map(|owner| {
        let objects = FutureObjects::of(kind)?;
        Some(Object::Future { owner, schema: Some(schema.to_owned()), objects })
    });
    objects.extend(future);
    objects
}

fn relation(kind: Kind, schema: &str, name: &str) -> Object {
    let (schema, name) = (schema.to_owned(), name.to_owned());
    match kind {
        Kind::Sequence => Object::Sequence { schema, sequence: name },
        _ => Object::Table { schema, table: name },
    }
}

fn routine(found: &super::Routine) -> Object {
    Object::Function {
        schema: found.schema.clone(),
        function: found.name.clone(),
        arguments: found.arguments.clone(),
    }
}
