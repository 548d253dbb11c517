//! The keys of one connection and their rules.

use std::time::Duration;

use rds_iam_token::{DbUser, Region};

use super::duration;
use super::section::{Errors, Field, Names, Section};
use crate::dsn::{Dsn, DsnError, KNOWN_PARAMETERS, POSTGRES_SCHEMES};
use crate::limits::{Limits, MOST};

/// The keys of a connection.
pub(super) const KEYS: [&str; 8] = [
    "driver",
    "dsn",
    "max_open_connections",
    "max_idle_connections",
    "connection_max_lifetime",
    "connection_max_idle_time",
    "connect_timeout",
    "aws_iam_auth",
];

/// The keys of `aws_iam_auth`.
pub(super) const IAM_KEYS: [&str; 4] = ["enabled", "region", "db_user", "connection_timeout"];

/// The page about the way from passwords to IAM.
const MIGRATION: &str = "docs/migrating-from-passwords.md";

/// The engine of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EngineName {
    MySql,
    Postgres,
}

impl EngineName {
    /// Returns the engine of a driver's name. `pgx` is Go's.
    fn from_driver(name: &str) -> Option<Self> {
        match name {
            "mysql" => Some(Self::MySql),
            "pgx" => Some(Self::Postgres),
            name => POSTGRES_SCHEMES.contains(&name).then_some(Self::Postgres),
        }
    }

    /// Returns the engine of a scheme that a connection string may have.
    fn from_scheme(scheme: &str) -> Self {
        if POSTGRES_SCHEMES.contains(&scheme) { Self::Postgres } else { Self::MySql }
    }

    /// Returns the engine's name: that of a driver, of a feature, and of a scheme.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// Returns whether this program has the engine's driver.
    fn is_available(self) -> bool {
        match self {
            Self::MySql => cfg!(feature = "mysql"),
            Self::Postgres => cfg!(feature = "postgres"),
        }
    }
}

/// The settings of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) driver: EngineName,
    /// With the parameters of the connection string that no key has.
    pub(super) dsn: Dsn,
    pub(super) user: DbUser,
    pub(super) region: Region,
    pub(super) limits: Limits,
}

/// Reads a connection. Returns `None` after reporting if no pool could be built from it.
pub(super) fn read(section: &Section<'_>, errors: &mut Errors) -> Option<Connection> {
    let driver = read_driver(section, errors);
    let (driver, dsn) = match read_dsn(section, driver, errors) {
        Some((driver, dsn)) => (Some(driver), Some(dsn)),
        None => (None, None),
    };
    let mut limits = read_limits(section, errors);
    let iam = read_iam(section, errors)?;
    if let Some(time) = time(&iam, "connection_timeout", "10s", errors) {
        limits.acquire_timeout = time;
    }
    let user = iam.text("db_user", "the name of the database user", errors);
    let user = user.and_then(|field| {
        let reason = "has a control character: write the name of the database user";
        field.parse(errors, |text| text.parse::<DbUser>().map_err(|_| reason.into()))
    });
    let region = iam.text("region", "an AWS region such as eu-west-1", errors).and_then(|field| {
        let reason = "is not the name of an AWS region: write one such as eu-west-1";
        let region = field.parse(errors, |text| text.parse::<Region>().map_err(|_| reason.into()))?;
        Some((field, region))
    });
    let dsn = dsn?;
    limits.connect_timeout = limits.connect_timeout.or(dsn.connect_timeout);
    let user = user.or_else(|| dsn.user.clone());
    if user.is_none() && iam.entry("db_user").is_none() {
        iam.missing("db_user", "the DSN has no user either: add the user there, or here", errors);
    }
    let region = choose_region(section, &iam, region, &dsn, errors);
    Some(Connection { driver: driver?, user: user?, region: region?, limits, dsn })
}

/// The reason why a driver can't be used, which was reported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NoDriver {
    Missing,
    Wrong,
}

fn read_driver(section: &Section<'_>, errors: &mut Errors) -> Result<EngineName, NoDriver> {
    if section.entry("driver").is_none() {
        return Err(NoDriver::Missing);
    }
    let field = section.text("driver", "mysql or postgres", errors).ok_or(NoDriver::Wrong)?;
    let Some(engine) = EngineName::from_driver(field.text) else {
        field.refuse("is not the name of an engine: write mysql or postgres", errors);
        return Err(NoDriver::Wrong);
    };
    if !engine.is_available() {
        field.refuse(without_driver(engine), errors);
        return Err(NoDriver::Wrong);
    }
    Ok(engine)
}

/// Words the error of an engine whose driver this program does not have.
fn without_driver(engine: EngineName) -> String {
    let name = engine.name();
    format!("is for {name}, which this program was built without: enable the feature {name} of rds-iam-sqlx")
}

/// Reads the connection string, and the engine that it or the driver names.
fn read_dsn(
    section: &Section<'_>,
    driver: Result<EngineName, NoDriver>,
    errors: &mut Errors,
) -> Option<(EngineName, Dsn)> {
    let example = match driver {
        Ok(EngineName::Postgres) => "a connection string such as postgresql://USER@HOST/DATABASE",
        _ => "a connection string such as mysql://USER@HOST/DATABASE",
    };
    if section.entry("dsn").is_none() {
        section.missing("dsn", &format!("add {example}"), errors);
        return None;
    }
    let field = section.text("dsn", example, errors)?;
    let dsn = field.parse(errors, |text| text.parse::<Dsn>().map_err(|error| dsn_reason(&error, text)))?;
    let engine = match (driver, dsn.scheme.map(EngineName::from_scheme)) {
        (Ok(driver), Some(engine)) if driver != engine => {
            let (is, driver) = (engine.name(), driver.name());
            let reason =
                format!("is for {is}, but the driver is {driver}: write {driver}://…, or driver: {is}");
            field.refuse(reason, errors);
            return None;
        }
        (Ok(engine), _) | (Err(NoDriver::Missing), Some(engine)) if engine.is_available() => engine,
        (Ok(_), _) | (Err(NoDriver::Wrong), _) => return None,
        (Err(NoDriver::Missing), Some(engine)) => {
            field.refuse(without_driver(engine), errors);
            return None;
        }
        (Err(NoDriver::Missing), None) => {
            let reason = "the DSN does not name the engine either: add driver: mysql, or driver: postgres";
            section.missing("driver", reason, errors);
            return None;
        }
    };
    Some((engine, dsn))
}

/// Words the error of a connection string, without the error below it and without a key, which may be a part of a password.
fn dsn_reason(error: &DsnError, text: &str) -> String {
    match error {
        // The parameters of a URL are after its user and password.
        error if has_unknown_key(error) && !text.contains("://") => format!(
            "is wrong: it is neither a URL such as mysql://USER@HOST/DATABASE or postgresql://…, nor host=… user=… dbname=… with no parameters but port, {KNOWN_PARAMETERS}"
        ),
        error => format!("is wrong: {error}"),
    }
}

fn has_unknown_key(error: &DsnError) -> bool {
    match error {
        DsnError::UnknownKey { .. } => true,
        DsnError::Several { errors } => errors.iter().any(has_unknown_key),
        _ => false,
    }
}

fn read_limits(section: &Section<'_>, errors: &mut Errors) -> Limits {
    let max_open = count(section, "max_open_connections", 1, errors);
    let max_idle = count(section, "max_idle_connections", 0, errors);
    if let Some((field, max_idle)) = &max_idle {
        let key = errors.name(&section.path_of("max_open_connections"));
        let default = Limits::default().max_connections;
        match &max_open {
            Some((_, most)) if max_idle > most => {
                field.refuse(format!("is more than {key}: write {most} or less"), errors);
            }
            None if section.entry("max_open_connections").is_none() && *max_idle > default => {
                let reason = format!(
                    "is more than {key}, which is {default} by default: write {default} or less, or set that too"
                );
                field.refuse(reason, errors);
            }
            _ => {}
        }
    }
    let mut limits = Limits::default();
    if let Some((_, most)) = max_open {
        limits.max_connections = most;
    }
    limits.max_idle_connections = max_idle.map(|(_, most)| most);
    if let Some(time) = time(section, "connection_max_lifetime", "1h", errors) {
        limits.max_lifetime = time;
    }
    if let Some(time) = time(section, "connection_max_idle_time", "30m", errors) {
        limits.idle_timeout = time;
    }
    limits.connect_timeout = time(section, "connect_timeout", "30s", errors);
    limits
}

fn count<'n>(
    section: &Section<'n>,
    key: &'static str,
    least: u32,
    errors: &mut Errors,
) -> Option<(Field<'n>, u32)> {
    let field = section.text(key, "a whole number such as 25", errors)?;
    let number = field.parse(errors, |text| {
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        if !is_number {
            return Err(format!("is not a whole number: write {least} to {MOST}"));
        }
        match text.parse::<u32>() {
            Ok(0) if least > 0 => {
                Err(format!("is 0, and no number of connections is unlimited here: write {least} to {MOST}"))
            }
            Ok(number) if number <= MOST => Ok(number),
            _ => Err(format!("is out of range: write {least} to {MOST}")),
        }
    })?;
    Some((field, number))
}

fn time(section: &Section<'_>, key: &'static str, example: &str, errors: &mut Errors) -> Option<Duration> {
    section.text(key, &format!("a duration such as {example}"), errors)?.parse(errors, |text| {
        match duration::parse(text).map_err(|error| error.to_string())? {
            time if time.is_zero() => {
                Err(format!("is 0, and no time is unlimited here: write more, such as {example}"))
            }
            time => Ok(time),
        }
    })
}

/// Opens `aws_iam_auth`, which must be enabled: there is no login by password.
fn read_iam<'n>(section: &Section<'n>, errors: &mut Errors) -> Option<Section<'n>> {
    let why =
        format!("a login is by IAM token, never by password; for the way from passwords see {MIGRATION}");
    let Some(entry) = section.entry("aws_iam_auth") else {
        if errors.names() == Names::Variables {
            let path: Vec<_> = section.path_of("aws_iam_auth").into_iter().chain(["enabled"]).collect();
            errors.add(None, &path, format!("is missing: {why}. Set it to true"));
        } else {
            section.missing("aws_iam_auth", &format!("{why}. Add it with enabled: true"), errors);
        }
        return None;
    };
    let iam = Section::open(&entry.value, entry.line, section.path_of(&entry.key), &IAM_KEYS, errors)?;
    if iam.entry("enabled").is_none() {
        iam.missing("enabled", &format!("{why}. Set it to true"), errors);
    } else if let Some(field) = iam.text("enabled", "true", errors) {
        if field.text.eq_ignore_ascii_case("false") {
            field.refuse(format!("is false: {why}. Set it to true"), errors);
        } else if !field.text.eq_ignore_ascii_case("true") {
            field.refuse("is neither true nor false: write true", errors);
        }
    }
    Some(iam)
}

/// Returns the region of the endpoint, of the key or of the connection string. Those that are given must agree.
fn choose_region(
    section: &Section<'_>,
    iam: &Section<'_>,
    given: Option<(Field<'_>, Region)>,
    dsn: &Dsn,
    errors: &mut Errors,
) -> Option<Region> {
    let of_host = Region::from_rds_host(&dsn.host.to_string());
    if let Some((field, region)) = given {
        if let Some(other) = of_host.filter(|other| *other != region) {
            field.refuse(format!("is not the region of the DSN's host: write {other}, or remove it"), errors);
        } else if dsn.region.as_ref().is_some_and(|other| *other != region) {
            field.refuse("is not the DSN's parameter region: remove one of the two", errors);
        }
        return Some(region);
    }
    if iam.entry("region").is_some() {
        return None;
    }
    if let (Some(entry), Some(region), Some(other)) = (section.entry("dsn"), &dsn.region, &of_host)
        && region != other
    {
        let reason =
            format!("has a parameter region that is not the region of its host: write {other}, or remove it");
        errors.add(entry.line, &section.path_of("dsn"), reason);
    }
    let region = dsn.region.clone().or(of_host);
    if region.is_none() {
        let reason = "the DSN's host does not name it: add the region of the endpoint, such as eu-west-1";
        iam.missing("region", reason, errors);
    }
    region
}
