//! Command-line options that several subcommands share: the selection of stages, the environment,
//! `--dry-run`, `--explain`, and the files of the report.

use std::path::PathBuf;

use crate::selection::Selection;

/// The stages of a deployment that build, scan, push or run its image.
const IMAGE_STAGES: [&str; 5] = ["docker-build", "trivy", "ecr-push", "rollout", "smoke"];

/// Options of every run.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// Options of every run and stage: what to show and where to report.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ReportArgs {
    /// Change nothing: print the commands that would be run, and what is missing; the exit status is always 0
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// List the stages, their order and exit statuses; or describe one stage
    #[arg(long, value_name = "STAGE", num_args = 0..=1, default_missing_value = "")]
    pub(crate) explain: Option<String>,
    /// Also write the report to FILE, as JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "explain"])]
    pub(crate) json: Option<PathBuf>,
    /// Also write the report to FILE, as JUnit XML
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "explain"])]
    pub(crate) junit: Option<PathBuf>,
}

/// The environment of a run.
#[derive(Debug, clap::Args)]
pub(crate) struct EnvArg {
    /// The environment: terraform/stacks/service/environments/ENV.tfvars; local, localprod and localpg are on this machine
    #[arg(long, value_name = "ENV", required_unless_present = "explain")]
    pub(crate) env: Option<String>,
}

/// Options of a stage run by itself.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct StageArgs {
    /// The environment; without one, the stage runs as in a pull request, if it can
    #[arg(long, value_name = "ENV")]
    pub(crate) env: Option<String>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

impl Options {
    /// Selects these stages alone.
    pub(crate) fn from_only(only: Vec<String>, report: ReportArgs) -> Self {
        Self { selection: Selection { only, ..Selection::default() }, report }
    }

    /// Returns the same options with one more stage skipped.
    #[cfg(test)]
    pub(crate) fn without(&self, stage: &str) -> Self {
        let mut without = self.clone();
        without.selection.skip.push(stage.to_owned());
        without
    }

    /// Returns the same options with the stages of the image skipped.
    pub(crate) fn without_image(mut self) -> Self {
        self.selection.skip.extend(IMAGE_STAGES.map(str::to_owned));
        self
    }
}

impl From<ReportArgs> for Options {
    fn from(report: ReportArgs) -> Self {
        Self { selection: Selection::default(), report }
    }
}
