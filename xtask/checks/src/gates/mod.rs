//! The gates: findings of tflint, checkov and trivy fail the run unless `gates/baseline.toml` accepts them, with a
//! reason and an expiry date.
//!
//! Each tool is run so that findings do not fail it: its exit status reports only whether it could scan. The verdict
//! comes from its SARIF. A tool that scanned nothing has not passed. Settings files and comments by which a tool would
//! ignore findings, such as `.trivyignore`, are rejected.

mod baseline;
mod evidence;
mod lints;
mod sarif;
mod scans;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::Duration;

use time::Date;

use crate::tree;
use evidence::Evidence;
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::steps::Outcome;
use rds_iam_process::tools::Tool;
use rds_iam_process::workspace::Workspace;

pub use baseline::Baseline;
pub use lints::{dockerfiles, workflows};
pub use sarif::Sarif;
pub use scans::{checkov, tflint, trivy_config, trivy_image, trivy_repository, trivy_sbom};
pub use verdict::{Verdict, judge};

/// The time limit of a scan whose findings are written to standard output; it takes seconds.
const SCAN_WITHIN: Duration = Duration::from_secs(600);
/// Files at the root by which a tool would ignore findings without an entry in the baseline.
const OTHER_EXCUSES: [&str; 18] = [
    ".trivyignore",
    ".trivyignore.yaml",
    "trivy.yaml",
    "trivy-secret.yaml",
    ".checkov.yaml",
    ".checkov.yml",
    "terraform/.checkov.yaml",
    "terraform/.checkov.yml",
    ".hadolint.yaml",
    ".hadolint.yml",
    ".config/hadolint.yaml",
    ".config/hadolint.yml",
    "zizmor.yml",
    "zizmor.yaml",
    ".github/zizmor.yml",
    ".github/zizmor.yaml",
    ".github/actionlint.yaml",
    ".github/actionlint.yml",
];

/// Folders whose files could suppress a finding by a comment.
const SCANNED: [&str; 2] = ["terraform", "docker"];
/// Comments that suppress findings of tflint and trivy. Neither requires a reason, and neither reports them. trivy
/// accepts the rest of the comment in any order.
const SILENCERS: [&str; 3] = ["tflint-ignore", "trivy:", "tfsec:"];

/// One scan of one subject by one tool.
#[derive(Debug)]
pub struct Gate {
    /// The tool.
    pub tool: Tool,
    /// The name of its SARIF file: `trivy-image-app`.
    name: String,
    commands: Vec<Command>,
    /// The path of its SARIF file.
    pub sarif: PathBuf,
    /// The prefix that makes its paths relative to the root.
    base: &'static str,
    evidence: Evidence,
}

/// One command of a scan.
#[derive(Debug)]
struct Command {
    cmd: Cmd,
    /// The file for its standard output, for a tool that writes its SARIF there.
    to: Option<PathBuf>,
}

impl Gate {
    /// Returns its commands in order, for a dry run.
    pub fn commands(&self) -> impl Iterator<Item = &Cmd> {
        self.commands.iter().map(|command| &command.cmd)
    }

    /// Scans, and returns the findings.
    ///
    /// # Errors
    /// Returns an error if the tool fails, scanned nothing, or wrote no SARIF.
    pub fn scan(&self, console: Console, runner: Runner) -> Result<Sarif, Error> {
        // Results of an earlier run must not be mistaken for this run's.
        for file in [Some(&self.sarif), self.evidence.file()].into_iter().flatten() {
            file::remove(file)?;
            file::make_folder(file.parent().unwrap_or(file))?;
        }
        for Command { cmd, to } in &self.commands {
            match to {
                Some(file) => file::replace(file, runner.capture(cmd, SCAN_WITHIN)?)?,
                None => runner.run(cmd)?,
            }
        }
        console.line(&format!("{}: {}", self.name, self.evidence.confirm(self.tool)?));
        Sarif::read(&self.sarif, self.tool, &self.name, self.base)
    }
}

/// Rejects a tool's own settings in the repository, which could switch off all its checks, and comments in
/// the scanned files, which could switch off one.
fn refuse_other_excuses(root: &Path) -> Result<(), Error> {
    let file = OTHER_EXCUSES.iter().find(|file| root.join(file).exists());
    let mut places: Vec<String> = file.map(|file| (*file).to_owned()).into_iter().collect();
    for folder in SCANNED.map(|folder| root.join(folder)).iter().filter(|folder| folder.is_dir()) {
        silencers(folder, root, &mut places)?;
    }
    if places.is_empty() {
        return Ok(());
    }
    Err(Error::Found {
        found: format!("{} would suppress findings without a reason or an expiry date", places.join(", ")),
        help: format!("move accepted findings to {}, and remove it there", baseline::FILE),
    })
}

fn silencers(folder: &Path, root: &Path, places: &mut Vec<String>) -> Result<(), Error> {
    let mut paths = tree::entries(folder)?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            // Terraform's downloads are not part of the repository, and are skipped.
            if path.file_name().is_none_or(|name| name != ".terraform") {
                silencers(&path, root, places)?;
            }
            continue;
        }
        let bytes = std::fs::read(&path).map_err(file::failed("read", &path))?;
        for (line, text) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
            if SILENCERS.iter().any(|silencer| text.contains(silencer)) {
                places.push(format!("{}:{line}", path.strip_prefix(root).unwrap_or(&path).display()));
            }
        }
    }
    Ok(())
}

/// Runs the gates of one tool and evaluates their findings together: an entry of the baseline that matches no
/// finding is reported as stale.
///
/// # Errors
/// Returns an error if a gate could not scan, the baseline is invalid, or a finding is not accepted.
pub fn pass(
    gates: &[Gate],
    workspace: &Workspace,
    today: Date,
    console: Console,
    runner: Runner,
) -> Result<Outcome, Error> {
    // This check is first because it is fast, and has to pass regardless of the tools' findings.
    refuse_other_excuses(&workspace.root)?;
    let baseline = Baseline::read(&workspace.root, today)?;
    let Some(tool) = gates.first().map(|gate| gate.tool) else { return Ok(Outcome::Passed) };
    let found = gates.iter().map(|gate| gate.scan(console, runner)).collect::<Result<Vec<_>, _>>()?;
    judge(tool, &found, &baseline, today).outcome(console)
}

#[cfg(test)]
mod tests;
