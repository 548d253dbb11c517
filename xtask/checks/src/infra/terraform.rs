//! Finds Terraform 1.11 or later and builds its commands: with the provider's mirror, without the caller's
//! variables that would change a run, such as `TF_VAR_*`, and with `AWS_*` only on request. `init` accepts
//! only the locked provider.

use std::path::{Path, PathBuf};

use serde_json::Value;
use xshell::cmd;

use super::provider::{self, MIRROR_VARIABLE};
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::tools::{self, TERRAFORM_HELP, is_new_enough_terraform};
use rds_iam_process::workspace::Workspace;

/// The help text if the provider can't be downloaded.
pub const PROVIDER_HELP: &str = "reach registry.terraform.io, or make a mirror where it can be reached (`terraform providers mirror DIR`) and name \
     it in RDS_IAM_TERRAFORM_MIRROR";
/// Variables of the operator's shell that would change a run: above all AWS's settings, since the operator's
/// profile must never be used here.
const FOREIGN: [&str; 7] =
    ["AWS_", "TF_VAR_", "TF_CLI_ARGS", "TF_WORKSPACE", "TF_DATA_DIR", "TF_LOG", "TF_REATTACH_PROVIDERS"];
/// The same for a run on an AWS account, with the caller's credentials. Input variables still come only from
/// files, which are part of the plan.
const FOREIGN_BUT_CREDENTIALS: &[&str] = FOREIGN.split_at(1).1;

/// Terraform and the source of its providers.
#[derive(Clone, Debug)]
pub struct Terraform {
    program: String,
    settings: Vec<(&'static str, String)>,
    without: &'static [&'static str],
    /// The cache of providers between runs.
    cache: PathBuf,
    /// The mirror, and the path of the configuration that names it.
    mirror: Option<(PathBuf, PathBuf)>,
}

impl Terraform {
    /// Finds Terraform and its provider, and creates its files.
    ///
    /// # Errors
    /// Returns an error if there is no Terraform, it is too old, a configured mirror has no AWS provider, or
    /// a file can't be written.
    pub fn find(workspace: &Workspace, runner: Runner) -> Result<Self, Error> {
        find_terraform(workspace, runner)?;
        provider::find(workspace)?;
        let terraform = Self::new(workspace);
        terraform.prepare()?;
        Ok(terraform)
    }

    /// Creates the value; writes no files yet.
    pub fn new(workspace: &Workspace) -> Self {
        let folder = workspace.target.join("infra");
        let cache = folder.join("providers");
        let mut settings = vec![("TF_PLUGIN_CACHE_DIR", cache.display().to_string())];
        // An invalid configured mirror is an error of `prepare`.
        let found = provider::find(workspace).ok();
        let mirror = found.as_ref().and_then(|found| found.mirror());
        let mirror = mirror.map(|mirror| (mirror.to_owned(), folder.join("terraform.rc")));
        settings.extend(mirror.iter().map(|(_, rc)| ("TF_CLI_CONFIG_FILE", rc.display().to_string())));
        Self { program: tools::terraform_program(workspace), settings, without: &FOREIGN, cache, mirror }
    }

    /// Creates the cache of providers, and the configuration that names the mirror.
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

    /// Returns a Terraform for an AWS account, with the caller's credentials.
    #[must_use]
    pub fn with_the_callers_credentials(self) -> Self {
        Self { without: FOREIGN_BUT_CREDENTIALS, ..self }
    }

    /// Returns a Terraform command in `dir`, which it names itself: an echoed line works in any directory.
    pub fn cmd<S: Into<String>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> Cmd {
        Cmd::new(&self.program, dir, TERRAFORM_HELP)
            .without(self.without)
            .settings(&self.settings)
            .args([format!("-chdir={}", dir.display())])
            .args(args)
    }

    /// Returns another program's command in `dir`, without the caller's variables, as Terraform runs.
    pub(super) fn tool(&self, program: &str, dir: &Path, help: &str) -> Cmd {
        Cmd::new(program, dir, help).without(self.without)
    }

    /// Returns `terraform init`, which accepts only a provider whose hash is in the lock file.
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
    // Warnings about its configuration may come first.
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

/// Returns a description of the provider's source.
///
/// # Errors
/// Returns an error if the provider can't be downloaded, or the configured mirror does not have it.
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
