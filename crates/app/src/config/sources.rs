//! The sources of settings: the list of environment variables, and layers of values from the environment, an
//! `rds.conf` and Parameter Store, each value with its origin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rds_iam_infra::{Engine, RdsConf};
use rds_iam_report::check_endpoint_urls;
use rds_iam_token::Endpoint;

use super::error::SettingError;
use super::setting::Setting;

/// An environment variable, for help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// The meaning, in a line, with the default.
    pub meaning: &'static str,
}

/// The environment variables that the service itself reads. The AWS SDK reads others for credentials.
pub const VARIABLES: [Variable; 15] = [
    variable("RDS_IAM_ENGINE", "Database engine: mysql or postgresql [default: mysql]"),
    variable("RDS_IAM_DB_ENDPOINT", "Endpoint of the database or proxy on AWS, which tokens are signed for"),
    variable("RDS_IAM_DB_PORT", "Its port [default: the engine's, 3306 or 5432]"),
    variable("RDS_IAM_DB_NAME", "Database with the table"),
    variable("RDS_IAM_DB_USER", "Database user to log in as; not in rds.conf"),
    variable("AWS_REGION", "Region of the endpoint [no default]"),
    variable(
        "RDS_IAM_SSM_PREFIX",
        "Prefix of the Parameter Store names to read what is missing from, such as /dev/database",
    ),
    variable(
        "RDS_IAM_DIAL",
        "host:port to connect to instead of the endpoint, such as a tunnel's end; TLS still verifies the endpoint",
    ),
    variable(
        "RDS_IAM_CA_BUNDLE",
        "PEM file of trust roots [default: those of RDS and RDS Proxy, which ship with the program]",
    ),
    variable("RDS_IAM_POOL_MAX", "Most database connections open at once, 1 to 1000 [default: 10]"),
    variable("PORT", "Port to listen on; 0 chooses a free one [default: 3000]"),
    variable(
        "RDS_IAM_MANAGEMENT_PORT",
        "Management port: /livez, /readyz, /metrics, /api/identity; different from PORT [default: 3001, or a free one if PORT is 0]",
    ),
    variable("RDS_IAM_BIND", "IP address to listen on [default: 0.0.0.0]"),
    variable("RDS_IAM_LOG", "json or human [default: human on a terminal, else json]"),
    variable(
        "RUST_LOG",
        "Log filter, such as rds_iam_sqlx=debug,info; libraries log at info at most, because some log secrets below it [default: info,aws_config=warn]",
    ),
];

const fn variable(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, meaning }
}

/// A snapshot of the environment variables in [`VARIABLES`], and whether the AWS SDK can be called with the process's
/// environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    not_text: Vec<&'static str>,
    /// An empty variable of the AWS SDK, which would panic in its first call.
    empty_endpoint_url: Option<String>,
}

impl Environment {
    /// Reads the process's environment.
    #[must_use]
    pub fn from_process() -> Self {
        let empty_endpoint_url = check_endpoint_urls(None).err().map(|error| error.variable);
        let mut environment = Self { empty_endpoint_url, ..Self::default() };
        for Variable { name, .. } in VARIABLES {
            match std::env::var_os(name).map(std::ffi::OsString::into_string) {
                None => {}
                Some(Ok(value)) => drop(environment.values.insert(name.into(), value)),
                Some(Err(_)) => environment.not_text.push(name),
            }
        }
        environment
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns whether [`errors`](Self::errors) reports this variable.
    pub(super) fn is_unusable(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(String::is_empty) || self.not_text.contains(&name)
    }

    /// Returns whether the AWS SDK can be called. If not, [`errors`](Self::errors) has the reason.
    pub(super) fn can_call_aws(&self) -> bool {
        self.empty_endpoint_url.is_none()
    }

    /// Returns the errors of the variables themselves, independent of their meaning.
    pub(super) fn errors(&self) -> Vec<SettingError> {
        let empty = self.values.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name);
        let empty = empty.chain(&self.empty_endpoint_url).map(|name| {
            SettingError::new(name, "environment", "it is set but empty: give it a value, or unset it")
        });
        let not_text = self
            .not_text
            .iter()
            .map(|name| SettingError::new(name, "environment", "it is not UTF-8 text: write it again"));
        empty.chain(not_text).collect()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    /// Creates an environment from names and values.
    fn from_iter<T: IntoIterator<Item = (K, V)>>(variables: T) -> Self {
        let values = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values, ..Self::default() }
    }
}

/// A database setting's value and its origin. `Display` writes a line for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The setting.
    pub setting: &'static str,
    /// Its value.
    pub value: String,
    /// The variable, file and key, or parameter.
    pub from: String,
}

impl Origin {
    pub(super) fn from_default(setting: Setting, value: impl fmt::Display) -> Self {
        Self { setting: setting.name(), value: value.to_string(), from: "the default".into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} from {}", self.setting, self.value, self.from)
    }
}

/// The values of one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    values: BTreeMap<Setting, Origin>,
    is_file: bool,
    prefix: Option<String>,
}

/// Returns the value of the first layer that has one.
pub(super) fn pick(layers: &[Layer], setting: Setting) -> Option<&Origin> {
    layers.iter().find_map(|layer| layer.get(setting))
}

/// Creates the error of a setting without a value, which lists every way to set it.
pub(super) fn missing(setting: Setting, layers: &[Layer]) -> SettingError {
    let mut ways = vec![format!("set {}", setting.variable())];
    if let Some(key) = setting.key()
        && !layers.iter().any(|layer| layer.is_file)
    {
        ways.push(format!("name an rds.conf with {key} by --config"));
    }
    ways.push(match layers.iter().find_map(|layer| layer.prefix.as_deref()) {
        Some(prefix) => format!("create the parameter {prefix}/{}", setting.parameter()),
        None => format!("set RDS_IAM_SSM_PREFIX to read <prefix>/{}", setting.parameter()),
    });
    SettingError::new(setting.name(), "not set", ways.join(", or "))
}

impl Layer {
    pub(super) fn from_environment(environment: &Environment) -> Self {
        let mut layer = Self::default();
        for setting in Setting::ALL {
            if let Some(value) = environment.get(setting.variable()) {
                layer.put(setting, value, setting.variable());
            }
        }
        layer
    }

    pub(super) fn from_file(path: &Path, conf: &RdsConf) -> Self {
        let mut layer = Self { is_file: true, ..Self::default() };
        for (setting, key, value) in [
            // The parsed file does not say whether it has the key.
            (Setting::Engine, "ENGINE or its default", conf.engine.to_string()),
            (Setting::Endpoint, "RDS_ENDPOINT", conf.endpoint.host().to_string()),
            // The parsed file does not say which of the two keys has the port.
            (Setting::Port, "RDS_ENDPOINT or RDS_PORT", conf.endpoint.port().to_string()),
            (Setting::Name, "DB_NAME", conf.database.to_string()),
            (Setting::Region, "REGION", conf.region.to_string()),
        ] {
            layer.put(setting, value, format!("{key} in {}", path.display()));
        }
        layer
    }

    /// Creates a layer of values from Parameter Store, by the full names of their parameters.
    pub(super) fn from_parameters(prefix: &str, found: &BTreeMap<String, String>) -> Self {
        let mut layer = Self { prefix: Some(prefix.to_owned()), ..Self::default() };
        for setting in Setting::ALL {
            let name = format!("{prefix}/{}", setting.parameter());
            if let Some(value) = found.get(&name) {
                layer.put(setting, value, format!("parameter {name}"));
            }
        }
        layer
    }

    fn put(&mut self, setting: Setting, value: impl Into<String>, from: impl Into<String>) {
        let value = value.into();
        // Two names of an engine do not differ.
        let engine = value.parse::<Engine>().ok().filter(|_| setting == Setting::Engine);
        let value = engine.map_or(value, |engine| engine.to_string());
        self.values.insert(setting, Origin { setting: setting.name(), value, from: from.into() });
    }

    pub(super) fn get(&self, setting: Setting) -> Option<&Origin> {
        self.values.get(&setting)
    }

    /// Splits `host:port` in the endpoint, so that the port of one source is never combined with the host of another
    /// without an error. An invalid endpoint is unchanged, for the endpoint's own check.
    pub(super) fn split_endpoint(&mut self) -> Option<SettingError> {
        let Origin { value, from, .. } = self.get(Setting::Endpoint)?.clone();
        let endpoint: Endpoint = value.parse().ok()?;
        let port = endpoint.port().to_string();
        let clash = self.get(Setting::Port).filter(|other| other.value != port).map(|other| {
            let cause = format!("it has port {port}, but {} says {}: remove one", other.from, other.value);
            SettingError::new(Setting::Endpoint.name(), &from, cause)
        });
        self.put(Setting::Endpoint, endpoint.host().to_string(), &*from);
        self.put(Setting::Port, port, from);
        clash
    }
}
