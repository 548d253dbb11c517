//! The stages of a run, their selection by the operator, and the check that their inputs exist.

use crate::context::Context;
use crate::gate_results::GateResults;
use crate::preflight::Missing;
use crate::stage::{Artifact, Effect, Stage};
use crate::stages;
use rds_iam_process::error::Error;

/// The runs, each with its stages in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Ci,
    Deploy,
    Promote,
    Rollback,
    Destroy,
    /// One stage alone, with the stages that it requires.
    One(&'static str),
}

impl Run {
    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Deploy => "deploy",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Destroy => "destroy",
            Self::One(stage) => stage,
        }
    }

    /// Returns the stages. Those of the account on this machine are included if `local`.
    pub(crate) fn stages(self, local: bool) -> Vec<&'static Stage> {
        let names: &[&str] = match self {
            Self::Ci => &[
                "lint",
                "programs",
                "validate",
                "tflint",
                "checkov",
                "plan",
                "docker-build",
                "trivy",
                "test",
            ],
            Self::Deploy => &[
                "programs",
                "account",
                "validate",
                "tflint",
                "checkov",
                "plan",
                "docker-build",
                "trivy",
                "apply",
                "rds-conf",
                "proxy-auth",
                "ecr-push",
                "bootstrap",
                "rollout",
                "smoke",
            ],
            Self::Promote => &["programs", "account", "outputs", "promote", "rollout", "smoke"],
            Self::Rollback => &["programs", "account", "outputs", "rollback", "smoke"],
            Self::Destroy => {
                &["programs", "account", "outputs", "destroy-plan", "snapshot", "destroy", "account-end"]
            }
            Self::One(stage) => {
                let Some(stage) = stages::find(stage) else { return Vec::new() };
                let needs = |artifact| stage.inputs.contains(&artifact);
                let mut all = Vec::new();
                all.extend(needs(Artifact::Programs).then_some("programs"));
                all.extend(needs(Artifact::Account).then_some("account"));
                all.push(stage.name);
                return all
                    .into_iter()
                    .filter(|name| local || *name != "account")
                    .filter_map(stages::find)
                    .collect();
            }
        };
        names
            .iter()
            .filter(|name| local || !name.starts_with("account"))
            .filter_map(|name| stages::find(name))
            .collect()
    }
}

/// The stages of a run that the operator selects.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Selection {
    /// Run only these stages
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Skip these stages; a skipped gate is recorded
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,
    /// Start with this stage
    #[arg(long, value_name = "STAGE")]
    pub(crate) from: Option<String>,
    /// End after this stage
    #[arg(long, value_name = "STAGE")]
    pub(crate) until: Option<String>,
}

impl Selection {
    /// Returns the selected stages of `all`, in order.
    ///
    /// # Errors
    /// Returns an error if a name is not a stage of the run, or no stage is left.
    pub(crate) fn select(&self, all: &[&'static Stage], run: Run) -> Result<Vec<&'static Stage>, Error> {
        let named = self.only.iter().chain(&self.skip).chain(&self.from).chain(&self.until);
        let names: Vec<&str> = all.iter().map(|stage| stage.name).collect();
        let unknown = named.filter(|name| !names.contains(&name.as_str()));
        let unknown: Vec<&String> = unknown.collect();
        if !unknown.is_empty() {
            let quoted: Vec<String> = unknown.iter().map(|name| format!("{name:?}")).collect();
            let meant = did_you_mean(&unknown, &names);
            return Err(Error::Usage {
                found: format!("{} has no stage {}", run.name(), quoted.join(", ")),
                help: format!("{meant}its stages are {}", names.join(", ")),
            });
        }
        let place = |name: &Option<String>| {
            name.as_ref().and_then(|name| names.iter().position(|known| known == name))
        };
        let (first, last) = (place(&self.from).unwrap_or(0), place(&self.until).unwrap_or(names.len()));
        if let (Some(from), Some(until)) = (&self.from, &self.until)
            && first > last
        {
            return Err(Error::Usage {
                found: format!("{from} comes after {until}: there is nothing from the one until the other"),
                help: format!("the order is {}", names.join(", ")),
            });
        }
        let wanted: Vec<&Stage> = all
            .iter()
            .enumerate()
            .filter(|(at, _)| (first..=last).contains(at))
            .map(|(_, stage)| *stage)
            .filter(|stage| self.only.is_empty() || self.only.iter().any(|name| name == stage.name))
            .filter(|stage| !self.skip.iter().any(|name| name == stage.name))
            .collect();
        if wanted.is_empty() {
            return Err(Error::Usage {
                found: "no stage is left to run".to_owned(),
                help: format!("--only, --skip, --from and --until leave nothing of {}", names.join(", ")),
            });
        }
        Ok(wanted)
    }
}

/// Returns a question with the most similar name for each of `typed`; empty if there are none.
pub(super) fn did_you_mean<S: AsRef<str>>(typed: &[S], names: &[&str]) -> String {
    let meant: Vec<&str> = typed.iter().filter_map(|name| nearest(name.as_ref(), names)).collect();
    if meant.is_empty() { String::new() } else { format!("did you mean {}? ", meant.join(", ")) }
}

/// Returns the most similar name to `typed`: at most two letters differ.
fn nearest<'n>(typed: &str, names: &[&'n str]) -> Option<&'n str> {
    let near = names.iter().map(|name| (strsim::levenshtein(typed, name), *name)).min()?;
    (near.0 <= 2 && near.0 < typed.len()).then_some(near.1)
}

/// Returns inputs that no stage of this run makes and that do not exist from earlier runs.
pub(crate) fn unmet(run: Run, wanted: &[&Stage], context: &Context<'_>) -> Vec<Missing> {
    let results = GateResults::load(context);
    let mut unmet = Vec::new();
    for stage in wanted {
        for input in stage.inputs {
            if wanted.iter().any(|maker| maker.outputs.contains(input)) || is_never_made(*input, context) {
                continue;
            }
            let there = match input {
                // For a stage without remote changes, a gate only determines the order. trivy's verdict applies
                // to images: they have to be the current ones.
                Artifact::Verdict(gate) => {
                    let skipped = context.skipped.iter().any(|name| name == gate);
                    stage.effect < Effect::Remote
                        || (skipped && context.may_skip(gate))
                        || results.allows(gate, context)
                }
                // Images of another commit don't count.
                Artifact::Images => images_are_of(context),
                other => other.file(context).is_none_or(|file| file.is_file()),
            };
            if !there {
                unmet.push(Missing {
                    what: match input {
                        Artifact::Verdict(_) | Artifact::Images => {
                            format!("the {} of {}", input.what(), context.commit.short())
                        }
                        other => format!("the {}", other.what()),
                    },
                    help: made_by(*input, stage, run, context),
                    stages: stage.name.to_owned(),
                });
            }
        }
    }
    unmet
}

/// Returns whether an artifact is made only by stages for a part that the environment lacks.
fn is_never_made(artifact: Artifact, context: &Context<'_>) -> bool {
    let Some(environment) = &context.environment else { return false };
    let makers: Vec<_> = stages::ALL.into_iter().filter(|maker| maker.outputs.contains(&artifact)).collect();
    !makers.is_empty() && !makers.iter().any(|maker| maker.is_part_of(environment))
}

/// Returns the command that makes a missing input of a stage.
fn made_by(input: Artifact, stage: &Stage, run: Run, context: &Context<'_>) -> String {
    // The files of a run without an environment are in another folder.
    let of = context
        .environment
        .as_ref()
        .map_or(String::new(), |environment| format!(" --env {}", environment.name));
    let maker = stages::ALL.into_iter().find(|maker| maker.outputs.contains(&input));
    let maker = maker.map_or("a stage", |maker| maker.name);
    match (input, run) {
        (Artifact::Verdict(gate), _) if !context.may_skip(gate) => format!("cargo xtask {gate}{of}"),
        (Artifact::Verdict(gate), Run::One(_)) => format!(
            "cargo xtask {gate}{of}; or skip it by name: \
             cargo xtask deploy{of} --only {} --skip {gate}",
            stage.name
        ),
        (Artifact::Verdict(gate), _) => format!("run it, or skip it by name (--skip {gate})"),
        // apply also reads them, and changes the account before.
        (Artifact::Outputs, _) => format!("cargo xtask outputs{of}"),
        (Artifact::Snapshot, _) => {
            "run the stage snapshot before; with --no-snapshot it creates none".to_owned()
        }
        (Artifact::DestroyPlan, _) => format!("cargo xtask destroy{of} --until {maker}"),
        _ => format!("cargo xtask {maker}{of}"),
    }
}

/// Returns whether the images in the folder were built from this commit.
fn images_are_of(context: &Context<'_>) -> bool {
    std::fs::read_to_string(context.images_of()).is_ok_and(|of| of.trim() == context.commit.identity())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(stages: &[&Stage]) -> String {
        stages.iter().map(|stage| stage.name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn stages_are_chosen_by_name_and_place() {
        let all = Run::Deploy.stages(true);
        let wanted = |only: &[&str], skip: &[&str], from: Option<&str>, until: Option<&str>| {
            let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
            let selection = Selection {
                only: texts(only),
                skip: texts(skip),
                from: from.map(str::to_owned),
                until: until.map(str::to_owned),
            };
            match selection.select(&all, Run::Deploy) {
                Ok(stages) => names(&stages),
                Err(error) => error.report(),
            }
        };
        insta::assert_snapshot!(
            [
                wanted(&[], &["tflint", "trivy"], None, Some("trivy")),
                wanted(&[], &[], Some("rollout"), None),
                wanted(&["plan", "checkov"], &[], None, None),
                wanted(&["plan"], &["plan"], None, None),
                wanted(&["pla"], &[], None, Some("x")),
                wanted(&["paln"], &["triwy"], None, None),
                wanted(&[], &[], Some("smoke"), Some("plan")),
            ]
            .join("\n"),
            @r#"
        programs account validate checkov plan docker-build
        rollout smoke
        checkov plan
        error: no stage is left to run
          help: --only, --skip, --from and --until leave nothing of programs, account, validate, tflint, checkov, plan, docker-build, trivy, apply, rds-conf, proxy-auth, ecr-push, bootstrap, rollout, smoke
        error: deploy has no stage "pla", "x"
          help: did you mean plan? its stages are programs, account, validate, tflint, checkov, plan, docker-build, trivy, apply, rds-conf, proxy-auth, ecr-push, bootstrap, rollout, smoke
        error: deploy has no stage "paln", "triwy"
          help: did you mean plan, trivy? its stages are programs, account, validate, tflint, checkov, plan, docker-build, trivy, apply, rds-conf, proxy-auth, ecr-push, bootstrap, rollout, smoke
        error: smoke comes after plan: there is nothing from the one until the other
          help: the order is programs, account, validate, tflint, checkov, plan, docker-build, trivy, apply, rds-conf, proxy-auth, ecr-push, bootstrap, rollout, smoke
        "#
        );
    }

    /// Each stage comes after those that make its inputs, in every run.
    #[test]
    fn the_order_of_stages_is_that_of_what_they_hand_on() {
        for run in [Run::Ci, Run::Deploy, Run::Promote, Run::Rollback, Run::Destroy] {
            let stages = run.stages(true);
            for (at, stage) in stages.iter().enumerate() {
                for input in stage.inputs {
                    let maker = stages.iter().position(|maker| maker.outputs.contains(input));
                    assert!(
                        maker.is_none_or(|maker| maker < at),
                        "{}: {} before {input:?}",
                        run.name(),
                        stage.name
                    );
                }
            }
        }
    }

    #[test]
    fn a_run_for_aws_has_no_account_to_stand_up() {
        assert!(!names(&Run::Deploy.stages(false)).contains("account"));
        assert_eq!(names(&Run::One("plan").stages(true)), "programs account plan");
        assert_eq!(names(&Run::One("plan").stages(false)), "programs plan");
    }

    #[test]
    fn stages_have_names_and_exit_statuses_of_their_own() {
        for (at, stage) in stages::ALL.iter().enumerate() {
            assert!(stage.exit >= 10 && stage.exit < 64, "{}", stage.name);
            for other in &stages::ALL[..at] {
                assert!(
                    stage.exit != other.exit && stage.name != other.name,
                    "{} and {}",
                    stage.name,
                    other.name
                );
            }
        }
    }
}
