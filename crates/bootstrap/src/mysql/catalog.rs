//! The observed accounts and grants, read from the server's own tables rather than from the text of `SHOW GRANTS`, so
//! that nothing has to be parsed and nothing is overlooked. The number of statements does not grow with the accounts.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::grants::RoutineKind;
use super::privilege::columns;
use super::query::{Query, names};
use super::{Account, Declared, Grants, Limits, Object, PLUGIN, PLUGIN_STRING, Privilege};

/// The tables of `mysql` that [`observe`] reads, and that the admin may read. Not the whole schema: others hold
/// passwords in clear text.
pub(super) const TABLES_READ: [&str; 8] = [
    "columns_priv",
    "db",
    "global_grants",
    "procs_priv",
    "proxies_priv",
    "role_edges",
    "tables_priv",
    "user",
];

/// The role that RDS grants to its master user.
const MASTER_ROLE: &str = "rds_superuser_role";

/// The server's state, as far as a declaration is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// `@@partial_revokes`: whether `_` and `%` in a database-level grant are plain characters.
    pub(crate) partial_revokes: bool,
    /// `@@mandatory_roles`: the roles that every account has.
    pub(crate) mandatory_roles: String,
    /// `@@activate_all_roles_on_login`: whether each login has all its roles at once.
    pub(crate) roles_active_on_login: bool,
    /// All databases that the reader may see.
    pub(crate) databases: BTreeSet<String>,
    /// The tables of the declared databases, as (database, table).
    pub(crate) tables: BTreeSet<(String, String)>,
    /// The accounts with declared names, at any host.
    pub(crate) accounts: BTreeMap<Account, ObservedAccount>,
    /// Other accounts that log in by IAM or without a name, or have privileges on the declared databases;
    /// of their grants, only those on these databases and on the whole server.
    pub(crate) others: BTreeMap<Account, ObservedAccount>,
}

/// An account of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObservedAccount {
    /// The authentication plugin.
    pub(crate) plugin: String,
    /// Whether that is the IAM plugin, set up as RDS expects it.
    pub(crate) is_iam: bool,
    /// `REQUIRE`: empty for `NONE`, `ANY` for `SSL`, `X509` for `X509`, and `SPECIFIED` for `SUBJECT`, `ISSUER` or
    /// `CIPHER`.
    pub(crate) ssl_type: String,
    /// Whether an operator has locked the account.
    pub(crate) locked: bool,
    /// Whether the account requires a second authentication factor.
    pub(crate) further_factor: bool,
    /// The limits on its logins and statements.
    pub(crate) limits: Limits,
    /// Its privileges.
    pub(crate) grants: Grants,
    /// The databases on which some of its global privileges are revoked (`partial_revokes`).
    pub(crate) restricted: BTreeSet<String>,
    /// Its roles.
    pub(crate) roles: BTreeSet<Account>,
    /// The accounts that it may act as (`PROXY`).
    pub(crate) proxies: BTreeSet<Account>,
}

/// Reads everything that [`diff`](super::diff()) needs. Changes nothing.
pub(crate) async fn observe(
    connection: &mut MySqlConnection,
    declared: &Declared,
) -> Result<Observed, sqlx::Error> {
    let databases: Vec<&str> = declared.databases().into_iter().collect();
    let users: BTreeSet<&str> = declared.accounts().map(Account::user).collect();
    let mut reader = Reader { connection, observed: Observed::default(), users, databases };
    reader.server().await?;
    reader.grants().await?;
    reader.accounts().await?;
    Ok(reader.observed)
}

struct Reader<'a> {
    connection: &'a mut MySqlConnection,
    observed: Observed,
    /// The declared names.
    users: BTreeSet<&'a str>,
    /// The declared databases.
    databases: Vec<&'a str>,
}

impl Reader<'_> {
    async fn server(&mut self) -> Result<(), sqlx::Error> {
        let sql = "SELECT @@partial_revokes, CAST(@@mandatory_roles AS CHAR), @@activate_all_roles_on_login";
        for row in self.rows(Query::new(sql)).await? {
            self.observed.partial_revokes = row.try_get(0)?;
            self.observed.mandatory_roles = row.try_get(1)?;
            self.observed.roles_active_on_login = row.try_get(2)?;
        }
        let sql = "SELECT CAST(schema_name AS CHAR) FROM information_schema.schemata";
        for row in self.rows(Query::new(sql)).await? {
            self.observed.databases.insert(row.try_get(0)?);
        }
        let sql = "SELECT CAST(table_schema AS CHAR), CAST(table_name AS CHAR) FROM information_schema.tables \
             WHERE table_schema";
        let query = Query::new(sql).one_of(self.databases.iter().copied());
        for row in self.rows(query).await? {
            self.observed.tables.insert((row.try_get(0)?, row.try_get(1)?));
        }
        Ok(())
    }

    /// Reads the grants of accounts with declared names, and those of others on the declared databases.
    async fn grants(&mut self) -> Result<(), sqlx::Error> {
        let sql = format!(
            "SELECT CAST(User AS CHAR), CAST(Host AS CHAR), CAST(Db AS CHAR), {} FROM mysql.db WHERE User",
            columns(true)
        );
        let mut query = Query::new(&sql).one_of(self.users.iter().copied());
        for database in &self.databases {
            // A name in `mysql.db` may be a pattern.
            query = query.and(" OR ").value(database).and(" LIKE Db");
        }
        for row in self.rows(query).await? {
            let object = Object::Database { pattern: row.try_get(2)? };
            self.entry(&row)?.add(object, &row.try_get::<String, _>(3)?);
        }

        let query = self.about(
            "SELECT CAST(User AS CHAR), CAST(Host AS CHAR), CAST(Db AS CHAR), CAST(Table_name AS CHAR), \
             CAST(Table_priv AS CHAR) FROM mysql.tables_priv WHERE User",
        );
        for row in self.rows(query).await? {
            let object = Object::Table { database: row.try_get(2)?, table: row.try_get(3)? };
            self.entry(&row)?.add(object, &row.try_get::<String, _>(4)?);
        }

        let query = self.about(
            "SELECT CAST(User AS CHAR), CAST(Host AS CHAR), CAST(Db AS CHAR), CAST(Table_name AS CHAR), \
             CAST(Column_name AS CHAR), CAST(Column_priv AS CHAR) FROM mysql.columns_priv WHERE User",
        );
        for row in self.rows(query).await? {
            let object =
                Object::Column { database: row.try_get(2)?, table: row.try_get(3)?, column: row.try_get(4)? };
            self.entry(&row)?.add(object, &row.try_get::<String, _>(5)?);
        }

        let query = self.about(
            "SELECT CAST(User AS CHAR), CAST(Host AS CHAR), CAST(Db AS CHAR), CAST(Routine_name AS CHAR), \
             CAST(Routine_type AS CHAR), CAST(Proc_priv AS CHAR) FROM mysql.procs_priv WHERE User",
        );
        for row in self.rows(query).await? {
            let kind = match row.try_get::<String, _>(4)?.as_str() {
                "FUNCTION" => RoutineKind::Function,
                "LIBRARY" => RoutineKind::Library,
                _ => RoutineKind::Procedure,
            };
            let object = Object::Routine { database: row.try_get(2)?, kind, routine: row.try_get(3)? };
            self.entry(&row)?.add(object, &row.try_get::<String, _>(5)?);
        }
        Ok(())
    }

    /// Reads the accounts themselves, with their privileges on the whole server.
    async fn accounts(&mut self) -> Result<(), sqlx::Error> {
        let sql = format!(
            "SELECT CAST(User AS CHAR), CAST(Host AS CHAR), CAST(plugin AS CHAR), \
             plugin = '{PLUGIN}' AND authentication_string <=> '{PLUGIN_STRING}', CAST(ssl_type AS CHAR), \
             account_locked = 'Y', max_questions, max_updates, max_connections, max_user_connections, \
             CAST(IFNULL(JSON_EXTRACT(User_attributes, '$.Password_locking.failed_login_attempts'), 0) AS SIGNED), \
             CAST(IFNULL(JSON_EXTRACT(User_attributes, '$.Password_locking.password_lock_time_days'), 0) AS SIGNED), \
             IFNULL(JSON_CONTAINS_PATH(User_attributes, 'one', '$.multi_factor_authentication'), 0), \
             CAST(IFNULL(JSON_EXTRACT(User_attributes, '$.Restrictions[*].Database'), '[]') AS CHAR), {} \
             FROM mysql.user WHERE plugin = '{PLUGIN}' OR User = '' OR User",
            columns(false)
        );
        for row in self.rows(Query::new(&sql).one_of(self.names())).await? {
            let restricted: String = row.try_get(13)?;
            let account = self.entry(&row)?;
            account.plugin = row.try_get(2)?;
            account.is_iam = row.try_get(3)?;
            account.ssl_type = row.try_get(4)?;
            account.locked = row.try_get(5)?;
            account.limits = Limits {
                queries_per_hour: row.try_get(6)?,
                updates_per_hour: row.try_get(7)?,
                connections_per_hour: row.try_get(8)?,
                connections: row.try_get(9)?,
                failed_login_attempts: row.try_get(10)?,
                password_lock_days: row.try_get(11)?,
            };
            account.further_factor = row.try_get::<i64, _>(12)? != 0;
            account.restricted = serde_json::from_str(&restricted).map_err(decoding)?;
            account.add(Object::Global, &row.try_get::<String, _>(14)?);
        }

        let sql = "SELECT CAST(USER AS CHAR), CAST(HOST AS CHAR), CAST(PRIV AS CHAR) \
             FROM mysql.global_grants WHERE USER";
        for row in self.rows(Query::new(sql).one_of(self.names())).await? {
            self.entry(&row)?.add(Object::Global, &row.try_get::<String, _>(2)?);
        }

        let sql = "SELECT CAST(TO_USER AS CHAR), CAST(TO_HOST AS CHAR), CAST(FROM_USER AS CHAR), \
             CAST(FROM_HOST AS CHAR) FROM mysql.role_edges WHERE TO_USER";
        for row in self.rows(Query::new(sql).one_of(self.names())).await? {
            let role = other(&row)?;
            self.entry(&row)?.roles.insert(role);
        }

        let sql = "SELECT CAST(User AS CHAR), CAST(Host AS CHAR), CAST(Proxied_user AS CHAR), \
             CAST(Proxied_host AS CHAR) FROM mysql.proxies_priv WHERE User";
        for row in self.rows(Query::new(sql).one_of(self.names())).await? {
            let proxied = other(&row)?;
            self.entry(&row)?.proxies.insert(proxied);
        }
        Ok(())
    }

    /// Completes a query that ends in `WHERE User`, for declared names or databases.
    fn about(&self, sql: &str) -> Query {
        let query = Query::new(sql).one_of(self.users.iter().copied());
        query.and(" OR Db").one_of(self.databases.iter().copied())
    }

    /// Returns the declared names, and those that were found beside them.
    fn names(&self) -> BTreeSet<&str> {
        names(&self.users, self.observed.others.keys().map(Account::user))
    }

    async fn rows(&mut self, query: Query) -> Result<Vec<MySqlRow>, sqlx::Error> {
        query.rows(self.connection).await
    }

    /// Returns the account in the first columns of a row. A grant can outlive its account's row in `mysql.user` only if
    /// the tables were edited by hand; it then shows as an account without a plugin.
    fn entry(&mut self, row: &MySqlRow) -> Result<&mut ObservedAccount, sqlx::Error> {
        let account = Account::observed(row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?);
        let is_declared = self.users.contains(account.user());
        let accounts = if is_declared { &mut self.observed.accounts } else { &mut self.observed.others };
        Ok(accounts.entry(account).or_default())
    }
}

fn other(row: &MySqlRow) -> Result<Account, sqlx::Error> {
    Ok(Account::observed(row.try_get::<String, _>(2)?, row.try_get::<String, _>(3)?))
}

fn decoding(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

impl ObservedAccount {
    /// Returns whether the account requires more than TLS, such as a client certificate.
    pub(crate) fn is_stricter_than_tls(&self) -> bool {
        !matches!(self.ssl_type.as_str(), "" | "ANY")
    }

    pub(super) fn uses_iam_plugin(&self) -> bool {
        self.plugin == PLUGIN
    }

    /// Returns whether the account manages accounts itself, as the master user does.
    pub(super) fn is_administrator(&self) -> bool {
        let creates = Privilege::from_name("CREATE USER");
        let is_global = self.grants.get(&Object::Global).is_some_and(|global| global.contains(&creates));
        is_global || self.roles.iter().any(|role| role.user() == MASTER_ROLE)
    }

    fn add(&mut self, object: Object, privileges: &str) {
        let privileges: Vec<_> =
            privileges.split(',').filter(|name| !name.is_empty()).map(Privilege::observed).collect();
        // A row of `tables_priv` may exist for its columns alone.
        if !privileges.is_empty() {
            self.grants.entry(object).or_default().extend(privileges);
        }
    }
}
