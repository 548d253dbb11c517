//! What exists: read from the server's own tables rather than from the text of `SHOW GRANTS`, so that
//! nothing has to be parsed and nothing is overlooked.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Row};

use super::grants::RoutineKind;
use super::privilege::columns;
use super::{Account, Grants, Object, PLUGIN, PLUGIN_STRING, Privilege};
use crate::Declaration;

/// The tables of `mysql` that [`observe`] reads, and so the admin may. Not the whole schema: others hold
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

/// What the server has of that which a declaration speaks about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// `@@partial_revokes`: whether `_` and `%` in a database-level grant are plain characters.
    pub partial_revokes: bool,
    /// All databases that the reader sees.
    pub databases: BTreeSet<String>,
    /// The tables of the declared databases, as (database, table).
    pub tables: BTreeSet<(String, String)>,
    /// The accounts with declared names, at whatever host.
    pub accounts: BTreeMap<Account, ObservedAccount>,
}

/// What the server has of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedAccount {
    /// The authentication plugin.
    pub plugin: String,
    /// Whether that is the IAM plugin, set up as RDS wants it.
    pub is_iam: bool,
    /// `REQUIRE`: the empty text stands for nothing, `ANY` for `SSL`, `X509` for itself, and `SPECIFIED` for
    /// `SUBJECT`, `ISSUER` or `CIPHER`.
    pub ssl_type: String,
    /// Whether somebody has locked it.
    pub locked: bool,
    /// What it may do.
    pub grants: Grants,
    /// The roles that it has.
    pub roles: BTreeSet<Account>,
    /// The accounts that it may act as.
    pub proxies: BTreeSet<Account>,
}

/// Reads everything that [`plan`](super::plan()) has to know. Changes nothing.
pub(crate) async fn observe(
    connection: &mut MySqlConnection,
    declaration: &Declaration,
) -> Result<Observed, sqlx::Error> {
    let partial_revokes: bool =
        sqlx::query_scalar("SELECT @@partial_revokes").fetch_one(&mut *connection).await?;
    let mut observed = Observed { partial_revokes, ..Observed::default() };
    for row in
        rows(connection, "SELECT CAST(schema_name AS CHAR) FROM information_schema.schemata", None).await?
    {
        observed.databases.insert(row.try_get(0)?);
    }
    for database in declaration.databases() {
        let sql = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = ?";
        for row in rows(connection, sql, Some(database)).await? {
            observed.tables.insert((database.to_owned(), row.try_get(0)?));
        }
    }
    let users: BTreeSet<_> = declaration.accounts().map(Account::user).collect();
    for user in users {
        accounts(connection, user, &mut observed.accounts).await?;
    }
    Ok(observed)
}

type Accounts = BTreeMap<Account, ObservedAccount>;

async fn accounts(
    connection: &mut MySqlConnection,
    user: &str,
    accounts: &mut Accounts,
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "SELECT CAST(Host AS CHAR), CAST(plugin AS CHAR), CAST(ssl_type AS CHAR), account_locked = 'Y', \
         plugin = '{PLUGIN}' AND authentication_string <=> '{PLUGIN_STRING}', {} \
         FROM mysql.user WHERE User = ?",
        columns(false)
    );
    for row in rows(connection, &sql, Some(user)).await? {
        let mut account = ObservedAccount {
            plugin: row.try_get(1)?,
            ssl_type: row.try_get(2)?,
            locked: row.try_get(3)?,
            is_iam: row.try_get(4)?,
            ..ObservedAccount::default()
        };
        account.add(Object::Global, &row.try_get::<String, _>(5)?);
        accounts.insert(Account::observed(user, row.try_get::<String, _>(0)?), account);
    }

    let sql = format!(
        "SELECT CAST(Host AS CHAR), CAST(Db AS CHAR), {} FROM mysql.db WHERE User = ?",
        columns(true)
    );
    for row in rows(connection, &sql, Some(user)).await? {
        let object = Object::Database { pattern: row.try_get(1)? };
        entry(accounts, user, &row)?.add(object, &row.try_get::<String, _>(2)?);
    }

    let sql = "SELECT CAST(Host AS CHAR), CAST(Db AS CHAR), CAST(Table_name AS CHAR), CAST(Table_priv AS CHAR) \
         FROM mysql.tables_priv WHERE User = ?";
    for row in rows(connection, sql, Some(user)).await? {
        let object = Object::Table { database: row.try_get(1)?, table: row.try_get(2)? };
        entry(accounts, user, &row)?.add(object, &row.try_get::<String, _>(3)?);
    }

    let sql = "SELECT CAST(Host AS CHAR), CAST(Db AS CHAR), CAST(Table_name AS CHAR), \
         CAST(Column_name AS CHAR), CAST(Column_priv AS CHAR) FROM mysql.columns_priv WHERE User = ?";
    for row in rows(connection, sql, Some(user)).await? {
        let object =
            Object::Column { database: row.try_get(1)?, table: row.try_get(2)?, column: row.try_get(3)? };
        entry(accounts, user, &row)?.add(object, &row.try_get::<String, _>(4)?);
    }

    let sql = "SELECT CAST(Host AS CHAR), CAST(Db AS CHAR), CAST(Routine_name AS CHAR), \
         CAST(Routine_type AS CHAR), CAST(Proc_priv AS CHAR) FROM mysql.procs_priv WHERE User = ?";
    for row in rows(connection, sql, Some(user)).await? {
        let kind = match row.try_get::<String, _>(3)?.as_str() {
            "FUNCTION" => RoutineKind::Function,
            "LIBRARY" => RoutineKind::Library,
            _ => RoutineKind::Procedure,
        };
        let object = Object::Routine { database: row.try_get(1)?, kind, routine: row.try_get(2)? };
        entry(accounts, user, &row)?.add(object, &row.try_get::<String, _>(4)?);
    }

    let sql = "SELECT CAST(HOST AS CHAR), CAST(PRIV AS CHAR) FROM mysql.global_grants WHERE USER = ?";
    for row in rows(connection, sql, Some(user)).await? {
        entry(accounts, user, &row)?.add(Object::Global, &row.try_get::<String, _>(1)?);
    }

    let sql = "SELECT CAST(TO_HOST AS CHAR), CAST(FROM_USER AS CHAR), CAST(FROM_HOST AS CHAR) \
         FROM mysql.role_edges WHERE TO_USER = ?";
    for row in rows(connection, sql, Some(user)).await? {
        entry(accounts, user, &row)?.roles.insert(other(&row)?);
    }

    let sql = "SELECT CAST(Host AS CHAR), CAST(Proxied_user AS CHAR), CAST(Proxied_host AS CHAR) \
         FROM mysql.proxies_priv WHERE User = ?";
    for row in rows(connection, sql, Some(user)).await? {
        entry(accounts, user, &row)?.proxies.insert(other(&row)?);
    }
    Ok(())
}

/// The account that a row is about. A grant can outlive its account's row in `mysql.user` only where
/// somebody edited the tables by hand; it then shows as an account without a plugin.
fn entry<'a>(
    accounts: &'a mut Accounts,
    user: &str,
    row: &MySqlRow,
) -> Result<&'a mut ObservedAccount, sqlx::Error> {
    Ok(accounts.entry(Account::observed(user, row.try_get::<String, _>(0)?)).or_default())
}

fn other(row: &MySqlRow) -> Result<Account, sqlx::Error> {
    Ok(Account::observed(row.try_get::<String, _>(1)?, row.try_get::<String, _>(2)?))
}

impl ObservedAccount {
    /// Whether it demands TLS and something beside, such as a client certificate.
    pub(super) fn is_stricter_than_tls(&self) -> bool {
        !matches!(self.ssl_type.as_str(), "" | "ANY")
    }

    fn add(&mut self, object: Object, privileges: &str) {
        let privileges: Vec<_> =
            privileges.split(',').filter(|name| !name.is_empty()).map(Privilege::observed).collect();
        // A row of `tables_priv` may be there for its columns alone.
        if !privileges.is_empty() {
            self.grants.entry(object).or_default().extend(privileges);
        }
    }
}

async fn rows(
    connection: &mut MySqlConnection,
    sql: &str,
    parameter: Option<&str>,
) -> Result<Vec<MySqlRow>, sqlx::Error> {
    // Made of constants only; what varies is a parameter.
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    match parameter {
        Some(parameter) => query.bind(parameter).fetch_all(connection).await,
        None => query.fetch_all(connection).await,
    }
}
