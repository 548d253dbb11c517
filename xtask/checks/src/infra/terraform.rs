//! Terraform as this workspace runs it: a known version, a provider that the lock file knows, and no
//! setting of the person's own shell that would change what is done.

use std::path::{Path, PathBuf};

use serde_json::Value;
use xshell::cmd;

use super::provider::{self, MIRROR_VARIABLE};
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::tools::{self, TERRAFORM_HELP, is_new_enough_terraform};
use rds_iam_process::workspace::Workspace;

/// What to do where the provider can't be had.
pub const PROVIDER_HELP: &str = "reach registry.terraform.io, or make a mirror where it can be reached (`terraform providers mirror DIR`) and name \
     it in RDS_IAM_TERRAFORM_MIRROR";
/// What the person's shell may have set that would change a run: AWS's settings above all, for a
/// profile of theirs must never be used here.
const FOREIGN: [&str; 7] =
    ["AWS_", "TF_VAR_", "TF_CLI_ARGS", "TF_WORKSPACE", "TF_DATA_DIR", "TF_LOG", "TF_REATTACH_PROVIDERS"];
/// The same where a run is for an account of AWS: its credentials are the caller's. Variables come from files
/// alone even so, which a plan is bound to.
const FOREIGN_BUT_CREDENTIALS: &[&str] = FOREIGN.split_at(1).1;

/// Terraform, with where its providers come from.
#[derive(Clone, Debug)]
pub struct Terraform {
    program: String,
    settings: Vec<(&'static str, String)>,
    without: &'static [&'static str],
    /// Where providers are kept between runs.
    cache: PathBuf,
    /// The mirror, and the configuration that names it.
    mirror: Option<(PathBuf, PathBuf)>,
}

impl Terraform {
    /// Finds Terraform and its provider, and creates its files.
    ///
    /// # Errors
    /// Returns an error if there is no Terraform, it is too old, a mirror that is named has no AWS provider, or
    /// a file can't be written.
    pub fn find(workspace: &Workspace, runner: Runner) -> Result<Self, Error> {
        find_terraform(workspace, runner)?;
        provider::find(workspace)?;
        let terraform = Self::new(workspace);
        terraform.prepare()?;
        Ok(terraform)
    }

    /// Creates the value; writes nothing yet.
    pub fn new(workspace: &Workspace) -> Self {
        let folder = workspace.target.join("infra");
        let cache = folder.join("providers");
        let mut settings = vec![("TF_PLUGIN_CACHE_DIR", cache.display().to_string())];
        // A mirror that is named and is none is an error of `prepare`.
        let found = provider::find(workspace).ok();
        let mirror = found.as_ref().and_then(|found| found.mirror());
        let mirror = mirror.map(|mirror| (mirror.to_owned(), folder.join("terraform.rc")));
        settings.extend(mirror.iter().map(|(_, rc)| ("TF_CLI_CONFIG_FILE", rc.display().to_string())));
        Self { program: tools::terraform_program(workspace), settings, without: &FOREIGN, cache, mirror }
    }

    /// Makes the cache of providers, and the configuration that names the mirror.
    ///
    /// # Errors
    /// Returns an error if a file can't be written.
    pub fn prepare(&self) -> Result<(), Error> {
        file::make_folder(&self.cache)?;
        let Some((mirror, rc)) = &self.mirror else { return Ok(()) };
        let path = mirror.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
        let text =
            format!("provider_installation {{\n  filesystem_mirror {{\n    path = \"{path}\"\n  }}\n}}\n");
        file::replace(rc, text)
    }

    /// Returns the same for an account of AWS, with the caller's credentials.
    #[must_use]
    pub fn with_the_callers_credentials(self) -> Self {
        Self { without: FOREIGN_BUT_CREDENTIALS, ..self }
    }

    /// Returns a Terraform command in `dir`.
    pub fn cmd<S: Into<String>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> Cmd {
        Cmd::new(&self.program, dir, TERRAFORM_HELP).without(self.without).settings(&self.settings).args(args)
    }

    /// `terraform init` that takes no provider but one whose hash the lock file knows.
    pub fn init(&self, dir: &Path) -> Cmd {
        self.cmd(dir, ["init", "-input=false", "-no-color", "-lockfile=readonly"]).hint(format!(
            "where the registry cannot be reached, set {MIRROR_VARIABLE} to a filesystem mirror that has \
             hashicorp/aws, or name one in Terraform's CLI configuration; where a hash differs, the provider is \
             not the one that .terraform.lock.hcl knows"
        ))
    }
}

/// Returns the version of Terraform on `PATH`.
///
/// # Errors
/// Returns an error if there is none, or it is too old.
pub fn find_terraform(workspace: &Workspace, runner: Runner) -> Result<String, Error> {
    let program = tools::terraform_program(workspace);
    let shell = workspace.shell();
    let cmd = Cmd::from_xshell(cmd!(shell, "{program} version -json"), TERRAFORM_HELP).without(&FOREIGN);
    let printed = runner.ask(&cmd)?;
    let answer = |what: &str| Error::Answer { command: cmd.shown(), what: what.to_owned() };
    // It may have warnings about its configuration to print first.
    let json = printed.find('{').map_or("", |start| &printed[start..]);
    let json: Value = serde_json::from_str(json).map_err(|error| answer(&error.to_string()))?;
    let version = json["terraform_version"].as_str().ok_or_else(|| answer("no terraform_version"))?;
    if !is_new_enough_terraform(version) {
        return Err(Error::Found {
            found: format!("Terraform {version} is too old: the state's lock in S3 needs 1.11"),
            help: TERRAFORM_HELP.to_owned(),
        });
    }
    Ok(version.to_owned())
}

/// Where the provider will come from, in words.
///
/// # Errors
/// Returns an error if it can't be had, or the mirror that is named has none.
pub fn find_provider(workspace: &Workspace) -> Result<String, Error> {
    let found = provider::find(workspace)?;
    found.describe().map_err(|why| Error::Found {
        found: format!(
            "Terraform's AWS provider can't be had: its registry does not answer ({why}), and no mirror of it is on \
             this disk"
        ),
        help: PROVIDER_HELP.to_owned(),
    })
}
