//! The outputs of `terraform/stacks/service` in the format of `terraform output -json`: the contract between
//! the infrastructure and the programs. `rds.conf` and the app's parameters are rendered from them.
//!
//! `terraform/stacks/service/outputs.json` is an example, checked by a Terraform test and by this module's tests. Other
//! outputs and attributes are ignored; the ones listed here must exist with the right type. All errors are reported at
//! once.
//!
//! ```no_run
//! use rds_iam_infra::Outputs;
//!
//! // terraform -chdir=terraform/stacks/service output -json > outputs.json
//! let outputs = Outputs::read("outputs.json".as_ref())?;
//! outputs.rds_conf().write("rds.conf".as_ref())?;
//! for parameter in outputs.parameters() {
//!     println!("{} = {}", parameter.path, parameter.value);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod parse;
mod values;

use std::path::Path;

use rds_iam_token::{DbUser, Endpoint, Region};

use crate::Engine;
use crate::RdsConf;
use crate::arn::{AccountId, ResourceId};
use crate::rds_conf::{DatabaseName, SecretId};
use rds_iam_report::file;

pub use error::{AttributeError, AttributeErrorKind, OutputsError, TextErrorKind};
pub use values::{Authentication, ParameterPath, ValueError};

/// The maximum size of a file: 1 MiB. A stack's outputs have a few KiB.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// The outputs of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outputs {
    /// `deployment`
    pub deployment: Deployment,
    /// `database`
    pub database: Database,
    /// `proxy`
    pub proxy: Proxy,
    /// `app`
    pub app: App,
    /// `bootstrap`
    pub bootstrap: Bootstrap,
    /// `logs`
    pub logs: Logs,
}

/// The identity and location of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployment {
    /// The AWS account.
    pub account_id: AccountId,
    /// The environment, such as `dev` or `production`.
    pub environment: String,
    /// The prefix of the names of all its resources.
    pub name: String,
    /// The AWS region.
    pub region: Region,
}

/// The database, which bootstrap connects to directly.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Database {
    /// The user that bootstrap logs in as with IAM.
    pub admin_user: DbUser,
    /// The engine; `mysql` if the outputs are older than this key.
    pub engine: Engine,
    /// The database's endpoint and port.
    pub endpoint: Endpoint,
    /// The instance identifier.
    pub identifier: String,
    /// The ARN of the master user's secret.
    pub master_secret: SecretId,
    /// The name of the app's database on the server.
    pub name: DatabaseName,
    /// The resource id: `db-…`, or `cluster-…` for Aurora.
    pub resource_id: ResourceId,
}

/// The proxy, which the app connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// The proxy's authentication to the database.
    pub authentication: Authentication,
    /// The proxy's endpoint and port.
    pub endpoint: Endpoint,
    /// The proxy's name.
    pub name: String,
    /// The resource id: `prx-…`.
    pub resource_id: ResourceId,
}

/// The service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct App {
    /// The service's Auto Scaling group.
    pub autoscaling_group: String,
    /// The service's database user.
    pub database_user: DbUser,
    /// The parameter with the image in service, by digest.
    pub image_parameter: ParameterPath,
    /// The management port, reachable only on the instance itself.
    pub management_port: u16,
    /// The path of [`Outputs::parameters`].
    pub parameter_path: ParameterPath,
    /// The URL of the image repository.
    pub repository_url: String,
    /// The service's URL.
    pub url: String,
}

/// The Lambda function that creates the database users.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bootstrap {
    /// The function's name.
    pub function_name: String,
}

/// The destination of access logs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Logs {
    /// The bucket's name.
    pub bucket: String,
}

/// An expected parameter in Parameter Store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parameter {
    /// The full name.
    pub path: String,
    /// The value. None of them is a secret.
    pub value: String,
}

impl Parameter {
    /// The last segments of the names.
    const NAMES: [&str; 5] = ["dbname", "endpoint", "port", "region", "username"];

    /// Returns the full names of all parameters of a deployment, in order, without its outputs: after a destroy there
    /// are none.
    ///
    /// ```
    /// use rds_iam_infra::outputs::Parameter;
    ///
    /// let paths = Parameter::paths(&"/dev/database".parse().unwrap());
    /// assert_eq!(paths[1], "/dev/database/endpoint");
    /// ```
    pub fn paths(prefix: &ParameterPath) -> [String; 5] {
        Self::NAMES.map(|name| format!("{prefix}/{name}"))
    }
}

impl Outputs {
    /// Parses the text of `terraform output -json`.
    ///
    /// # Errors
    /// Returns an error if the text is something else, or with all errors of missing and invalid outputs. An
    /// operator must fix them; retrying does not help.
    pub fn parse(text: &str) -> Result<Self, OutputsError> {
        Self::from_text(text, None)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, or as [`Outputs::parse`]; each error names the file.
    pub fn read(path: &Path) -> Result<Self, OutputsError> {
        let text = file::read_text(path, MAX_BYTES)
            .map_err(|source| OutputsError::Read { path: path.to_owned(), source })?;
        Self::from_text(&text, Some(path))
    }

    fn from_text(text: &str, path: Option<&Path>) -> Result<Self, OutputsError> {
        let path = || path.map(Path::to_owned);
        let outputs = parse::objects(text).map_err(|kind| OutputsError::Text { path: path(), kind })?;
        parse::typed(&outputs).map_err(|errors| OutputsError::Invalid { path: path(), errors })
    }

    /// Returns the deployment's `rds.conf`. Bootstrap uses it, so it has the endpoint of the database, not of the
    /// proxy.
    pub fn rds_conf(&self) -> RdsConf {
        let Database { admin_user, engine, endpoint, master_secret, name, resource_id, .. } =
            self.database.clone();
        let mut conf =
            RdsConf::new(endpoint, self.deployment.region.clone(), master_secret, name, admin_user);
        conf.engine = engine;
        conf.resource_id = Some(resource_id);
        conf.account_id = Some(self.deployment.account_id.clone());
        conf
    }

    /// Returns the parameters of the app's settings, by name. They have the endpoint of the proxy.
    pub fn parameters(&self) -> Vec<Parameter> {
        let values = [
            self.database.name.to_string(),
            self.proxy.endpoint.host().to_string(),
            self.proxy.endpoint.port().to_string(),
            self.deployment.region.to_string(),
            self.app.database_user.to_string(),
        ];
        let paths = Parameter::paths(&self.app.parameter_path);
        paths.into_iter().zip(values).map(|(path, value)| Parameter { path, value }).collect()
    }
}

#[cfg(test)]
mod tests;
