//! `Environment`: the settings that the pipeline reads from `environments/<name>.tfvars`, and the values
//! derived from them: resource names, ARNs, ports on this machine, and file paths.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;

use rds_iam_images::package::Package;
use rds_iam_infra::{Engine, Permission};
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::workspace::Workspace;

/// The environments on this machine, each with the port of its app, in place of the load balancer's address
/// on AWS.
const LOCAL: [(&str, u16); 3] = [("local", 13_080), ("localprod", 13_081), ("localpg", 13_082)];

/// The offset from that port to the app's management port.
const TO_MANAGEMENT_PORT: u16 = 100;

/// Folders beside those of environments, whose names no environment may have.
const RESERVED: [&str; 5] = ["account", "ci", "context", "reports", "sarif"];

/// The root module of a deployment, from the workspace's root.
pub(crate) const STACK: &str = "terraform/stacks/service";

/// The folder of the environments' settings, from the workspace's root.
const FOLDER: &str = "terraform/stacks/service/environments";

/// A deployment's name, account and settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
    pub(crate) project: String,
    pub(crate) engine: Engine,
    /// Whether the database is an Aurora cluster.
    pub(crate) has_cluster: bool,
    /// Whether RDS Proxy is in front of the database.
    pub(crate) has_proxy: bool,
    /// Whether the service is part of the deployment.
    pub(crate) has_app: bool,
    /// The architecture of bootstrap's function and the app's instances: `arm64` or `x86_64`.
    pub(crate) architecture: String,
    /// The path of bootstrap's package in its tfvars, from the stack.
    package: Option<PathBuf>,
    pub(crate) kind: EnvironmentKind,
}

/// The account of an environment: on AWS or on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnvironmentKind {
    /// An AWS account.
    Aws,
    /// The emulated account on this machine.
    Local,
}

/// The part of a tfvars file that the pipeline itself reads; Terraform reads all of it.
#[derive(Debug, Deserialize)]
struct Variables {
    account_id: String,
    region: String,
    project: String,
    environment: String,
    engine: Option<String>,
    database: Option<Database>,
    // Absent, they are there with their defaults; `null` is a deployment without them.
    #[serde(default = "default_part")]
    proxy: Option<IgnoredAny>,
    #[serde(default = "default_part")]
    app: Option<IgnoredAny>,
    bootstrap: Option<Bootstrap>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde calls it for an Option")]
fn default_part() -> Option<IgnoredAny> {
    Some(IgnoredAny)
}

#[derive(Debug, Deserialize)]
struct Database {
    cluster: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Bootstrap {
    architecture: Option<String>,
    package: Option<PathBuf>,
}

impl Environment {
    /// Reads an environment's settings.
    ///
    /// # Errors
    /// Returns an error if there is no such environment, or its file lacks a setting.
    pub(crate) fn read(name: &str, workspace: &Workspace) -> Result<Self, Error> {
        let path = workspace.root.join(FOLDER).join(format!("{name}.tfvars"));
        let known = known(workspace)?;
        if RESERVED.contains(&name) {
            return Err(Error::Usage {
                found: format!(
                    "{name} can't be an environment's name: the pipeline has a folder of that name"
                ),
                help: "name it otherwise".to_owned(),
            });
        }
        // A name must not be used as a path.
        if !known.iter().any(|known| known == name) {
            return Err(Error::Usage {
                found: if name.is_empty() {
                    "the environment's name is empty".to_owned()
                } else {
                    format!("there is no environment {name:?}: it has no file in {FOLDER}")
                },
                help: format!("name one of {}, or write its tfvars", known.join(", ")),
            });
        }
        Self::parse(name, &file::read(&path)?)
    }

    fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let wrong = |what: String| Error::Found {
            found: format!("{FOLDER}/{name}.tfvars: {what}"),
            help: "it sets account_id, region, project and environment as texts; variables.tf describes all"
                .to_owned(),
        };
        let variables: Variables =
            hcl::from_str(text).map_err(|error| wrong(error.to_string().trim().to_owned()))?;
        let Variables { account_id, region, project, environment, engine, database, proxy, app, bootstrap } =
            variables;
        let settings = [("account_id", &account_id), ("region", &region), ("project", &project)];
        let empty = settings.iter().filter(|(_, value)| value.trim().is_empty());
        let empty: Vec<&str> = empty.map(|(setting, _)| *setting).collect();
        if !empty.is_empty() {
            return Err(wrong(format!("empty: {}", empty.join(", "))));
        }
        if environment != name {
            return Err(wrong(format!("it says environment = {environment:?}, and its name says {name:?}")));
        }
        let local = LOCAL.iter().any(|(local, _)| *local == name);
        let engine: Option<Engine> = engine
            .map(|engine| engine.parse())
            .transpose()
            .map_err(|error| wrong(format!("engine: {error}")))?;
        if local && app.is_none() {
            return Err(wrong(
                "app = null, and an environment on this machine has an app: the pipeline sets its ports"
                    .to_owned(),
            ));
        }
        // The default of variables.tf; on this machine, the machine's own architecture.
        let (architecture, package) =
            bootstrap.map_or((None, None), |bootstrap| (bootstrap.architecture, bootstrap.package));
        let architecture = architecture.filter(|_| !local).unwrap_or_else(|| {
            let here = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
            if local { here.to_owned() } else { "arm64".to_owned() }
        });
        if !["arm64", "x86_64"].contains(&architecture.as_str()) {
            return Err(wrong(format!(
                "bootstrap.architecture is {architecture:?}, and Lambda has arm64 and x86_64"
            )));
        }
        let kind = if local { EnvironmentKind::Local } else { EnvironmentKind::Aws };
        Ok(Self {
            name: name.to_owned(),
            account_id,
            region,
            project,
            engine: engine.unwrap_or_default(),
            has_cluster: database.is_some_and(|database| database.cluster.is_some()),
            has_proxy: proxy.is_some(),
            has_app: app.is_some(),
            architecture,
            package,
            kind,
        })
    }

    /// Returns the prefix of its resource names.
    pub(crate) fn deployment(&self) -> String {
        format!("{}-{}", self.project, self.name)
    }

    /// Returns the name of the app's image repository, as in the module ecr.
    pub(crate) fn repository(&self) -> String {
        format!("{}.dkr.ecr.{}.amazonaws.com/{}", self.account_id, self.region, self.deployment())
    }

    /// Returns an ARN in its account and region, without `arn:<partition>:`.
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!("{service}:{}:{}:{resource}", self.region, self.account_id)
    }

    /// Returns the database's ARN, in the form of [`arn`](Self::arn).
    pub(crate) fn database_arn(&self) -> String {
        let kind = if self.has_cluster { "cluster" } else { "db" };
        self.arn("rds", &format!("{kind}:{}", self.deployment()))
    }

    /// Returns the permission to create, modify or delete the database: `verb` begins the action's name.
    pub(crate) fn database_permission(&self, verb: &str) -> Permission {
        let kind = if self.has_cluster { "Cluster" } else { "Instance" };
        Permission::new(format!("rds:{verb}DB{kind}"), self.database_arn())
    }

    /// Returns a description of the database, such as `mysql` or `postgresql (Aurora)`.
    pub(crate) fn database(&self) -> String {
        if self.has_cluster { format!("{} (Aurora)", self.engine) } else { self.engine.to_string() }
    }

    /// Returns the ARN of the app's image repository, in the form of [`arn`](Self::arn).
    pub(crate) fn repository_arn(&self) -> String {
        self.arn("ecr", &format!("repository/{}", self.deployment()))
    }

    /// Returns a parameter's ARN by its path, in the form of [`arn`](Self::arn).
    pub(crate) fn parameter_arn(&self, path: &str) -> String {
        self.arn("ssm", &format!("parameter{path}"))
    }

    /// Returns the parameter path of the app's settings.
    pub(crate) fn settings_path(&self) -> String {
        format!("/{}/database", self.name)
    }

    /// Returns the name of the image parameter.
    pub(crate) fn image_parameter(&self) -> String {
        format!("/{}/app/image", self.name)
    }

    /// Returns the port of the app, for an environment on this machine.
    pub(crate) fn port(&self) -> Option<u16> {
        LOCAL.iter().find(|(name, _)| *name == self.name).map(|(_, port)| *port)
    }

    /// Returns the app's management port, for an environment on this machine.
    pub(crate) fn management_port(&self) -> Option<u16> {
        self.port().map(|port| port + TO_MANAGEMENT_PORT)
    }

    /// Returns bootstrap's package, at the path that the plan reads.
    ///
    /// # Errors
    /// Returns an error if Lambda does not support the architecture.
    pub(crate) fn package(&self, workspace: &Workspace) -> Result<Package, Error> {
        if self.kind == EnvironmentKind::Local {
            return Ok(Package::of_this_machine());
        }
        let package = Package::release(&self.architecture)?;
        Ok(match &self.package {
            Some(path) => package.to(workspace.root.join(STACK).join(path)),
            None => package,
        })
    }

    /// Returns the path of the variables' file.
    pub(crate) fn variables(&self, workspace: &Workspace) -> PathBuf {
        workspace.root.join(FOLDER).join(format!("{}.tfvars", self.name))
    }

    /// Returns the path of the backend settings, which locate Terraform's state: bucket, key and region, no
    /// secrets.
    pub(crate) fn backend(&self, workspace: &Workspace) -> PathBuf {
        workspace.root.join(FOLDER).join(format!("{}.s3.tfbackend", self.name))
    }
}

/// Returns the names of the environments on this machine.
pub(crate) fn local_names() -> impl Iterator<Item = &'static str> {
    LOCAL.into_iter().map(|(name, _)| name)
}

/// Returns the environments that have a file, sorted.
fn known(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let folder = workspace.root.join(FOLDER);
    let failed = |source| Error::File { action: "read", path: folder.clone(), source };
    let mut known = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        known.extend(name.strip_suffix(".tfvars").map(str::to_owned));
    }
    known.sort();
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "account_id = \"123456789012\" # yours\nregion = \"eu-west-1\"\nproject = \"orders\"\n\
                       environment = \"dev\"\nbootstrap = { package = \"x.zip\" }\n";

    #[test]
    fn settings_are_read_from_the_variables() {
        let dev = Environment::parse("dev", DEV).unwrap();
        assert_eq!((dev.architecture.as_str(), dev.kind, dev.port()), ("arm64", EnvironmentKind::Aws, None));
        assert_eq!(dev.repository(), "123456789012.dkr.ecr.eu-west-1.amazonaws.com/orders-dev");
        assert_eq!(dev.image_parameter(), "/dev/app/image");
        let local = Environment::parse("local", &DEV.replace("dev", "local")).unwrap();
        assert_eq!((local.kind, local.port()), (EnvironmentKind::Local, Some(13_080)));
    }

    #[test]
    fn localpg_is_on_this_machine() {
        let text = DEV.replace("dev", "localpg") + "engine = \"postgresql\"\n";
        let localpg = Environment::parse("localpg", &text).unwrap();
        assert_eq!((localpg.kind, localpg.engine), (EnvironmentKind::Local, Engine::Postgres));
        assert_eq!((localpg.port(), localpg.management_port()), (Some(13_082), Some(13_182)));
    }

    #[test]
    fn proxy_and_app_are_there_unless_they_are_null() {
        let parts = |more: &str| {
            let environment = Environment::parse("dev", &format!("{DEV}{more}")).unwrap();
            (environment.has_proxy, environment.has_app, environment.database())
        };
        assert_eq!(parts(""), (true, true, "mysql".to_owned()));
        assert_eq!(parts("proxy = {}\napp = { min_size = 1 }\ndatabase = { cluster = null }\n").2, "mysql");
        let cluster = "engine = \"postgresql\"\ndatabase = { cluster = { instances = { one = {} } } }\n";
        let none = parts(&format!("{cluster}proxy = null # it would keep the cluster awake\napp = null\n"));
        assert_eq!(none, (false, false, "postgresql (Aurora)".to_owned()));
    }

    /// Every environment in the repository can be read, and has the parts that its tfvars declare.
    #[test]
    fn the_environments_of_the_repository_are_read() {
        let root = rds_iam_process::workspace::root();
        let read = |name: &str| {
            let text = fs::read_to_string(root.join(FOLDER).join(format!("{name}.tfvars"))).unwrap();
            Environment::parse(name, &text).unwrap()
        };
        for name in local_names().chain(["dev", "prod", "e2e"]) {
            let environment = read(name);
            assert!(environment.has_app && environment.has_proxy && !environment.has_cluster, "{name}");
        }
        let aurora = read("auroratest");
        assert!(aurora.has_cluster && !aurora.has_app && !aurora.has_proxy, "{aurora:?}");
        let create = aurora.database_permission("Create").to_string();
        assert_eq!(create, "rds:CreateDBCluster on rds:eu-west-2:123456789012:cluster:flaskapp-auroratest");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let said = [
            DEV.replace("\"dev\"", "\"prod\""),
            DEV.replace("\"eu-west-1\"", "\" \""),
            DEV.replace("region", "regio"),
            "account_id = ".to_owned(),
            format!("{DEV}engine = \"aurora\"\n"),
        ]
        .map(|text| Environment::parse("dev", &text).unwrap_err().to_string());
        let local = DEV.replace("dev", "local") + "app = null\n";
        let said = [&said[..], &[Environment::parse("local", &local).unwrap_err().to_string()]].concat();
        insta::assert_snapshot!(said.join("\n"));
    }
}
