//! Checks that everything exists that the declaration names and no change creates, and that no declared role has
//! attributes that this program can't take away.

use std::collections::BTreeSet;

use strsim::levenshtein;

use super::declared::Declared;
use super::names::{identifier, visible};
use super::{IAM_ROLE, Kind, Observed, Scope, lock};
use crate::Missing;

/// Checks the declaration against the server. Reports everything together.
pub(super) fn check(declared: &Declared, observed: &Observed) -> Result<(), Missing> {
    let mut found = Found::default();
    found.roles(declared, observed);
    found.objects(declared, observed);
    found.extensions(declared, observed);
    if found.objects.is_empty() {
        return Ok(());
    }
    Err(Missing { objects: found.objects, help: found.help.join("\n"), may_be_hidden: false })
}

/// Returns the error of a database that doesn't exist.
pub(crate) fn database(name: &str) -> Missing {
    let sql = format!("CREATE DATABASE {};", identifier(name));
    Missing {
        objects: vec![format!("database {} does not exist", visible(name))],
        help: if name == lock::DATABASE {
            format!(
                "Each server of RDS has it, and runs take their lock there. Create it as the master user: {sql}"
            )
        } else {
            Missing::help_with_databases(&sql)
        },
        may_be_hidden: false,
    }
}

#[derive(Default)]
struct Found {
    objects: Vec<String>,
    help: Vec<String>,
}

impl Found {
    fn add(&mut self, object: String, help: &str) {
        self.objects.push(object);
        if !self.help.iter().any(|other| other == help) {
            self.help.push(help.to_owned());
        }
    }

    fn roles(&mut self, declared: &Declared, observed: &Observed) {
        if !observed.roles.contains_key(IAM_ROLE) {
            self.add(
                format!("the server has no role {IAM_ROLE}"),
                "Enable IAM authentication of the instance or cluster: `aws rds modify-db-instance --enable-iam-database-authentication`. A server that is not RDS doesn't have it.",
            );
        }
        for name in declared.role_names() {
            let Some(role) = observed.roles.get(&name) else { continue };
            for (has, attribute) in [
                (role.is_superuser, "SUPERUSER"),
                (role.replicates, "REPLICATION"),
                (role.bypasses_row_security, "BYPASSRLS"),
            ] {
                if has {
                    self.add(
                        format!("the role {name} has {attribute}, which RDS lets no user change"),
                        "Declare another user, or drop the role first: nothing can take the attribute away on RDS.",
                    );
                }
            }
        }
    }

    fn objects(&mut self, declared: &Declared, observed: &Observed) {
        const OBJECT: &str = "Privileges on an object need the object: declare a table under [schema], or create the object first. Names are in the server's form: lower case, unless they were created in double quotes.";
        let scopes = declared.users().iter().flat_map(|user| &user.grants);
        let (mut missing, mut unknown) = (BTreeSet::new(), BTreeSet::new());
        let (mut functions, mut missing_sequence) = (false, false);
        for grant in scopes {
            if let Some(schema) = grant.scope.schema()
                && schema != declared.schema()
                && !observed.schemas.contains_key(schema)
            {
                missing.insert(format!("schema {} does not exist", visible(schema)));
                continue;
            }
            match &grant.scope {
                Scope::Database(name) if !observed.databases.contains_key(name) => {
                    missing.insert(format!("database {} does not exist", visible(name)));
                }
                Scope::One { kind, schema, name } if !exists(*kind, schema, name, declared, observed) => {
                    functions |= *kind == Kind::Function;
                    missing_sequence |= *kind == Kind::Sequence;
                    missing.insert(format!("{kind} {}.{} does not exist", visible(schema), visible(name)));
                }
                _ => {}
            }
            for privilege in
                grant.privileges.iter().filter(|privilege| !privilege.is_known_to(observed.version))
            {
                let version = observed.version;
                unknown.insert(format!("the privilege {privilege} does not exist in PostgreSQL {version}"));
            }
        }
        for object in missing {
            self.add(object, OBJECT);
        }
        if missing_sequence {
            self.help.push("`sequence = \"*\"` covers the sequences of all tables, those of new ones included, whatever their names.".to_owned());
        }
        for privilege in unknown {
            self.add(
                privilege,
                "MAINTAIN exists from PostgreSQL 17 on: leave it out, or upgrade the server.",
            );
        }
        if functions && declared.extensions().iter().any(|name| !observed.extensions.contains(name)) {
            self.help.push("The functions of a new extension can be named once it exists: leave the grant out for the first run. Every user may execute them, unless that is revoked from PUBLIC.".to_owned());
        }
    }

    fn extensions(&mut self, declared: &Declared, observed: &Observed) {
        for extension in declared.extensions() {
            let is_there =
                observed.extensions.contains(extension) || observed.available_extensions.contains(extension);
            if !is_there {
                let nearest =
                    observed.available_extensions.iter().min_by_key(|name| levenshtein(name, extension));
                let nearest = nearest.map(|name| format!(" (the nearest name is {})", visible(name)));
                self.add(
                    format!(
                        "the server has no extension {}{}",
                        visible(extension),
                        nearest.unwrap_or_default()
                    ),
                    "`SELECT name FROM pg_available_extensions` lists the extensions of this server.",
                );
            }
        }
    }
}

fn exists(kind: Kind, schema: &str, name: &str, declared: &Declared, observed: &Observed) -> bool {
    if kind == Kind::Function {
        return observed.routines.iter().any(|found| found.schema == schema && found.name == name);
    }
    let is_created = schema == declared.schema()
        && match kind {
            Kind::Table => declared.tables().iter().any(|table| table.table() == name),
            Kind::Sequence => observed.created_sequences(declared).any(|sequence| sequence == name),
            _ => false,
        };
    let key = (schema.to_owned(), name.to_owned());
    is_created || observed.relations.get(&key).is_some_and(|found| found.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::fixture::{DECLARATION, V15, declared, fresh};

    fn missing(text: &str, observed: &Observed) -> String {
        let missing = check(&declared(text), observed).unwrap_err();
        format!("{missing}\n{}", missing.help)
    }

    #[test]
    fn everything_that_is_missing_is_reported_together() {
        let mut observed = fresh(V15);
        observed.roles.remove("rds_iam");
        observed.available_extensions = ["pg_trgm".into(), "pgcryptx".into()].into();
        insta::assert_snapshot!(missing(DECLARATION, &observed), @"
        the server has no role rds_iam; database archive does not exist; function app.total does not exist; schema reporting does not exist; the server has no extension pgcrypto (the nearest name is pgcryptx)
        Enable IAM authentication of the instance or cluster: `aws rds modify-db-instance --enable-iam-database-authentication`. A server that is not RDS doesn't have it.
        Privileges on an object need the object: declare a table under [schema], or create the object first. Names are in the server's form: lower case, unless they were created in double quotes.
        The functions of a new extension can be named once it exists: leave the grant out for the first run. Every user may execute them, unless that is revoked from PUBLIC.
        `SELECT name FROM pg_available_extensions` lists the extensions of this server.
        ");
    }

    #[test]
    fn attributes_that_stay_and_privileges_of_later_versions() {
        let mut observed = fresh(V15);
        let role = crate::postgres::ObservedRole { is_superuser: true, ..crate::postgres::fixture::role() };
        observed.roles.insert("app".into(), role);
        let text = "[[user]]\nname = \"app\"\ngrant = [{ privileges = [\"MAINTAIN\"] }]\n";
        insta::assert_snapshot!(missing(text, &observed), @"
        the role app has SUPERUSER, which RDS lets no user change; the privilege MAINTAIN does not exist in PostgreSQL 15.18
        Declare another user, or drop the role first: nothing can take the attribute away on RDS.
        MAINTAIN exists from PostgreSQL 17 on: leave it out, or upgrade the server.
        ");
    }

    #[test]
    fn a_sequence_by_another_name() {
        let of = |sequence: &str| {
            format!(
                "[[user]]\nname = \"app\"\ngrant = [{{ sequence = \"{sequence}\", privileges = [\"USAGE\"] }}]\n[schema]\nstatements = [\"CREATE TABLE IF NOT EXISTS orders (id bigserial)\"]\n"
            )
        };
        assert_eq!(check(&declared(&of("orders_id_seq")), &fresh(V15)), Ok(()));
        let refused = missing(&of("orders_seq"), &fresh(V15));
        assert!(refused.starts_with("sequence public.orders_seq does not exist\n"), "{refused}");
        assert!(refused.contains("`sequence = \"*\"` covers the sequences of all tables"), "{refused}");
    }

    #[test]
    fn distances() {
        for (one, other, expected) in [("", "ab", 2), ("citext", "citext", 0), ("hstore", "hstroe", 2)] {
            assert_eq!(levenshtein(one, other), expected);
        }
    }
}
