//! The places that settings come from, laid one over the other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rds_iam_infra::RdsConf;
use rds_iam_token::Endpoint;

use super::error::Problem;

/// An environment variable, for help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it means, in a line, with its default.
    pub meaning: &'static str,
}

/// Every environment variable that the service itself reads. The AWS SDK reads its own for credentials.
pub const VARIABLES: [Variable; 14] = [
    variable("RDS_IAM_DB_ENDPOINT", "Endpoint of the database or proxy on AWS, which tokens are signed for"),
    variable("RDS_IAM_DB_PORT", "Its port [default: 3306]"),
    variable("RDS_IAM_DB_NAME", "Database with the table"),
    variable("RDS_IAM_DB_USER", "Database user to log in as; an rds.conf does not name it"),
    variable("AWS_REGION", "Region that the endpoint lies in [no default]"),
    variable(
        "RDS_IAM_SSM_PREFIX",
        "Prefix of the Parameter Store names to read what is missing from, such as /dev/database",
    ),
    variable(
        "RDS_IAM_DIAL",
        "host:port to connect to and verify where it is not the endpoint, such as a tunnel's end",
    ),
    variable(
        "RDS_IAM_CA_BUNDLE",
        "PEM file of trust roots [default: those of RDS and RDS Proxy, which ship with the program]",
    ),
    variable("RDS_IAM_POOL_MAX", "Most database connections open at once, 1 to 1000 [default: 10]"),
    variable("PORT", "Port to listen on; 0 takes a free one [default: 3000]"),
    variable(
        "RDS_IAM_MANAGEMENT_PORT",
        "Port for machines: /livez, /readyz, /metrics, /api/identity; another one than PORT [default: 3001, or a free one where PORT is 0]",
    ),
    variable("RDS_IAM_BIND", "IP address to listen on [default: 0.0.0.0]"),
    variable("RDS_IAM_LOG", "json or human [default: human on a terminal, else json]"),
    variable(
        "RUST_LOG",
        "Which logs to write, such as rds_iam_pool=debug,info; libraries are held at info, for below that some log secrets [default: info,aws_config=warn]",
    ),
];

const fn variable(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, meaning }
}

/// The environment variables that matter here, as they were at one moment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    not_text: Vec<&'static str>,
}

impl Environment {
    /// The process's environment.
    #[must_use]
    pub fn of_process() -> Self {
        let mut environment = Self::default();
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

    /// Whether [`problems`](Self::problems) tells of this variable.
    pub(super) fn is_unusable(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(String::is_empty) || self.not_text.contains(&name)
    }

    /// What is wrong with the variables themselves, whatever they are for.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let empty = self.values.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| {
            Problem::new(name, "environment", "it is set but empty: give it a value, or unset it")
        });
        let not_text = self
            .not_text
            .iter()
            .map(|name| Problem::new(name, "environment", "it is not UTF-8 text: write it again"));
        empty.chain(not_text).collect()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    /// An environment of the caller's making.
    fn from_iter<T: IntoIterator<Item = (K, V)>>(variables: T) -> Self {
        let values = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values, not_text: Vec::new() }
    }
}

/// A setting that says which database, and who logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    Endpoint,
    Port,
    Name,
    User,
    Region,
}

impl Setting {
    pub(super) const ALL: [Self; 5] = [Self::Endpoint, Self::Port, Self::Name, Self::User, Self::Region];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Port => "port",
            Self::Name => "database name",
            Self::User => "database user",
            Self::Region => "region",
        }
    }

    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Endpoint => "RDS_IAM_DB_ENDPOINT",
            Self::Port => "RDS_IAM_DB_PORT",
            Self::Name => "RDS_IAM_DB_NAME",
            Self::User => "RDS_IAM_DB_USER",
            Self::Region => "AWS_REGION",
        }
    }

    /// The key of an `rds.conf`, which names no application user.
    pub(super) fn key(self) -> Option<&'static str> {
        match self {
            Self::Endpoint => Some("RDS_ENDPOINT"),
            Self::Port => Some("RDS_PORT"),
            Self::Name => Some("DB_NAME"),
            Self::User => None,
            Self::Region => Some("REGION"),
        }
    }

    /// The last part of the parameter's name, as in the system that this replaces.
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Port => "port",
            Self::Name => "dbname",
            Self::User => "username",
            Self::Region => "region",
        }
    }
}

/// A database setting's value and where it came from. `Display` is a line for a log.
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
    pub(super) fn default_of(setting: Setting, value: impl fmt::Display) -> Self {
        Self { setting: setting.name(), value: value.to_string(), from: "the default".into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} from {}", self.setting, self.value, self.from)
    }
}

/// One place's values.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    values: BTreeMap<Setting, Origin>,
    is_file: bool,
    prefix: Option<String>,
}

/// The value of the uppermost layer that has one.
pub(super) fn pick(layers: &[Layer], setting: Setting) -> Option<&Origin> {
    layers.iter().find_map(|layer| layer.get(setting))
}

impl Layer {
    pub(super) fn of_environment(environment: &Environment) -> Self {
        let mut layer = Self::default();
        for setting in Setting::ALL {
            if let Some(value) = environment.get(setting.variable()) {
                layer.put(setting, value, setting.variable());
            }
        }
        layer
    }

    pub(super) fn of_file(path: &Path, conf: &RdsConf) -> Self {
        let mut layer = Self { is_file: true, ..Self::default() };
        for (setting, value) in [
            (Setting::Endpoint, conf.endpoint.host().to_string()),
            (Setting::Port, conf.endpoint.port().to_string()),
            (Setting::Name, conf.database.to_string()),
            (Setting::Region, conf.region.to_string()),
        ] {
            let key = setting.key().unwrap_or_default();
            layer.put(setting, value, format!("{key} in {}", path.display()));
        }
        layer
    }

    /// Values of Parameter Store, by the full names of their parameters.
    pub(super) fn of_parameters(prefix: &str, found: &BTreeMap<String, String>) -> Self {
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
        let origin = Origin { setting: setting.name(), value: value.into(), from: from.into() };
        self.values.insert(setting, origin);
    }

    pub(super) fn get(&self, setting: Setting) -> Option<&Origin> {
        self.values.get(&setting)
    }

    pub(super) fn is_file(&self) -> bool {
        self.is_file
    }

    pub(super) fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// Takes `host:port` in the endpoint apart, so that the port of one place never meets the host of
    /// another unnoticed. What is no endpoint stays as it is, for the endpoint's own check.
    pub(super) fn split_endpoint(&mut self) -> Option<Problem> {
        let Origin { value, from, .. } = self.get(Setting::Endpoint)?.clone();
        let endpoint: Endpoint = value.parse().ok()?;
        let port = endpoint.port().to_string();
        let clash = self.get(Setting::Port).filter(|other| other.value != port).map(|other| {
            let cause = format!("it has port {port}, but {} says {}: remove one", other.from, other.value);
            Problem::new(Setting::Endpoint.name(), &from, cause)
        });
        self.put(Setting::Endpoint, endpoint.host().to_string(), &*from);
        self.put(Setting::Port, port, from);
        clash
    }
}
