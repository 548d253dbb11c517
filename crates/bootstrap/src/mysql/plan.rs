//! From what should be and what is to what has to be done. Pure: no server, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::catalog::TABLES_READ;
use super::grants::by_object;
use super::names::{database_pattern, identifier, is_wildcard, visible};
use super::{Account, Grants, Object, Observed, ObservedAccount, PLUGIN, PLUGIN_STRING, Privilege};
use crate::Declaration;

/// What has to be done, in order, and what can't be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The actions. None: all is as declared.
    pub actions: Vec<Action>,
    /// What a person should look at. A run neither changes it nor counts it as drift.
    pub warnings: Vec<Warning>,
}

/// One statement, and who runs it when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Action {
    /// The step of the run.
    pub step: Step,
    /// Who runs it.
    pub actor: Actor,
    /// What it does.
    pub change: Change,
}

/// The steps of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// 1: read and check the configuration.
    Configuration = 1,
    /// 2: fetch the master user's credentials.
    Credentials = 2,
    /// 3: as the master user, create or mend the IAM admin.
    Admin = 3,
    /// 4: connect as that admin, by IAM.
    Switch = 4,
    /// 5: make the tables, create or mend the users.
    Users = 5,
    /// 6: verify.
    Verify = 6,
}

/// Who runs a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Actor {
    /// The master user. For the admin itself, and to take away what the admin doesn't have.
    Master,
    /// The IAM admin.
    Admin,
}

/// A change to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Creates an account that logs in by IAM, over TLS only.
    CreateAccount {
        /// The account.
        account: Account,
    },
    /// Makes an existing account log in by IAM, over TLS only. A password that it had ends; what it
    /// demands beyond TLS stays.
    UseIam {
        /// The account.
        account: Account,
        /// The plugin that it has.
        from: String,
        /// Whether it demands more than TLS, which stays.
        stricter: bool,
    },
    /// Makes an existing account connect over TLS only.
    RequireTls {
        /// The account.
        account: Account,
    },
    /// Grants what is declared and missing.
    Grant {
        /// The account.
        account: Account,
        /// On what.
        object: Object,
        /// What.
        privileges: BTreeSet<Privilege>,
    },
    /// Revokes what isn't declared.
    Revoke {
        /// The account.
        account: Account,
        /// On what.
        object: Object,
        /// What.
        privileges: BTreeSet<Privilege>,
        /// Whether the object stands for several databases.
        wildcard: bool,
    },
    /// Takes away a role. None can be declared.
    RevokeRole {
        /// The account.
        account: Account,
        /// The role.
        role: Account,
    },
    /// Creates a table.
    CreateTable {
        /// Its name.
        table: String,
        /// The statement.
        sql: String,
    },
}

/// What a run leaves to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The name exists at another host too.
    OtherHost {
        /// The account that is declared.
        account: Account,
        /// The other one.
        other: Account,
    },
    /// Somebody locked the account.
    Locked {
        /// The account.
        account: Account,
    },
    /// It demands more than TLS: a client certificate, as a rule. Nobody weakens that but a person.
    StricterTls {
        /// The account.
        account: Account,
    },
    /// It may act as another user.
    Proxy {
        /// The account.
        account: Account,
        /// Whom it may act as.
        proxied: Account,
    },
}

/// What the declaration speaks about and neither exists nor will.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.list())]
#[non_exhaustive]
pub struct Missing {
    /// Databases.
    pub databases: Vec<String>,
    /// Tables, as (database, table).
    pub tables: Vec<(String, String)>,
}

/// Compares a declaration with what is there.
///
/// # Errors
/// [`Missing`] where a database or a table doesn't exist: there is nothing to grant on. Create it first.
pub fn plan(declaration: &Declaration, observed: &Observed) -> Result<Plan, Missing> {
    Missing::check(declaration, observed)?;
    let handed_on = handed_on(declaration);
    let mut planning = Planning { observed, handed_on: &handed_on, plan: Plan::default() };

    planning.account(declaration.admin(), &admin_grants(&handed_on, observed), Step::Admin);
    for table in declaration.tables() {
        let database = declaration.database();
        if !observed.tables.contains(&(database.to_owned(), table.table().to_owned())) {
            let change = Change::CreateTable { table: table.table().to_owned(), sql: table.sql(database) };
            planning.push(Step::Users, Actor::Admin, change);
        }
    }
    for user in declaration.users() {
        let wanted = by_object(&user.grants, observed.partial_revokes);
        planning.account(&user.account, &wanted, Step::Users);
    }
    Ok(planning.plan)
}

/// What the admin has on each database: all that any user is declared to have, to hand it on, and what
/// making tables takes.
fn handed_on(declaration: &Declaration) -> BTreeMap<&str, BTreeSet<Privilege>> {
    let mut databases: BTreeMap<&str, BTreeSet<Privilege>> = BTreeMap::new();
    for grant in declaration.users().iter().flat_map(|user| &user.grants) {
        let privileges = databases.entry(&grant.database).or_default();
        privileges.extend(grant.privileges.iter().cloned());
        privileges.insert(Privilege::GRANT_OPTION);
    }
    if !declaration.tables().is_empty() {
        databases.entry(declaration.database()).or_default().insert(Privilege::named("CREATE"));
    }
    databases
}

fn admin_grants(handed_on: &BTreeMap<&str, BTreeSet<Privilege>>, observed: &Observed) -> Grants {
    let databases = handed_on.iter().map(|(database, privileges)| {
        let pattern = database_pattern(database, observed.partial_revokes);
        (Object::Database { pattern }, privileges.clone())
    });
    let catalog = TABLES_READ.iter().map(|table| {
        let object = Object::Table { database: "mysql".into(), table: (*table).into() };
        (object, BTreeSet::from([Privilege::named("SELECT")]))
    });
    let create_user = (Object::Global, BTreeSet::from([Privilege::named("CREATE USER")]));
    databases.chain(catalog).chain([create_user]).collect()
}

struct Planning<'a> {
    observed: &'a Observed,
    handed_on: &'a BTreeMap<&'a str, BTreeSet<Privilege>>,
    plan: Plan,
}

impl Planning<'_> {
    fn push(&mut self, step: Step, actor: Actor, change: Change) {
        self.plan.actions.push(Action { step, actor, change });
    }

    fn account(&mut self, account: &Account, wanted: &Grants, step: Step) {
        let actor = if step == Step::Admin { Actor::Master } else { Actor::Admin };
        let found = self.observed.accounts.get(account);
        let own = || account.clone();
        match found {
            None => self.push(step, actor, Change::CreateAccount { account: own() }),
            Some(found) if !found.is_iam => {
                let (from, stricter) = (found.plugin.clone(), found.is_stricter_than_tls());
                self.push(step, actor, Change::UseIam { account: own(), from, stricter });
            }
            Some(found) if found.ssl_type.is_empty() => {
                self.push(step, actor, Change::RequireTls { account: own() });
            }
            Some(_) => {}
        }
        self.warn(account, found);

        let none = ObservedAccount::default();
        let found = found.unwrap_or(&none);
        // First all that is missing: an application keeps what it needs while a grant is replaced.
        for (object, privileges) in difference(wanted, &found.grants) {
            self.push(step, actor, Change::Grant { account: own(), object, privileges });
        }
        for (object, privileges) in difference(&found.grants, wanted) {
            let actor = if self.admin_has(&object, &privileges) { actor } else { Actor::Master };
            let wildcard = matches!(&object, Object::Database { pattern }
                if is_wildcard(pattern, self.observed.partial_revokes));
            self.push(step, actor, Change::Revoke { account: own(), object, privileges, wildcard });
        }
        for role in &found.roles {
            self.push(step, Actor::Master, Change::RevokeRole { account: own(), role: role.clone() });
        }
    }

    /// Whether the admin may revoke: one can only take away what one has oneself.
    fn admin_has(&self, object: &Object, privileges: &BTreeSet<Privilege>) -> bool {
        self.handed_on.iter().any(|(database, has)| {
            let pattern = database_pattern(database, self.observed.partial_revokes);
            let name = if matches!(object, Object::Database { .. }) { pattern.as_str() } else { *database };
            object.database() == Some(name)
                && has.contains(&Privilege::GRANT_OPTION)
                && has.is_superset(privileges)
        })
    }

    fn warn(&mut self, account: &Account, found: Option<&ObservedAccount>) {
        let warnings = &mut self.plan.warnings;
        let others = self.observed.accounts.keys().filter(|a| a.user() == account.user() && *a != account);
        warnings.extend(
            others.map(|other| Warning::OtherHost { account: account.clone(), other: other.clone() }),
        );
        let Some(found) = found else { return };
        if found.locked {
            warnings.push(Warning::Locked { account: account.clone() });
        }
        if found.is_stricter_than_tls() {
            warnings.push(Warning::StricterTls { account: account.clone() });
        }
        let proxies = found.proxies.iter();
        warnings.extend(proxies.map(|p| Warning::Proxy { account: account.clone(), proxied: p.clone() }));
    }
}

/// What `these` have beyond `those`.
fn difference(these: &Grants, those: &Grants) -> Vec<(Object, BTreeSet<Privilege>)> {
    let none = BTreeSet::new();
    these
        .iter()
        .map(|(object, privileges)| {
            let beyond = privileges - those.get(object).unwrap_or(&none);
            (object.clone(), beyond)
        })
        .filter(|(_, beyond)| !beyond.is_empty())
        .collect()
}

impl Missing {
    fn check(declaration: &Declaration, observed: &Observed) -> Result<(), Self> {
        let databases = declaration.databases().into_iter();
        let databases: Vec<_> =
            databases.filter(|name| !observed.databases.contains(*name)).map(str::to_owned).collect();
        let made = |database: &str, table: &str| {
            database == declaration.database()
                && declaration.tables().iter().any(|made| made.table() == table)
        };
        let tables: BTreeSet<_> = declaration
            .users()
            .iter()
            .flat_map(|user| &user.grants)
            .filter_map(|grant| Some((grant.database.clone(), grant.table.clone()?)))
            .filter(|(database, table)| !databases.contains(database) && !made(database, table))
            .filter(|table| !observed.tables.contains(table))
            .collect();
        let tables: Vec<_> = tables.into_iter().collect();
        if databases.is_empty() && tables.is_empty() { Ok(()) } else { Err(Self { databases, tables }) }
    }

    fn list(&self) -> String {
        let databases =
            self.databases.iter().map(|name| format!("database {} does not exist", visible(name)));
        let tables = self.tables.iter().map(|(database, table)| {
            format!("table {}.{} does not exist", visible(database), visible(table))
        });
        databases.chain(tables).collect::<Vec<_>>().join("; ")
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        let mut hints = Vec::new();
        if !self.databases.is_empty() {
            let sql: Vec<_> =
                self.databases.iter().map(|name| format!("CREATE DATABASE {};", identifier(name))).collect();
            hints.push(format!(
                "RDS creates a database along with the instance only where it is told its name (Terraform: db_name). Check DB_NAME and the users file, or create it as the master user: {}",
                sql.join(" ")
            ));
        }
        if !self.tables.is_empty() {
            hints.push(
                "Privileges on a table need the table: declare it under [schema], or create it first."
                    .to_owned(),
            );
        }
        hints.join("\n")
    }
}

impl Action {
    /// The statement.
    #[must_use]
    pub fn sql(&self) -> String {
        let iam = format!("IDENTIFIED WITH {PLUGIN} AS '{PLUGIN_STRING}'");
        match &self.change {
            Change::CreateAccount { account } => {
                format!("CREATE USER IF NOT EXISTS {} {iam} REQUIRE SSL", account.sql())
            }
            Change::UseIam { account, stricter, .. } => {
                // Without REQUIRE, what the account demands stays as it is.
                let require = if *stricter { "" } else { " REQUIRE SSL" };
                format!("ALTER USER {} {iam}{require}", account.sql())
            }
            Change::RequireTls { account } => format!("ALTER USER {} REQUIRE SSL", account.sql()),
            Change::Grant { account, object, privileges } => {
                let mut plain = privileges.clone();
                let hand_on = plain.remove(&Privilege::GRANT_OPTION);
                if plain.is_empty() {
                    plain.insert(Privilege::named("USAGE"));
                }
                let with = if hand_on { " WITH GRANT OPTION" } else { "" };
                format!("GRANT {} TO {}{with}", object.sql(&plain), account.sql())
            }
            Change::Revoke { account, object, privileges, .. } => {
                format!("REVOKE {} FROM {}", object.sql(privileges), account.sql())
            }
            Change::RevokeRole { account, role } => format!("REVOKE {} FROM {}", role.sql(), account.sql()),
            Change::CreateTable { sql, .. } => sql.clone(),
        }
    }
}

impl Change {
    /// `+` for what is new, `~` for what changes, `-` for what goes.
    pub(crate) fn sign(&self) -> char {
        match self {
            Self::CreateAccount { .. } | Self::Grant { .. } | Self::CreateTable { .. } => '+',
            Self::UseIam { .. } | Self::RequireTls { .. } => '~',
            Self::Revoke { .. } | Self::RevokeRole { .. } => '-',
        }
    }

    /// A short name, for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateAccount { .. } => "create_account",
            Self::UseIam { .. } => "use_iam",
            Self::RequireTls { .. } => "require_tls",
            Self::Grant { .. } => "grant",
            Self::Revoke { .. } => "revoke",
            Self::RevokeRole { .. } => "revoke_role",
            Self::CreateTable { .. } => "create_table",
        }
    }

    /// The account that it is about, where it is about one.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::CreateAccount { account }
            | Self::UseIam { account, .. }
            | Self::RequireTls { account }
            | Self::Grant { account, .. }
            | Self::Revoke { account, .. }
            | Self::RevokeRole { account, .. } => Some(account),
            Self::CreateTable { .. } => None,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateAccount { account } => write!(f, "create {account} (login by IAM, over TLS only)"),
            Self::UseIam { account, from, .. } if from == PLUGIN => {
                write!(f, "set up IAM as RDS has it for {account}")
            }
            Self::UseIam { account, from, .. } => {
                write!(f, "switch {account} from {} to IAM: its password ends", visible(from))
            }
            Self::RequireTls { account } => write!(f, "require TLS of {account}"),
            Self::Grant { account, object, privileges } => {
                write!(f, "grant {} on {object} to {account}", list(privileges))
            }
            Self::Revoke { account, object, privileges, wildcard } => {
                write!(f, "revoke {} on {object} from {account}", list(privileges))?;
                if *wildcard { f.write_str(" (_ and % stand for any characters there)") } else { Ok(()) }
            }
            Self::RevokeRole { account, role } => write!(f, "take the role {role} from {account}"),
            Self::CreateTable { table, .. } => write!(f, "create table {}", visible(table)),
        }
    }
}

fn list(privileges: &BTreeSet<Privilege>) -> String {
    privileges.iter().map(|p| visible(&p.to_string())).collect::<Vec<_>>().join(", ")
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut action = serializer.serialize_struct("Action", 6)?;
        action.serialize_field("step", &(self.step as u8))?;
        action.serialize_field("as", &self.actor)?;
        action.serialize_field("change", self.change.name())?;
        action.serialize_field("account", &self.change.account())?;
        action.serialize_field("summary", &self.change.to_string())?;
        action.serialize_field("sql", &self.sql())?;
        action.end()
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherHost { account, other } => write!(
                f,
                "{other} exists beside {account} and is used in its place by clients from that host; if nobody needs it: DROP USER {}",
                other.sql()
            ),
            Self::Locked { account } => write!(
                f,
                "{account} is locked, which is left as it is; to let it in again: ALTER USER {} ACCOUNT UNLOCK",
                account.sql()
            ),
            Self::StricterTls { account } => write!(
                f,
                "{account} demands more than TLS, such as a client certificate, which is left as it is; IAM logins of this project show none and are refused: to demand TLS only: ALTER USER {} REQUIRE SSL",
                account.sql()
            ),
            Self::Proxy { account, proxied } => write!(
                f,
                "{account} may act as {proxied}, and only a user with that right can take it away: REVOKE PROXY ON {} FROM {}",
                proxied.sql(),
                account.sql()
            ),
        }
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
