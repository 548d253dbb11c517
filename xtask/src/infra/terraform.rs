//! Terraform as this workspace runs it: a known version, a provider that the lock file knows, and no
//! setting of the person's own shell that would change what is done.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;
use crate::runner::{Cmd, Runner};
use crate::workspace::Workspace;

/// Names a folder laid out as Terraform's filesystem mirrors are, to take the provider from.
pub(crate) const MIRROR_VARIABLE: &str = "RDS_IAM_TERRAFORM_MIRROR";
/// The first that locks its state in S3 without a table beside it is 1.11.
const OLDEST: (u32, u32) = (1, 11);
/// What to do where Terraform is missing.
pub(crate) const TERRAFORM_MEND: &str =
    "install Terraform 1.11 or later: https://developer.hashicorp.com/terraform/install";
/// Where a mirror has the provider.
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";
/// What the person's shell may have set that would change a run: AWS's settings above all, for a
/// profile of theirs must never be used here.
const FOREIGN: [&str; 7] =
    ["AWS_", "TF_VAR_", "TF_CLI_ARGS", "TF_WORKSPACE", "TF_DATA_DIR", "TF_LOG", "TF_REATTACH_PROVIDERS"];

/// Terraform, with where its providers come from.
#[derive(Clone, Debug)]
pub(crate) struct Terraform {
    settings: Vec<(&'static str, String)>,
}

impl Terraform {
    /// Looks for Terraform, and for a mirror where one is named.
    ///
    /// # Errors
    /// When there is no Terraform, it is too old, or the mirror has no AWS provider.
    pub(crate) fn find(workspace: &Workspace, runner: Runner) -> Result<Self, Error> {
        find_terraform(workspace, runner)?;
        let folder = workspace.target.join("infra");
        let cache = folder.join("providers");
        make(&cache)?;
        let mut settings = vec![("TF_PLUGIN_CACHE_DIR", cache.display().to_string())];
        if let Some(mirror) = mirror()? {
            let file = folder.join("terraform.rc");
            let path = mirror.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!(
                "provider_installation {{\n  filesystem_mirror {{\n    path = \"{path}\"\n  }}\n}}\n"
            );
            fs::write(&file, text).map_err(|source| Error::File {
                action: "write",
                path: file.clone(),
                source,
            })?;
            settings.push(("TF_CLI_CONFIG_FILE", file.display().to_string()));
        }
        Ok(Self { settings })
    }

    /// A Terraform command in `dir`.
    pub(crate) fn cmd<S: Into<String>>(&self, dir: &Path, args: impl IntoIterator<Item = S>) -> Cmd {
        Cmd::new("terraform", dir, TERRAFORM_MEND).without(&FOREIGN).settings(&self.settings).args(args)
    }

    /// `terraform init` that takes no provider but one whose hash the lock file knows.
    pub(crate) fn init(&self, dir: &Path) -> Cmd {
        self.cmd(dir, ["init", "-input=false", "-no-color", "-lockfile=readonly"]).hint(format!(
            "where the registry cannot be reached, set {MIRROR_VARIABLE} to a filesystem mirror that has \
             hashicorp/aws, or name one in Terraform's CLI configuration; where a hash differs, the provider is \
             not the one that .terraform.lock.hcl knows"
        ))
    }
}

/// The version of Terraform on `PATH`.
///
/// # Errors
/// When there is none, or it is too old.
pub(crate) fn find_terraform(workspace: &Workspace, runner: Runner) -> Result<String, Error> {
    let cmd =
        workspace.tool("terraform", TERRAFORM_MEND.to_owned()).without(&FOREIGN).args(["version", "-json"]);
    let printed = runner.ask(&cmd)?;
    let answer = |what: &str| Error::Answer { command: cmd.shown(), what: what.to_owned() };
    // It may have warnings about its configuration to print first.
    let json = printed.find('{').map_or("", |start| &printed[start..]);
    let json: Value = serde_json::from_str(json).map_err(|error| answer(&error.to_string()))?;
    let version = json["terraform_version"].as_str().ok_or_else(|| answer("no terraform_version"))?;
    if !is_new_enough(version) {
        return Err(Error::Found {
            found: format!("Terraform {version} is too old: the state's lock in S3 needs 1.11"),
            mend: TERRAFORM_MEND.to_owned(),
        });
    }
    Ok(version.to_owned())
}

pub(crate) fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST)
}

/// Where the provider will come from, in words.
///
/// # Errors
/// When the mirror that is named has none.
pub(crate) fn find_provider() -> Result<String, Error> {
    Ok(match mirror()? {
        Some(mirror) => format!("from the mirror {}", mirror.display()),
        None => "from where Terraform's own configuration says, or else its registry (not asked)".to_owned(),
    })
}

fn mirror() -> Result<Option<PathBuf>, Error> {
    let Some(mirror) = std::env::var_os(MIRROR_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
    else {
        return Ok(None);
    };
    if mirror.is_absolute() && mirror.join(PROVIDER).is_dir() {
        return Ok(Some(mirror));
    }
    Err(Error::Found {
        found: format!("{MIRROR_VARIABLE} names {}, which has no {PROVIDER}", mirror.display()),
        mend: format!(
            "name the folder above registry.terraform.io by its absolute path, make a mirror with `terraform \
             providers mirror`, or unset {MIRROR_VARIABLE} to take the provider from Terraform's registry"
        ),
    })
}

pub(super) fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::File {
        action: "make",
        path: folder.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_1_11_on_will_do() {
        for version in ["1.11.0", "1.11.4", "1.14.0-beta1", "2.0.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["1.10.5", "0.15.0", "", "x.y", "1"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
