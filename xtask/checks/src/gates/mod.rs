//! The gates: tflint, checkov and trivy look, and what they find fails the run unless
//! `gates/baseline.toml` accepts it, with a reason, until a day.
//!
//! Each tool is told to end well whatever it finds, so that its exit status means one thing alone: it
//! could look, or it could not. The verdict on its findings is ours, from the SARIF it writes. A tool that
//! looked at nothing has not passed.

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

/// How long a tool may look whose findings come by standard output; it takes seconds.
const SCAN_WITHIN: Duration = Duration::from_secs(600);
/// Files at the root by which a tool would excuse findings behind the baseline's back.
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

/// Folders in whose files a finding can be excused where it is.
const LOOKED_AT: [&str; 2] = ["terraform", "docker"];
/// What makes tflint and trivy silent there. Neither asks for a reason, and neither tells. trivy takes what comes
/// after in any order.
const SILENCERS: [&str; 3] = ["tflint-ignore", "trivy:", "tfsec:"];

/// One look of one tool at one subject.
#[derive(Debug)]
pub struct Gate {
    /// What looks.
    pub tool: Tool,
    /// What its SARIF is called: `trivy-image-app`.
    name: String,
    commands: Vec<Command>,
    /// Where its findings are afterwards.
    pub sarif: PathBuf,
    /// What goes before the paths it tells, to make them paths from the root.
    base: &'static str,
    evidence: Evidence,
}

/// One command of a look.
#[derive(Debug)]
struct Command {
    cmd: Cmd,
    /// Where its standard output goes, for a tool that writes its SARIF there.
    to: Option<PathBuf>,
}

impl Gate {
    /// What it runs, in order, to be shown by a dry run.
    pub fn commands(&self) -> impl Iterator<Item = &Cmd> {
        self.commands.iter().map(|command| &command.cmd)
    }

    /// Looks, and returns what was found.
    ///
    /// # Errors
    /// When the tool fails, looked at nothing, or wrote no SARIF of its own.
    pub fn look(&self, console: Console, runner: Runner) -> Result<Sarif, Error> {
        // Of an earlier run: they must not be taken for what this one found.
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

/// A tool's own settings in the repository could switch its checks off, one and all; and a comment in what it
/// looks at, one of them.
fn refuse_other_excuses(root: &Path) -> Result<(), Error> {
    let file = OTHER_EXCUSES.iter().find(|file| root.join(file).exists());
    let mut places: Vec<String> = file.map(|file| (*file).to_owned()).into_iter().collect();
    for folder in LOOKED_AT.map(|folder| root.join(folder)).iter().filter(|folder| folder.is_dir()) {
        silencers(folder, root, &mut places)?;
    }
    if places.is_empty() {
        return Ok(());
    }
    Err(Error::Found {
        found: format!("{} would excuse findings without a reason or an end", places.join(", ")),
        help: format!("move what is accepted to {}, and remove it there", baseline::FILE),
    })
}

fn silencers(folder: &Path, root: &Path, places: &mut Vec<String>) -> Result<(), Error> {
    let mut paths = tree::entries(folder)?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            // Terraform's downloads are not the repository's, and are skipped.
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

/// Runs the gates of one tool and judges all they found together: an entry of the baseline that none of
/// them needs is told as stale.
///
/// # Errors
/// When a gate could not look, the baseline is not in order, or something was found that it does not accept.
pub fn pass(
    gates: &[Gate],
    workspace: &Workspace,
    today: Date,
    console: Console,
    runner: Runner,
) -> Result<Outcome, Error> {
    // First: it is quick, and whatever the tools find, it has to be fixed.
    refuse_other_excuses(&workspace.root)?;
    let baseline = Baseline::read(&workspace.root, today)?;
    let Some(tool) = gates.first().map(|gate| gate.tool) else { return Ok(Outcome::Passed) };
    let found = gates.iter().map(|gate| gate.look(console, runner)).collect::<Result<Vec<_>, _>>()?;
    judge(tool, &found, &baseline, today).outcome(console)
}

#[cfg(test)]
mod tests;
