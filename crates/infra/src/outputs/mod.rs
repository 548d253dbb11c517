//! The outputs of `terraform/stacks/service`, as `terraform output -json` prints them: the contract between
//! the infrastructure and the programs.
//!
//! `terraform/stacks/service/outputs.json` is an example that both a Terraform test and this module's tests
//! hold to. Outputs and attributes that are not listed here may be there; the listed ones must be, with the
//! right type, or all that is wrong is reported at once.
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

pub use error::{Cause, OutputsError, Problem, TextCause};
pub use values::{Authentication, ParameterPath, ValueError};

/// The largest file that is read: 1 MiB. A stack's outputs take a few KiB.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// All that a deployment tells its programs.
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

/// What was deployed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deployment {
    /// The account it lies in.
    pub account_id: AccountId,
    /// Which of several like it: `dev`, `production`.
    pub environment: String,
    /// The name that all its parts begin with.
    pub name: String,
    /// The region it lies in.
    pub region: Region,
}

/// The database, which bootstrap goes to directly.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Database {
    /// The user that bootstrap works as.
    pub admin_user: DbUser,
    /// Its engine; `mysql` if the outputs are older than this key.
    pub engine: Engine,
    /// Its own endpoint and port.
    pub endpoint: Endpoint,
    /// The name that it was given.
    pub identifier: String,
    /// The ARN of the master user's secret.
    pub master_secret: SecretId,
    /// The database inside that the app uses.
    pub name: DatabaseName,
    /// `db-…`, or `cluster-…` for Aurora.
    pub resource_id: ResourceId,
}

/// The proxy, which the app goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// How it logs in to the database.
    pub authentication: Authentication,
    /// Its endpoint and port.
    pub endpoint: Endpoint,
    /// The name that it was given.
    pub name: String,
    /// `prx-…`
    pub resource_id: ResourceId,
}

/// The service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct App {
    /// The Auto Scaling group it runs in.
    pub autoscaling_group: String,
    /// The database user it logs in as.
    pub database_user: DbUser,
    /// The parameter that names its image, by digest.
    pub image_parameter: ParameterPath,
    /// The port at which it serves machines, on the instance alone.
    pub management_port: u16,
    /// The path under which [`Outputs::parameters`] lie.
    pub parameter_path: ParameterPath,
    /// Where its image is pushed to.
    pub repository_url: String,
    /// Where it answers.
    pub url: String,
}

/// The function that makes the database's users.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bootstrap {
    /// Its name.
    pub function_name: String,
}

/// Where access logs go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Logs {
    /// The bucket's name.
    pub bucket: String,
}

/// A parameter of Parameter Store, as it is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parameter {
    /// Its full name.
    pub path: String,
    /// Its value. None of them is a secret.
    pub value: String,
}

impl Parameter {
    /// The last parts of their names.
    const NAMES: [&str; 5] = ["dbname", "endpoint", "port", "region", "username"];

    /// The full names of all of a deployment, in order: what is left to know them by once Terraform's outputs are
    /// gone.
    ///
    /// ```
    /// use rds_iam_infra::outputs::Parameter;
    ///
    /// let paths = Parameter::paths(&"/dev/database".parse().unwrap());
    /// assert_eq!(paths[1], "/dev/database/endpoint");
    /// ```
    pub fn paths(below: &ParameterPath) -> [String; 5] {
        Self::NAMES.map(|name| format!("{below}/{name}"))
    }
}

impl Outputs {
    /// Reads what `terraform output -json` prints.
    ///
    /// # Errors
    /// Where the text is something else, or with every output that is missing or wrong. It is for a person
    /// to mend; retrying is no use.
    pub fn parse(text: &str) -> Result<Self, OutputsError> {
        Self::from_text(text, None)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, or as [`Outputs::parse`]; each error names the file.
    pub fn read(path: &Path) -> Result<Self, OutputsError> {
        let text = file::read_text(path, MAX_BYTES)
            .map_err(|source| OutputsError::Read { path: path.to_owned(), source })?;
        Self::from_text(&text, Some(path))
    }

    fn from_text(text: &str, path: Option<&Path>) -> Result<Self, OutputsError> {
        let path = || path.map(Path::to_owned);
        let outputs = parse::objects(text).map_err(|cause| OutputsError::Text { path: path(), cause })?;
        parse::typed(&outputs).map_err(|problems| OutputsError::Invalid { path: path(), problems })
    }

    /// The deployment's `rds.conf`. It is bootstrap's, so it names the database and not the proxy.
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

    /// The parameters that the app reads its settings from, in order of their names. They name the proxy.
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
