//! Checks that a tool scanned something, by its own report or the files it reads: an empty SARIF does not
//! show it. For checkov, also checks that the required checks judged a resource and were not skipped.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use rds_iam_process::error::Error;
use rds_iam_process::file::read;
use rds_iam_process::tools::Tool;

/// The evidence that a tool scanned something.
#[derive(Debug)]
pub(super) enum Evidence {
    /// tflint reports nothing; this is the folder that it searches for Terraform files.
    TerraformFiles(PathBuf),
    /// checkov counts its checks, and the files it could not read.
    CheckovReport(PathBuf),
    /// trivy lists each file of configuration.
    TrivyConfiguration(PathBuf),
    /// trivy lists each package.
    TrivyPackages(PathBuf),
    /// trivy names the image. An image of one program has no packages that it supports.
    TrivyImage(PathBuf),
}

impl Evidence {
    /// Returns the path of the report that the tool writes.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::TerraformFiles(_) => None,
            Self::CheckovReport(file)
            | Self::TrivyConfiguration(file)
            | Self::TrivyPackages(file)
            | Self::TrivyImage(file) => Some(file),
        }
    }

    /// Returns what was scanned, in one line.
    ///
    /// # Errors
    /// Returns an error if nothing was scanned, or the report does not show it.
    pub(super) fn confirm(&self, tool: Tool) -> Result<String, Error> {
        match self {
            Self::TerraformFiles(folder) => {
                let files = terraform_files(folder)?;
                counted(files, "Terraform files", tool, folder)
            }
            Self::CheckovReport(file) => checkov(&report(file, tool)?, file),
            Self::TrivyConfiguration(file) => {
                let report = report(file, tool)?;
                let of_configuration = |result: &&Value| result["Class"] == "config";
                let files = results(&report).filter(of_configuration).count();
                counted(files, "files of configuration", tool, file)
            }
            Self::TrivyPackages(file) => counted(packages(&report(file, tool)?), "packages", tool, file),
            Self::TrivyImage(file) => {
                let report = report(file, tool)?;
                let Some(id) = report["Metadata"]["ImageID"].as_str().filter(|id| !id.is_empty()) else {
                    return Err(unreadable(tool, file, "it names no image"));
                };
                Ok(format!(
                    "trivy scanned the image {id}, with {} packages that it supports",
                    packages(&report)
                ))
            }
        }
    }
}

fn counted(count: usize, what: &str, tool: Tool, place: &Path) -> Result<String, Error> {
    if count > 0 {
        return Ok(format!("{tool} scanned {count} {what}"));
    }
    Err(Error::Found {
        found: format!("{tool} scanned no {what} ({})", place.display()),
        help: format!(
            "its findings mean nothing then: check in {tool}'s output above which path it searched"
        ),
    })
}

/// Checks that replace rules of crates/tfplan (docs/adr/0018): each has to judge a resource. One that is skipped there,
/// or whose attribute checkov can't resolve, judges nothing and reports nothing. None may be skipped for any resource.
const REQUIRED: [(&str, &str); 3] = [
    ("CKV_AWS_16", "a database's storage is encrypted"),
    ("CKV_AWS_17", "a database has no public address"),
    ("CKV_AWS_79", "a machine refuses IMDSv1"),
];

/// [`REQUIRED`], and the check for clusters, of which this project has none.
const NEVER_SKIPPED: [&str; 4] = ["CKV_AWS_16", "CKV_AWS_17", "CKV_AWS_79", "CKV_AWS_96"];

fn checkov(report: &Value, file: &Path) -> Result<String, Error> {
    // If checkov finds nothing to check, it writes no summary.
    let number = |name: &str| report["summary"][name].as_u64();
    let (Some(passed), Some(failed), Some(skipped), Some(unread)) =
        (number("passed"), number("failed"), number("skipped"), number("parsing_errors"))
    else {
        return Err(unreadable(Tool::Checkov, file, "no summary"));
    };
    if unread > 0 || passed == 0 {
        return Err(Error::Found {
            found: format!("checkov could not read {unread} files and passed {passed} checks"),
            help: "LOG_LEVEL=WARNING shows which; rewrite the part that it cannot parse".to_owned(),
        });
    }
    let judged = |id: &str| {
        let results = ["passed_checks", "failed_checks"].map(|list| report["results"][list].as_array());
        results.into_iter().flatten().flatten().any(|check| check["check_id"] == id)
    };
    if let Some((id, what)) = REQUIRED.iter().find(|(id, _)| !judged(id)) {
        return Err(Error::Found {
            found: format!("checkov judged no resource by {id}: {what}"),
            help: "remove its skip, and write the attribute as a value that checkov can resolve; no rule for plans \
                   checks this"
                .to_owned(),
        });
    }
    let is_required =
        |check: &&Value| check["check_id"].as_str().is_some_and(|id| NEVER_SKIPPED.contains(&id));
    let mut skips = report["results"]["skipped_checks"].as_array().into_iter().flatten();
    if let Some(skip) = skips.find(is_required) {
        let text = |name: &str| skip[name].as_str().unwrap_or_default();
        return Err(Error::Found {
            found: format!("{} is skipped for {}", text("check_id"), text("resource")),
            help: "remove the skip: no rule for plans checks this".to_owned(),
        });
    }
    Ok(format!("{passed} checks passed, {failed} failed, {skipped} skipped with a reason"))
}

fn packages(report: &Value) -> usize {
    results(report).filter_map(|result| result["Packages"].as_array()).map(Vec::len).sum()
}

fn results(report: &Value) -> impl Iterator<Item = &Value> {
    report["Results"].as_array().into_iter().flatten()
}

fn report(file: &Path, tool: Tool) -> Result<Value, Error> {
    if !file.is_file() {
        return Err(unreadable(tool, file, "there is none"));
    }
    serde_json::from_str(&read(file)?).map_err(|error| unreadable(tool, file, &error.to_string()))
}

fn unreadable(tool: Tool, file: &Path, what: &str) -> Error {
    Error::Found {
        found: format!("{tool} succeeded, but its report {} is unusable: {what}", file.display()),
        help: format!(
            "run it again; if the error stays, the format of {tool} {} is not supported",
            tool.version()
        ),
    }
}

fn terraform_files(folder: &Path) -> Result<usize, Error> {
    let failed = |source| Error::File { action: "read", path: folder.to_owned(), source };
    let mut files = 0;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            files += terraform_files(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "tf") {
            files += 1;
        }
    }
    Ok(files)
}
