//! Reads the observed state from the server's catalogs. The number of statements does not grow with the users.

use std::collections::BTreeMap;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{FromRow, Row};

use super::catalog_sql as sql;
use super::names::is_reserved;
use super::{
    CANARY, Canary, Declared, FutureObjects, Held, Kind, MASTER_ROLE, Membership, Object, Observed,
    ObservedRole, OtherKind, Owned, Privilege, Relation, Routine, Version, lock,
};
use crate::answer::answer;

/// Reads everything that [`diff`](super::diff()) needs. Changes nothing. Without a `master`, each role
/// that may be the master user counts.
pub(crate) async fn observe(
    connection: &mut PgConnection,
    declared: &Declared,
    master: Option<&str>,
) -> Result<Observed, sqlx::Error> {
    let mut reader = Reader { connection, observed: Observed::default() };
    reader.server().await?;
    // Older catalogs lack columns that the rest reads.
    if !reader.observed.version.is_supported() {
        return Ok(reader.observed);
    }
    reader.roles(master).await?;
    reader.canary().await?;
    reader.objects(declared).await?;
    reader.privileges(declared).await?;
    Ok(reader.observed)
}

struct Reader<'a> {
    connection: &'a mut PgConnection,
    observed: Observed,
}

impl Reader<'_> {
    async fn server(&mut self) -> Result<(), sqlx::Error> {
        let (version, force_ssl): (i32, String) = self.rows(sql::SERVER).await?.remove(0);
        self.observed.version = Version::new(version.unsigned_abs());
        self.observed.force_ssl = is_on(&force_ssl);
        Ok(())
    }

    async fn roles(&mut self, master: Option<&str>) -> Result<(), sqlx::Error> {
        for row in answer(sqlx::query(sql::ROLES).fetch_all(&mut *self.connection)).await? {
            let role = ObservedRole {
                can_login: row.try_get(1)?,
                inherits: row.try_get(2)?,
                creates_roles: row.try_get(3)?,
                creates_databases: row.try_get(4)?,
                is_superuser: row.try_get(5)?,
                replicates: row.try_get(6)?,
                bypasses_row_security: row.try_get(7)?,
                connection_limit: row.try_get(8)?,
                settings: settings(&row.try_get::<Vec<_>, _>(9)?),
                settings_here: BTreeMap::new(),
            };
            self.observed.roles.insert(row.try_get(0)?, role);
        }
        for (name, here) in self.rows::<(String, Vec<String>)>(sql::SETTINGS).await? {
            if let Some(role) = self.observed.roles.get_mut(&name) {
                role.settings_here = settings(&here);
            }
        }
        let has_options = self.observed.version.has_membership_options();
        let memberships = if has_options { sql::MEMBERSHIPS_16 } else { sql::MEMBERSHIPS_15 };
        type Columns = (String, String, String, bool, bool, bool, bool);
        let rows: Vec<Columns> = self.rows(memberships).await?;
        for (member, role, grantor, admin, inherit, set, is_creator) in rows {
            let membership = Membership { member, role, grantor, admin, inherit, set, is_creator };
            self.observed.add_membership(membership);
        }
        if let Some(master) = master {
            self.observed.masters.insert(master.to_owned());
        } else {
            let of_master = self.observed.memberships.keys().filter(|(_, role)| role == MASTER_ROLE);
            let can_login =
                |name: &&String| self.observed.roles.get(*name).is_some_and(|role| role.can_login);
            let masters = of_master.map(|(member, _)| member).filter(|name| !is_reserved(name));
            self.observed.masters = masters.filter(can_login).cloned().collect();
        }
        Ok(())
    }

    async fn canary(&mut self) -> Result<(), sqlx::Error> {
        if !self.observed.roles.contains_key(CANARY) {
            return Ok(());
        }
        let query = sqlx::query_as(sql::CANARY)
            .bind(CANARY)
            .bind(i64::from(lock::NUMBER))
            .bind(i64::from(lock::TEST));
        let found: Option<(bool, bool)> = answer(query.fetch_optional(&mut *self.connection)).await?;
        self.observed.canary = match found {
            // Another run makes the test, or has dropped the role meanwhile.
            Some((_, true)) | None => None,
            Some((has_objects, false)) => Some(Canary { has_objects }),
        };
        Ok(())
    }

    async fn objects(&mut self, declared: &Declared) -> Result<(), sqlx::Error> {
        let databases: Vec<(String, String, bool)> = self.rows(sql::DATABASES).await?;
        for (name, owner, public_connects) in databases {
            if name == declared.database() {
                self.observed.public_connects = public_connects;
            }
            self.observed.databases.insert(name, owner);
        }
        self.observed.schemas =
            self.rows::<(String, String)>(sql::SCHEMAS).await?.into_iter().collect::<BTreeMap<_, _>>();

        let schemas: Vec<String> = declared.schemas().into_iter().map(str::to_owned).collect();
        for row in self.about(sql::RELATIONS, &schemas).await? {
            let relation = Relation {
                kind: if row.try_get(2)? { Kind::Sequence } else { Kind::Table },
                owner: row.try_get(3)?,
                of_extension: row.try_get(4)?,
            };
            self.observed.relations.insert((row.try_get(0)?, row.try_get(1)?), relation);
        }
        for row in self.about(sql::ROUTINES, &schemas).await? {
            self.observed.routines.push(Routine {
                schema: row.try_get(0)?,
                name: row.try_get(1)?,
                arguments: row.try_get(2)?,
                owner: row.try_get(3)?,
                of_extension: row.try_get(4)?,
            });
        }
        let extensions: Vec<(String, bool)> = self.rows(sql::EXTENSIONS).await?;
        for (name, is_there) in extensions {
            let Observed { extensions, available_extensions, .. } = &mut self.observed;
            if is_there {
                extensions.insert(name)
            } else {
                available_extensions.insert(name)
            };
        }
        Ok(())
    }

    async fn privileges(&mut self, declared: &Declared) -> Result<(), sqlx::Error> {
        for row in self.about(sql::PRIVILEGES, &declared.role_names()).await? {
            let object = object(&row)?;
            let held = Held {
                grantor: row.try_get(5)?,
                privilege: Privilege::observed(row.try_get(6)?),
                with_grant_option: row.try_get(7)?,
            };
            self.observed.owners.insert(object.clone(), row.try_get(8)?);
            let grants = self.observed.grants.entry(row.try_get(4)?).or_default();
            grants.entry(object).or_default().insert(held);
        }
        let users: Vec<_> = declared.users().iter().map(|user| user.role.name().to_owned()).collect();
        for row in self.about(sql::OWNED, &users).await? {
            let owned = Owned { count: row.try_get(1)?, example: row.try_get(2)? };
            self.observed.owned.insert(row.try_get(0)?, owned);
        }
        Ok(())
    }

    async fn rows<T>(&mut self, sql: &'static str) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        answer(sqlx::query_as(sql).fetch_all(&mut *self.connection)).await
    }

    async fn about(&mut self, sql: &'static str, names: &[String]) -> Result<Vec<PgRow>, sqlx::Error> {
        answer(sqlx::query(sql).bind(names).fetch_all(&mut *self.connection)).await
    }
}

/// Splits settings in the catalog's form, `name=value`.
fn settings(all: &[String]) -> BTreeMap<String, String> {
    let pairs = all.iter().filter_map(|setting| setting.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Returns whether a setting is on, in the spellings that parameter groups and the server use. A server without it counts.
fn is_on(setting: &str) -> bool {
    !["0", "off", "false", "no"].iter().any(|off| setting.eq_ignore_ascii_case(off))
}

/// Returns the object in the first columns of a row.
fn object(row: &PgRow) -> Result<Object, sqlx::Error> {
    let (kind, a, b, c): (String, String, String, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    Ok(match kind.as_str() {
        "d" => Object::Database(a),
        "n" => Object::Schema(a),
        "s" => Object::Sequence { schema: a, sequence: b },
        "c" => Object::Column { schema: a, table: b, column: c },
        "f" => Object::Function { schema: a, function: b, arguments: c },
        "D" => {
            let objects = FutureObjects::from_code(&c);
            Object::Future { owner: b, schema: (!a.is_empty()).then_some(a), objects }
        }
        "o" => match OtherKind::from_sql(&a) {
            Some(kind) => Object::Other { kind, schema: b, name: c },
            None => return Err(sqlx::Error::Decode(format!("the kind {a} is unknown").into())),
        },
        _ => Object::Table { schema: a, table: b },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_setting() {
        for (setting, expected) in [
            ("on", true),
            ("1", true),
            ("off", false),
            ("0", false),
            ("OFF", false),
            ("false", false),
            ("", true),
        ] {
            assert_eq!(is_on(setting), expected, "{setting:?}");
        }
    }
}
