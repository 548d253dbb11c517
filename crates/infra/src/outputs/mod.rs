//! The outputs of `terraform/stacks/service` in the format of `terraform output -json`: the contract between
//! the infrastructure and the programs. `rds.conf` and the app's parameters are rendered from them.
//!
//! `terraform/stacks/service/outputs.json` is an example, checked by a Terraform test and by this module's tests. Other
//! outputs and attributes are ignored; the ones listed here must exist with the right type. A deployment may have no
//! proxy, no app, no jump host and no bucket for logs: their outputs are then absent or null. All errors are reported at
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
pub use values::{Authentication, DatabaseKind, ParameterPath, ValueError};

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
    /// `proxy`; without one, the app connects to the database.
    pub proxy: Option<Proxy>,
    /// `app`
    pub app: Option<App>,
    /// `bootstrap`
    pub bootstrap: Bootstrap,
    /// `jump_host`
    pub jump_host: Option<JumpHost>,
    /// `logs`
    pub logs: Option<Logs>,
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
    /// The database's endpoint and port; of a cluster, the writer's.
    pub endpoint: Endpoint,
    /// The identifier of the instance or cluster.
    pub identifier: String,
    /// Instance or cluster. If the outputs are older than this key, by the resource id.
    pub kind: DatabaseKind,
    /// The ARN of the master user's secret.
    pub master_secret: SecretId,
    /// The name of the app's database on the server.
    pub name: DatabaseName,
    /// The endpoint of the readers of a cluster, with the port of [`endpoint`](Self::endpoint).
    pub reader_endpoint: Option<Endpoint>,
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
    /// The proxy's endpoint for the readers of a cluster, with the port of [`endpoint`](Self::endpoint).
    pub reader_endpoint: Option<Endpoint>,
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

/// The instance through which operators tunnel to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JumpHost {
    /// The id of the instance: `i-…`.
    pub instance_id: String,
    /// The id of its security group: `sg-…`.
    pub security_group_id: String,
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
    /// The last segments of the names. The engine is the first to be written: it gives the others their meaning.
    const NAMES: [&str; 6] = ["engine", "dbname", "endpoint", "port", "region", "username"];

    /// Returns the full names of all parameters of a deployment, in the order in which they are written. It needs no
    /// outputs: after a destroy there are none.
    ///
    /// ```
    /// use rds_iam_infra::outputs::Parameter;
    ///
    /// let paths = Parameter::paths(&"/dev/database".parse().unwrap());
    /// assert_eq!(paths[0], "/dev/database/engine");
    /// ```
    pub fn paths(prefix: &ParameterPath) -> [String; 6] {
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

    /// Returns the parameters of the app's settings, in the order in which they are written. They have the endpoint of
    /// the proxy, or of the database if there is none. Empty without an app.
    pub fn parameters(&self) -> Vec<Parameter> {
        let Some(app) = &self.app else { return Vec::new() };
        let endpoint = self.proxy.as_ref().map_or(&self.database.endpoint, |proxy| &proxy.endpoint);
        let values = [
            self.database.engine.to_string(),
            self.database.name.to_string(),
            endpoint.host().to_string(),
            endpoint.port().to_string(),
            self.deployment.region.to_string(),
            app.database_user.to_string(),
        ];
        let paths = Parameter::paths(&app.parameter_path);
        paths.into_iter().zip(values).map(|(path, value)| Parameter { path, value }).collect()
    }
}

#[cfg(test)]
mod tests;
