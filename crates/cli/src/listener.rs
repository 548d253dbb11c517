//! The listeners of `connect` and `gateway`: a connection string or an entry of the gateway's file becomes a target of the
//! auth proxy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use rds_iam_gateway::{
    Address, Failure as SessionFailure, Limits, LocalPassword, Target, Tokens, Upstream, UserRule,
};
use rds_iam_infra::Engine;
use rds_iam_report::ErrorReport;
use rds_iam_roots::Roots;
use rds_iam_sqlx::sqlx::{MySql, Postgres};
use rds_iam_sqlx::{Builder, Dsn, Password, Target as Server};
use rds_iam_token::DbUser;
use serde::Deserialize;

use crate::Failure;
use crate::credentials::CredentialsOptions;

/// The variable that names the gateway's file.
pub(crate) const FILE_VARIABLE: &str = "RDS_IAM_GATEWAY_FILE";

/// The longest file that is read: 1 MB.
const MAX_FILE: u64 = 1_000_000;

/// An entry of the gateway's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The connection string, without a password.
    pub(crate) url: String,
    /// The address to listen on.
    pub(crate) listen: String,
    pub(crate) max_sessions: Option<usize>,
    pub(crate) logins_per_second: Option<u32>,
    pub(crate) idle_seconds: Option<u64>,
}

impl Entry {
    /// Returns the entry of `[LISTEN=]URL` on a command line. Without LISTEN, it is the engine's port on 127.0.0.1.
    pub(crate) fn from_argument(text: &str) -> Result<Self, Failure> {
        let scheme = text.find("://").unwrap_or(0);
        let (listen, url) = match text[..scheme].split_once('=') {
            Some((listen, _)) => (listen.to_owned(), &text[listen.len() + 1..]),
            None => (engine(&parsed(text)?)?.default_port().to_string(), text),
        };
        Ok(Self {
            url: url.to_owned(),
            listen,
            max_sessions: None,
            logins_per_second: None,
            idle_seconds: None,
        })
    }

    fn limits(&self) -> Result<Limits, Failure> {
        let zero = |is_zero: bool, key: &str| match is_zero {
            true => Err(format!("{key} = 0 would let no client in: use 1 or more")),
            false => Ok(()),
        };
        zero(self.max_sessions == Some(0), "max_sessions")?;
        zero(self.logins_per_second == Some(0), "logins_per_second")?;
        zero(self.idle_seconds == Some(0), "idle_seconds")?;
        let default = Limits::default();
        Ok(Limits {
            sessions: self.max_sessions.unwrap_or(default.sessions),
            logins_per_second: self.logins_per_second.unwrap_or(default.logins_per_second),
            login: default.login,
            idle: self.idle_seconds.map(Duration::from_secs),
        })
    }

    /// Returns the target of the auth proxy.
    pub(crate) fn target(&self, name: &str, credentials: &CredentialsOptions) -> Result<Target, Failure> {
        let in_entry = |error: Failure| format!("{name}: {}", ErrorReport(&*error));
        let database = Database::parse(&self.url).map_err(in_entry)?;
        let user = database.user.clone().map_or(UserRule::Client, UserRule::Only);
        let address =
            self.listen.parse().map_err(|error: rds_iam_gateway::ListenError| in_entry(error.into()))?;
        let limits = self.limits().map_err(in_entry)?;
        let listener = Listener { name, address, user, password: None, limits };
        Ok(database.target(listener, credentials).map_err(in_entry)?)
    }
}

/// What a target is besides its database.
pub(crate) struct Listener<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: Address,
    pub(crate) user: UserRule,
    pub(crate) password: Option<LocalPassword>,
    pub(crate) limits: Limits,
}

/// A database, by its connection string.
pub(crate) struct Database {
    dsn: String,
    pub(crate) engine: Engine,
    pub(crate) user: Option<DbUser>,
    pub(crate) name: Option<String>,
}

impl Database {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let dsn = parsed(text)?;
        if dsn.password == Password::Dropped {
            return Err("the connection string has a password; a token takes its place: remove it".into());
        }
        let engine = engine(&dsn)?;
        Ok(Self { dsn: text.to_owned(), engine, user: dsn.user, name: dsn.database })
    }

    pub(crate) fn target(
        &self,
        listener: Listener<'_>,
        credentials: &CredentialsOptions,
    ) -> Result<Target, Failure> {
        match self.engine {
            Engine::MySql => self.target_with::<MySql>(listener, credentials),
            Engine::Postgres => self.target_with::<Postgres>(listener, credentials),
        }
    }

    fn target_with<DB: rds_iam_sqlx::Engine>(
        &self,
        listener: Listener<'_>,
        credentials: &CredentialsOptions,
    ) -> Result<Target, Failure> {
        let builder = {
            let (dsn, credentials) = (self.dsn.clone(), credentials.clone());
            move || -> Result<Builder<DB>, rds_iam_sqlx::DsnError> {
                Ok(credentials.apply(Builder::from_dsn(&dsn)?))
            }
        };
        let server: Server = builder()?.target()?;
        let roots = Roots::parse(server.roots_pem())?;
        let upstream = Upstream::new(server.endpoint().clone(), Some(server.dialled().clone()), &roots)?;
        let tokens = Tokens::new(move |user| {
            let denied = |error: &(dyn std::error::Error + 'static)| {
                SessionFailure::Denied(ErrorReport(error).to_string())
            };
            let builder = builder().map_err(|error| denied(&error))?.user(user.as_str());
            builder.token_source().map_err(|error| denied(&error))
        });
        let Listener { name, address, user, password, limits } = listener;
        let database = server.database_name().map(str::to_owned);
        let (name, tokens) = (name.to_owned(), Arc::new(tokens));
        Ok(Target { name, engine: self.engine, address, upstream, user, database, tokens, password, limits })
    }
}

fn parsed(text: &str) -> Result<Dsn, Failure> {
    if !text.contains("://") {
        return Err(format!(
            "{text:?} is no connection string: write mysql://USER@HOST/DATABASE or postgres://USER@HOST/DATABASE"
        )
        .into());
    }
    Ok(text.parse()?)
}

fn engine(dsn: &Dsn) -> Result<Engine, Failure> {
    match dsn.scheme {
        Some("mysql") => Ok(Engine::MySql),
        Some(_) => Ok(Engine::Postgres),
        None => Err("the connection string has no scheme: write mysql:// or postgres://".into()),
    }
}

/// Returns the gateway's file: that of the option, of the variable, or the one in the user's configuration folder.
pub(crate) fn file(option: Option<&Path>) -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = || variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    option
        .map(Path::to_owned)
        .or_else(|| variable(FILE_VARIABLE))
        .or_else(|| Some(folder()?.join("rds-iam/gateway.toml")).filter(|path| path.exists()))
}

/// Reads the gateway's file.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Entry>, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot read the gateway's file {}: {error}", path.display());
    let mut file = fs::File::open(path).map_err(|error| failed(&error))?;
    // A pipe or a device may never end.
    if !file.metadata().is_ok_and(|found| found.is_file()) {
        return Err(failed(&"it is no regular file").into());
    }
    let text = rds_iam_report::file::text(&mut file, MAX_FILE).map_err(|error| failed(&error))?;
    Ok(toml::from_str(&text).map_err(|error| failed(&error.message()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &str = "mysql://app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders";

    #[test]
    fn an_argument_is_a_connection_string_with_or_without_an_address() {
        let listen = |text: &str| Entry::from_argument(text).map(|entry| (entry.listen, entry.url));
        assert_eq!(listen(ORDERS).unwrap(), ("3306".into(), ORDERS.into()));
        assert_eq!(listen(&format!("3307={ORDERS}")).unwrap(), ("3307".into(), ORDERS.into()));
        assert_eq!(listen(&format!("/run/o.sock={ORDERS}")).unwrap(), ("/run/o.sock".into(), ORDERS.into()));
        let with_parameter = "postgres://app@h/db?region=eu-west-1";
        assert_eq!(listen(with_parameter).unwrap(), ("5432".into(), with_parameter.into()));
        for wrong in ["orders", "3306=orders", "redis://h", ""] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_file_of_the_readme_is_accepted() {
        let readme = include_str!("../README.md");
        let block = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        fs::write(&path, block).unwrap();
        let entries = read(&path).unwrap();
        let limits = entries["pay"].limits().unwrap();
        assert_eq!((limits.sessions, limits.logins_per_second), (100, 20));
        assert_eq!(limits.idle, Some(Duration::from_secs(3600)));
        let orders = Database::parse(&entries["orders"].url).unwrap();
        assert_eq!((orders.engine, orders.name.as_deref()), (Engine::MySql, Some("orders")));
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        let error = Database::parse("mysql://app:hunter2@orders/db").err().unwrap().to_string();
        assert!(error.contains("has a password") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_unknown_key_of_the_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        fs::write(&path, format!("[orders]\nurl = \"{ORDERS}\"\nlisten = \"3306\"\nmax_sesions = 3\n"))
            .unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("unknown field `max_sesions`"), "{error}");
        fs::write(&path, format!("[orders]\nurl = \"{ORDERS}\"\nlisten = \"3306\"\nmax_sessions = 3\n"))
            .unwrap();
        assert_eq!(read(&path).unwrap()["orders"].max_sessions, Some(3));
    }

    #[test]
    fn what_is_no_file_and_a_limit_of_nothing_are_refused() {
        let error = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{error}");
        let mut entry = Entry::from_argument(ORDERS).unwrap();
        entry.max_sessions = Some(0);
        assert!(entry.limits().unwrap_err().to_string().contains("max_sessions = 0"));
    }
}
