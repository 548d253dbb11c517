//! The settings: their sources, and their validation before the service starts.
//!
//! The settings of the database and the login come, by precedence, from environment variables, from an
//! `rds.conf` ([`rds_iam_infra::rds_conf`]), and from Parameter Store (`<prefix>/engine`, `endpoint`, `port`,
//! `dbname`, `username`, `region`). Every value has its origin ([`Config::origins`]), so that a
//! value from an unexpected source is noticed. [`VARIABLES`] lists the environment variables.

mod error;
mod parameters;
mod setting;
mod sources;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rds_iam_infra::arn::{AccountId, ResourceId};
use rds_iam_infra::rds_conf::DatabaseName;
use rds_iam_infra::{Engine, RdsConf};
use rds_iam_report::ErrorReport;
use rds_iam_roots::Roots;
use rds_iam_token::{DbUser, Endpoint, Login, Region};
use tracing_subscriber::EnvFilter;

use crate::permit::Permit;

pub use error::{ConfigError, SettingError};
use setting::Setting;
pub use sources::{Environment, Origin, VARIABLES, Variable};
use sources::{Layer, missing, pick};

/// The default of `PORT`.
pub const DEFAULT_LISTEN_PORT: u16 = 3000;

/// The default of `RDS_IAM_MANAGEMENT_PORT` if `PORT` is not 0.
pub const DEFAULT_MANAGEMENT_PORT: u16 = 3001;

/// The default of `RDS_IAM_POOL_MAX`.
pub const DEFAULT_POOL_MAX: u32 = 10;

/// The largest `RDS_IAM_POOL_MAX`; a server of the usual size accepts no more connections in total.
pub const LIMIT_POOL_MAX: u32 = 1000;

/// The default of `RUST_LOG`. The AWS SDK would log the source of the credentials at every start.
pub const DEFAULT_LOG_FILTER: &str = "info,aws_config=warn";

/// Validated settings. None is secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The database engine.
    pub engine: Engine,
    /// The login that tokens are signed for.
    pub login: Login,
    /// The database with the table.
    pub database: DatabaseName,
    /// The address to dial. TLS verifies the endpoint's host.
    pub dial: Endpoint,
    /// Trust roots, PEM.
    pub roots: Vec<u8>,
    /// The largest number of open connections.
    pub pool_max: u32,
    /// The address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The address to listen on for machines (probes, metrics, identity); port 0 lets the system choose.
    pub management: SocketAddr,
    /// The format of the log.
    pub log: LogFormat,
    /// The log filter: the text of `RUST_LOG`.
    pub log_filter: String,
    /// The origin of each database setting, for the log.
    pub origins: Vec<Origin>,
    /// Warnings for the log: valid settings that may be unintended.
    pub warnings: Vec<String>,
    account: Option<AccountId>,
    resource: Option<ResourceId>,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a third would be a new setting")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Lines for human readers.
    Human,
}

impl Config {
    /// Reads the settings from the environment, the file if one is named, and Parameter Store if a
    /// prefix is set and a setting is still missing, and validates all of them at the time `now`.
    ///
    /// # Errors
    /// Returns [`ConfigError`] with every error found. An operator has to fix them; retrying does not help.
    pub async fn load(
        environment: &Environment,
        file: Option<&Path>,
        now: SystemTime,
    ) -> Result<Self, ConfigError> {
        let mut errors = environment.errors();
        let mut unread = Unread::default();
        let conf = file.and_then(|path| match RdsConf::read(path) {
            Ok(conf) => Some((path.to_owned(), conf)),
            Err(error) => {
                errors.push(SettingError::new("--config", path.display(), ErrorReport(&error)));
                unread.file = true;
                None
            }
        });
        let mut layers = vec![Layer::from_environment(environment)];
        layers.extend(conf.as_ref().map(|(path, conf)| Layer::from_file(path, conf)));
        if let Some(prefix) = environment.get("RDS_IAM_SSM_PREFIX")
            && Setting::ALL.into_iter().any(|setting| pick(&layers, setting).is_none())
        {
            let region = pick(&layers, Setting::Region).map(|given| given.value.clone());
            // Without its region or URL, Parameter Store would be blamed for an error that is reported by its own name.
            let has_region = match &region {
                Some(region) => region.parse::<Region>().is_ok(),
                None => !unread.file && !environment.is_unusable(Setting::Region.variable()),
            };
            let fetched = match parameters::check_prefix(prefix) {
                Ok(()) if has_region && environment.can_call_aws() => {
                    parameters::fetch(prefix, region).await.map(Some)
                }
                checked => checked.map(|()| None),
            };
            match fetched {
                Ok(Some(layer)) => layers.push(layer),
                Ok(None) => unread.parameters = true,
                Err(error) => {
                    errors.push(error);
                    unread.parameters = true;
                }
            }
        }
        Self::check(environment, conf, layers, (errors, unread), now)
    }

    fn check(
        environment: &Environment,
        conf: Option<(PathBuf, RdsConf)>,
        mut layers: Vec<Layer>,
        (errors, unread): (Vec<SettingError>, Unread),
        now: SystemTime,
    ) -> Result<Self, ConfigError> {
        let mut check = Check { environment, unread, errors, warnings: Vec::new(), origins: BTreeMap::new() };
        for layer in &mut layers {
            check.errors.extend(layer.split_endpoint());
        }
        let engine = match pick(&layers, Setting::Engine) {
            None => {
                let default = Origin::from_default(Setting::Engine, Engine::default());
                check.origins.insert(Setting::Engine, default);
                Engine::default()
            }
            // An unsupported one is reported; the other settings are checked as for the default.
            Some(_) => check.setting(&layers, Setting::Engine, str::parse::<Engine>).unwrap_or_default(),
        };
        let port = match pick(&layers, Setting::Port) {
            None => {
                let default = Origin::from_default(Setting::Port, engine.default_port());
                check.origins.insert(Setting::Port, default);
                Some(engine.default_port())
            }
            Some(_) => check.setting(&layers, Setting::Port, |text| match text.parse() {
                Ok(0) | Err(_) => Err("it is not a port: write a number from 1 to 65535"),
                Ok(port) => Ok(port),
            }),
        };
        let endpoint = check.setting(&layers, Setting::Endpoint, |text| {
            // Any port serves to validate the host; the port's own error is reported separately.
            Endpoint::new(text, port.unwrap_or(engine.default_port())).map_err(|error| {
                // If the text was meant as host:port, the error of parsing it as such is the better one.
                text.parse::<Endpoint>().err().filter(|_| text.contains(':')).unwrap_or(error)
            })
        });
        let database = check.setting(&layers, Setting::Name, |text| {
            text.parse::<DatabaseName>().and_then(|name| name.validate_for(engine).map(|()| name))
        });
        let user = check.setting(&layers, Setting::User, str::parse::<DbUser>);
        let region = check.setting(&layers, Setting::Region, str::parse::<Region>);
        let server = endpoint.as_ref().zip(region.as_ref());
        let server = server.filter(|(endpoint, region)| check.same_region(&layers, endpoint, region));

        let dial = check.variable("RDS_IAM_DIAL", str::parse::<Endpoint>);
        let dial = dial.or_else(|| conf.as_ref()?.1.dial.clone()).or_else(|| endpoint.clone());
        let roots = check.roots(conf.as_ref(), server, now);
        let conf = conf.map(|(_, conf)| conf);
        let pool_max = check.variable("RDS_IAM_POOL_MAX", |text| {
            text.parse().ok().filter(|max| (1..=LIMIT_POOL_MAX).contains(max)).ok_or_else(|| {
                format!("it is not a number of connections: write a number from 1 to {LIMIT_POOL_MAX}")
            })
        });
        let (port, management_port) = check.ports();
        let bind = check.variable("RDS_IAM_BIND", |text| {
            text.parse().map_err(|_| "it is not an IP address: write one, such as 0.0.0.0, 127.0.0.1 or ::")
        });
        let log = check.variable("RDS_IAM_LOG", |text| match text {
            "json" => Ok(LogFormat::Json),
            "human" => Ok(LogFormat::Human),
            _ => Err("write json or human"),
        });
        let log_filter = check.variable("RUST_LOG", |text| {
            let help = |error| format!("{error}; write info, or target=level pairs with commas between");
            EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(help)
        });

        let Check { errors, warnings, origins, .. } = check;
        let (Some(endpoint), Some(database), Some(user), Some(region), Some(dial), Some(roots), true) =
            (endpoint, database, user, region, dial, roots, errors.is_empty())
        else {
            return Err(ConfigError::new(errors));
        };
        let bind = bind.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let terminal = || if std::io::stdout().is_terminal() { LogFormat::Human } else { LogFormat::Json };
        Ok(Self {
            engine,
            login: Login::new(endpoint, region, user),
            database,
            dial,
            roots,
            pool_max: pool_max.unwrap_or(DEFAULT_POOL_MAX),
            listen: SocketAddr::new(bind, port),
            management: SocketAddr::new(bind, management_port),
            log: log.unwrap_or_else(terminal),
            log_filter: log_filter.unwrap_or_else(|| DEFAULT_LOG_FILTER.into()),
            origins: origins.into_values().collect(),
            warnings,
            account: conf.as_ref().and_then(|conf| conf.account_id.clone()),
            resource: conf.and_then(|conf| conf.resource_id),
        })
    }

    /// Returns what permits the service to log in and to use its table.
    #[must_use]
    pub fn permit(&self) -> Permit {
        Permit::new(self.engine, self.login.clone(), self.database.clone())
            .resource(self.account.clone(), self.resource.clone())
    }
}

/// The sources that could not be read, which is reported. A missing setting may be in one of them.
#[derive(Clone, Copy, Debug, Default)]
struct Unread {
    file: bool,
    parameters: bool,
}

/// The errors, warnings and origins collected while the settings are parsed.
struct Check<'a> {
    environment: &'a Environment,
    unread: Unread,
    errors: Vec<SettingError>,
    warnings: Vec<String>,
    origins: BTreeMap<Setting, Origin>,
}

impl Check<'_> {
    /// Parses a database setting from the first layer that has it.
    fn setting<T, E: fmt::Display>(
        &mut self,
        layers: &[Layer],
        setting: Setting,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Some(origin) = pick(layers, setting) else {
            let may_be_there = (self.unread.file && setting.key().is_some()) || self.unread.parameters;
            if !may_be_there && !self.environment.is_unusable(setting.variable()) {
                self.errors.push(missing(setting, layers));
            }
            return None;
        };
        for other in layers.iter().filter_map(|layer| layer.get(setting)) {
            if other.value != origin.value {
                let (name, from) = (setting.name(), &origin.from);
                self.warnings
                    .push(format!("{name} comes from {from}; {} differs, and is not used", other.from));
            }
        }
        self.origins.insert(setting, origin.clone());
        match parse(&origin.value) {
            Ok(value) => Some(value),
            Err(cause) => {
                self.errors.push(SettingError::new(setting.name(), &origin.from, cause));
                None
            }
        }
    }

    /// Parses a setting that only the environment has.
    fn variable<T, E: fmt::Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.environment.get(name)?) {
            Ok(value) => Some(value),
            Err(cause) => {
                self.errors.push(SettingError::new(name, "environment", cause));
                None
            }
        }
    }

    /// Returns the public port and the management port, which must differ: the public one may be reachable from the
    /// internet.
    fn ports(&mut self) -> (u16, u16) {
        const MANAGEMENT: &str = "RDS_IAM_MANAGEMENT_PORT";
        let parse = |text: &str| {
            text.parse().map_err(|_| "it is not a port: write a number from 0 (any free port) to 65535")
        };
        let before = self.errors.len();
        let (port, management) = (self.variable("PORT", parse), self.variable(MANAGEMENT, parse));
        let is_valid = self.errors.len() == before
            && !["PORT", MANAGEMENT].into_iter().any(|name| self.environment.is_unusable(name));
        let port = port.unwrap_or(DEFAULT_LISTEN_PORT);
        let default = if port == 0 { 0 } else { DEFAULT_MANAGEMENT_PORT };
        let from = if management.is_some() { "environment" } else { "default" };
        let management = management.unwrap_or(default);
        if is_valid && port == management && port != 0 {
            let cause =
                format!("it is {management}, which is PORT as well: set one of the two to another port");
            self.errors.push(SettingError::new(MANAGEMENT, from, cause));
        }
        (port, management)
    }

    /// Checks the region against the one in the endpoint's name, and returns whether they agree: a token for another one
    /// is never accepted.
    fn same_region(&mut self, layers: &[Layer], endpoint: &Endpoint, region: &Region) -> bool {
        if let Some(named) = Region::from_rds_host(&endpoint.host().to_string())
            && named != *region
        {
            let from = pick(layers, Setting::Region).map_or_else(String::new, |origin| origin.from.clone());
            let cause = format!("it is {region}, but the endpoint is in {named}: set it to {named}");
            self.errors.push(SettingError::new(Setting::Region.name(), from, cause));
            return false;
        }
        true
    }

    fn roots(
        &mut self,
        conf: Option<&(PathBuf, RdsConf)>,
        server: Option<(&Endpoint, &Region)>,
        now: SystemTime,
    ) -> Option<Vec<u8>> {
        const VARIABLE: &str = "RDS_IAM_CA_BUNDLE";
        let of_variable =
            self.environment.get(VARIABLE).map(|path| (path, VARIABLE, "environment".to_owned()));
        let of_file = || {
            let (file, conf) = conf?;
            Some((conf.ca_bundle.as_ref()?.as_str(), "RDS_CA_BUNDLE", file.display().to_string()))
        };
        let roots = match of_variable.or_else(of_file) {
            None => match server
                .map_or(Ok(Roots::bundled()), |(endpoint, region)| Roots::bundled_for(endpoint, region))
            {
                Ok(roots) => Cow::Borrowed(roots),
                Err(error) => {
                    self.errors.push(SettingError::new(VARIABLE, "default", ErrorReport(&error)));
                    return None;
                }
            },
            Some((path, name, origin)) => match Roots::read(Path::new(path), now) {
                Ok(roots) => Cow::Owned(roots),
                Err(error) => {
                    self.errors.push(SettingError::new(name, origin, ErrorReport(&error)));
                    return None;
                }
            },
        };
        let freshness = roots.freshness(now);
        if !freshness.is_fresh() {
            self.warnings.push(freshness.to_string());
        }
        Some(roots.pem().to_vec())
    }
}

#[cfg(test)]
mod tests;
