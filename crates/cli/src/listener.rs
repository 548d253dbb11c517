//! The listeners of `connect` and `gateway`: a connection string or an entry of the gateway's file becomes a target of
//! the auth proxy.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use rds_iam_gateway::{
    Address, Failure as SessionFailure, Limits, ListenError, LocalPassword, Target, Tokens, Upstream,
    UserRule,
};
use rds_iam_infra::Engine;
use rds_iam_report::ErrorReport;
use rds_iam_roots::Roots;
use rds_iam_sqlx::sqlx::{MySql, Postgres};
use rds_iam_sqlx::{Builder, Dsn, DsnError, Password, Target as Server};
use rds_iam_token::{DbUser, Endpoint, Region};
use serde::Deserialize;

use crate::credentials::CredentialsOptions;
use crate::{Failure, Usage};

/// The variable that names the gateway's file.
pub(crate) const FILE_VARIABLE: &str = "RDS_IAM_GATEWAY_FILE";

/// The way to write a connection string, for errors.
const SCHEMES: &str = "write mysql://USER@HOST/DATABASE or postgres://USER@HOST/DATABASE";

/// The longest file that is read: 1 MB.
const MAX_FILE: u64 = 1_000_000;

/// The value of an option that may be empty, which counts as not given: Compose files write a variable so. By this name,
/// clap takes it for a value, and not for an option that may be absent.
pub(crate) type Setting<T> = Option<T>;

/// Returns the number of an option.
fn number<T: FromStr>(text: &str) -> Result<Setting<T>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "expected a number from 1")
}

/// The limits of listeners that have none of their own.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct LimitOptions {
    /// Most sessions of a listener that are open or logging in; 500 by default
    #[arg(
        long,
        value_name = "NUMBER",
        env = "RDS_IAM_GATEWAY_MAX_SESSIONS",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true,
        value_parser = number::<NonZero<usize>>,
    )]
    max_sessions: Setting<NonZero<usize>>,

    /// Most logins of a listener in a second; 50 by default
    #[arg(
        long,
        value_name = "NUMBER",
        env = "RDS_IAM_GATEWAY_LOGINS_PER_SECOND",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true,
        value_parser = number::<NonZero<u32>>,
    )]
    logins_per_second: Setting<NonZero<u32>>,

    /// Time after which a session without traffic is closed, in seconds; never by default
    #[arg(
        long,
        value_name = "SECONDS",
        env = "RDS_IAM_GATEWAY_IDLE",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true,
        value_parser = number::<NonZero<u64>>,
    )]
    idle: Setting<NonZero<u64>>,
}

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

    /// Returns the entry's own limits, and those of the options where it has none.
    fn limits(&self, options: &LimitOptions) -> Result<Limits, Failure> {
        let zero = |is_zero: bool, key: &str| match is_zero {
            true => Err(Usage::failure(format!("{key} = 0 would let no client in: use 1 or more"))),
            false => Ok(()),
        };
        zero(self.max_sessions == Some(0), "max_sessions")?;
        zero(self.logins_per_second == Some(0), "logins_per_second")?;
        zero(self.idle_seconds == Some(0), "idle_seconds")?;
        let default = Limits::default();
        let sessions = self.max_sessions.or(options.max_sessions.map(NonZero::get));
        let logins_per_second = self.logins_per_second.or(options.logins_per_second.map(NonZero::get));
        let idle = self.idle_seconds.or(options.idle.map(NonZero::get));
        Ok(Limits {
            sessions: sessions.unwrap_or(default.sessions),
            logins_per_second: logins_per_second.unwrap_or(default.logins_per_second),
            login: default.login,
            idle: idle.map(Duration::from_secs),
        })
    }

    /// Returns the address to listen on.
    pub(crate) fn address(&self) -> Result<Address, Failure> {
        self.listen.parse().map_err(|error: ListenError| Usage::failure(error.to_string()))
    }

    /// Returns the target of the auth proxy.
    pub(crate) async fn target(
        &self,
        name: &str,
        limits: &LimitOptions,
        credentials: &CredentialsOptions,
    ) -> Result<Target, Failure> {
        let in_entry = |error: Failure| within(name, &error);
        let mut database = Database::parse(&self.url).map_err(in_entry)?;
        let user = database.dsn.user.clone().map_or(UserRule::Client, UserRule::Only);
        let address = self.address().map_err(in_entry)?;
        let limits = self.limits(limits).map_err(in_entry)?;
        database.find_region(credentials).await.map_err(in_entry)?;
        let listener = Listener { name, address, user, password: None, limits };
        database.target(listener, credentials).map_err(in_entry)
    }
}

/// Returns an error with the name of the listener that it is of.
pub(crate) fn within(name: &str, error: &Failure) -> Failure {
    let text = format!("{name}: {}", ErrorReport(&**error));
    if error.is::<Usage>() { Usage::failure(text) } else { text.into() }
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
    text: String,
    pub(crate) dsn: Dsn,
    pub(crate) engine: Engine,
    /// The region of the environment or the profile, for a host without one.
    region: Option<Region>,
    /// The near end of a tunnel.
    pub(crate) through: Option<SocketAddr>,
}

impl Database {
    /// Returns the database of a connection string, or of a name in the gateway's file, which is that of the option, or
    /// else the usual one.
    pub(crate) fn find(target: &str, option: Option<&Path>) -> Result<Self, Failure> {
        if target.contains("://") {
            return Self::parse(target);
        }
        // What is no name may be a connection string without its scheme, and have a password.
        if !is_name(target) {
            return Err(Usage::failure(format!(
                "the target is neither a name nor a connection string: {SCHEMES}"
            )));
        }
        let Some(file) = file(option) else {
            return Err(Usage::failure(format!(
                "{target:?} is no connection string, and there is no file with names: {SCHEMES}, or name the file with \
                 --file or {FILE_VARIABLE}"
            )));
        };
        let entries = read(&file)?;
        let Some(entry) = entries.get(target) else {
            let names: Vec<_> = entries.keys().map(String::as_str).collect();
            let has = match names.is_empty() {
                true => " no listener".to_owned(),
                false => format!(": {}", names.join(", ")),
            };
            return Err(Usage::failure(format!("{target:?} is not in {}, which has{has}", file.display())));
        };
        Self::parse(&entry.url)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let dsn = parsed(text)?;
        if dsn.password == Password::Dropped {
            return Err(Usage::failure(
                "the connection string has a password; a token takes its place: remove it",
            ));
        }
        let engine = engine(&dsn)?;
        Ok(Self { text: text.to_owned(), dsn, engine, region: None, through: None })
    }

    /// Takes the region of the environment or the profile, if neither the host nor the connection string has one. The
    /// profile has to exist in each case.
    pub(crate) async fn find_region(&mut self, credentials: &CredentialsOptions) -> Result<(), Failure> {
        let credentials = credentials.clone().or_profile(self.dsn.profile.clone());
        let host = self.dsn.host.to_string();
        if self.dsn.region.is_some() || Region::from_rds_host(&host).is_some() {
            return Ok(credentials.check_profile().await?);
        }
        self.region = credentials.region().await?;
        if self.region.is_none() {
            return Err(format!(
                "no region: the name {host} has none. Add ?region=REGION with the region of the database to the \
                 connection string, or set AWS_REGION or the profile's region"
            )
            .into());
        }
        Ok(())
    }

    /// Returns the region of the database, once [`find_region`](Self::find_region) was called.
    pub(crate) fn region(&self) -> Option<Region> {
        let of_host = || Region::from_rds_host(&self.dsn.host.to_string());
        self.dsn.region.clone().or_else(of_host).or_else(|| self.region.clone())
    }

    /// Returns the endpoint of the database.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Failure> {
        let port = self.dsn.port.unwrap_or(self.engine.default_port());
        Ok(Endpoint::new(&self.dsn.host.to_string(), port)?)
    }

    /// Returns the connection string for a pool of rds-iam-sqlx, which logs in by itself: with what was found besides it.
    pub(crate) fn url(&self) -> String {
        let mut url = self.text.clone();
        let mut add = |name: &str, value: &dyn std::fmt::Display| {
            let separator = if url.contains('?') { '&' } else { '?' };
            url.push_str(&format!("{separator}{name}={value}"));
        };
        if let Some(region) = &self.region {
            add("region", region);
        }
        if let Some(address) = self.through {
            add("dial", &address);
        }
        url
    }

    /// Returns the user of the connection string, for a command that needs one.
    pub(crate) fn user(&self) -> Result<&DbUser, Failure> {
        let user = self.dsn.user.as_ref();
        user.ok_or_else(|| Usage::failure("the connection string names no user: write USER@ before the host"))
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
            let (text, credentials) = (self.text.clone(), credentials.clone());
            let (region, through) = (self.region.clone(), self.through);
            move || -> Result<Builder<DB>, Failure> {
                let mut builder = Builder::from_dsn(&text)?;
                if let Some(region) = &region {
                    builder = builder.region(region);
                }
                if let Some(address) = through {
                    builder = builder.dial(address);
                }
                credentials.apply(builder)
            }
        };
        let server: Server = builder()?.target()?;
        let roots = Roots::parse(server.roots_pem())?;
        let upstream = Upstream::new(server.endpoint().clone(), Some(server.dialled().clone()), &roots)?;
        let tokens = Tokens::new(move |user| {
            let denied = |error: &(dyn std::error::Error + 'static)| {
                SessionFailure::Denied(ErrorReport(error).to_string())
            };
            let builder = builder().map_err(|error| denied(&*error))?.user(user.as_str());
            builder.token_source().map_err(|error| denied(&error))
        });
        let Listener { name, address, user, password, limits } = listener;
        let database = server.database_name().map(str::to_owned);
        let (name, tokens) = (name.to_owned(), Arc::new(tokens));
        Ok(Target { name, engine: self.engine, address, upstream, user, database, tokens, password, limits })
    }
}

fn parsed(text: &str) -> Result<Dsn, Failure> {
    // It is not repeated, since it may have a password.
    if !text.contains("://") {
        return Err(Usage::failure(format!("a connection string is expected: {SCHEMES}")));
    }
    text.parse().map_err(|error: DsnError| Usage::failure(ErrorReport(&error).to_string()))
}

fn engine(dsn: &Dsn) -> Result<Engine, Failure> {
    match dsn.scheme {
        Some("mysql") => Ok(Engine::MySql),
        Some(_) => Ok(Engine::Postgres),
        None => Err(Usage::failure(format!("the connection string has no scheme: {SCHEMES}"))),
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

/// Returns whether a text may be the name of a listener. Another text may be a connection string with a password.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// The name of a table in the gateway's file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let expected = "a table's name may have only letters, digits and the characters - _ .";
        if is_name(&text) { Ok(Self(text)) } else { Err(expected) }
    }
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
    let entries: BTreeMap<Name, Entry> =
        toml::from_str(&text).map_err(|error| Usage::failure(failed(&place_and_cause(error, &text))))?;
    Ok(entries.into_iter().map(|(name, entry)| (name.0, entry)).collect())
}

/// Returns the line, the cause and the key of an error in the gateway's file. The text of the line is not repeated,
/// since it may have a password.
fn place_and_cause(mut error: toml::de::Error, text: &str) -> String {
    let before = |end: usize| text.bytes().take(end).filter(|byte| *byte == b'\n').count();
    let place = error.span().map(|span| format!("line {}: ", before(span.start) + 1));
    let mut cause = error.message().trim_end().replace('\n', ", ");
    // A value of a wrong type is in the message, in quotation marks.
    if let (Some(first), Some(last)) = (cause.find('"'), cause.rfind('"'))
        && first < last
    {
        cause.replace_range(first..=last, "…");
    }
    let unknown = "unknown field ";
    if let Some(rest) = cause.strip_prefix(unknown)
        && let Some(end) = rest.rfind(", expected")
        && !is_name(rest[..end].trim_matches('`'))
    {
        cause.replace_range(unknown.len()..unknown.len() + end, "…");
    }
    // With the input, the line is displayed; without it, the key.
    error.set_input(None);
    let displayed = error.to_string();
    let path = displayed.trim_end().rsplit_once("\nin `").and_then(|(_, path)| path.strip_suffix('`'));
    if let Some(path) = path.filter(|path| is_name(path)) {
        cause = format!("{cause}, in `{path}`");
    }
    place.unwrap_or_default() + &cause
}
