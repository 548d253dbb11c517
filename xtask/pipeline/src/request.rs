//! `Request`: a run requested on the command line. Rejects invalid requests before preflight, such as a
//! promotion to the same environment, or a deployment to AWS without checkov.

use crate::args::{Options, ReportArgs};
use crate::context::Context;
use crate::environment::Environment;
use crate::selection::Run;
use crate::stage::Stage;
use crate::stages;
use rds_iam_process::error::Error;

/// A run requested on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) run: Run,
    pub(crate) environment: Option<String>,
    /// The environment that a promotion copies from.
    pub(crate) promote_from: Option<String>,
    /// The digest that a promotion expects to be running there.
    pub(crate) digest: Option<String>,
    /// Gates that a promotion accepts as skipped.
    pub(crate) accept_skipped: Vec<String>,
    /// The reason of a promotion, for the record.
    pub(crate) reason: Option<String>,
    pub(crate) no_snapshot: bool,
    /// Scan statuses with which a deployment accepts an image that the registry did not scan.
    pub(crate) accept_scan: Vec<String>,
    pub(crate) options: Options,
}

impl Request {
    /// Requests one stage by itself.
    pub(crate) fn from_stage(name: &'static str, environment: Option<String>, report: ReportArgs) -> Self {
        Self::new(Run::One(name), environment, report.into())
    }

    /// Requests a run for an environment, or for none.
    pub(crate) fn new(run: Run, environment: Option<String>, options: Options) -> Self {
        Self {
            run,
            environment,
            promote_from: None,
            digest: None,
            accept_skipped: Vec::new(),
            reason: None,
            no_snapshot: false,
            accept_scan: Vec::new(),
            options,
        }
    }

    /// Validates the request before anything is checked or built.
    ///
    /// # Errors
    /// Returns the reason, and a valid command line.
    pub(crate) fn validate(&self, context: &Context<'_>) -> Result<(), Error> {
        self.validate_stage(context)?;
        if let (Run::Promote | Run::Rollback, Some(environment)) = (self.run, &context.environment) {
            let from = context.promotion.iter().map(|promotion| &promotion.from);
            from.chain([environment]).try_for_each(validate_app)?;
        }
        self.validate_promotion(context)?;
        self.refuse_skipping(context)?;
        self.refuse_pushing_for_nothing(context)
    }

    /// Refuses a deployment to AWS that skips a gate which may not be skipped, or a promotion that accepts such a skip.
    fn refuse_skipping(&self, context: &Context<'_>) -> Result<(), Error> {
        let deploys = matches!(self.run, Run::Deploy | Run::Promote);
        let mut skipped = self.options.selection.skip.iter().chain(&self.accept_skipped);
        match skipped.find(|gate| deploys && !context.may_skip(gate)) {
            None => Ok(()),
            Some(gate) if self.run == Run::Promote => Err(usage(
                format!("a promotion to AWS can't accept an image that skipped {gate}"),
                "promote an image of a run that did not skip it",
            )),
            Some(gate) => Err(usage(
                format!("a deployment to AWS can't skip {gate}"),
                "no other check refuses public or unencrypted databases and IMDSv1; accept a finding in \
                 gates/baseline.toml",
            )),
        }
    }

    /// Divides stages into those of the environment, and those for a part that it lacks.
    ///
    /// # Errors
    /// Returns an error if the operator names one of the latter, or the run is about that part alone.
    pub(crate) fn of_its_parts(
        &self,
        stages: Vec<&'static Stage>,
        context: &Context<'_>,
    ) -> Result<(Vec<&'static Stage>, Vec<&'static Stage>), Error> {
        let Some(environment) = &context.environment else { return Ok((stages, Vec::new())) };
        let (there, left_out): (Vec<_>, Vec<_>) =
            stages.into_iter().partition(|stage| stage.is_part_of(environment));
        let only = &self.options.selection.only;
        let is_named = |name: &str| {
            matches!(self.run, Run::One(one) if one == name) || only.iter().any(|only| only == name)
        };
        if let Some(stage) = left_out.iter().find(|stage| is_named(stage.name)) {
            let lacks = stage.part.name();
            return Err(usage(
                format!("the stage {} is for {lacks}, and {} is without", stage.name, environment.name),
                "leave it out, or declare that part in the environment's tfvars",
            ));
        }
        Ok((there, left_out))
    }

    fn validate_stage(&self, context: &Context<'_>) -> Result<(), Error> {
        if self.run == Run::One("account") && !context.is_local() {
            return Err(usage(
                "the stage account is for the environments on this machine",
                "name local, localprod or localpg; on AWS, an administrator applies terraform/stacks/account",
            ));
        }
        let (Run::One(stage), None, None) = (self.run, &context.environment, &self.options.report.explain)
        else {
            return Ok(());
        };
        if Run::Ci.stages(false).iter().any(|known| known.name == stage) {
            return Ok(());
        }
        Err(usage(
            format!("the stage {stage} is for an environment, and none was named"),
            format!("cargo xtask {stage} --env E"),
        ))
    }

    fn validate_promotion(&self, context: &Context<'_>) -> Result<(), Error> {
        let (Some(promotion), Some(to)) = (&context.promotion, &context.environment) else { return Ok(()) };
        if let Some(digest) = promotion.digest.as_ref().filter(|digest| !is_digest(digest)) {
            return Err(usage(
                format!("{digest:?} is no digest"),
                "a digest is sha256: and 64 hexadecimal digits",
            ));
        }
        let gates = stages::GATES_OF_IMAGES;
        if let Some(gate) = promotion.accept_skipped.iter().find(|gate| !gates.contains(&gate.as_str())) {
            return Err(usage(
                format!("{gate:?} is no gate of an image"),
                format!("its gates are {}", gates.join(", ")),
            ));
        }
        if promotion.reason.trim().is_empty() {
            return Err(usage("the reason is empty", "give a reason, or leave --reason out"));
        }
        validate_direction(&promotion.from, to)
    }

    /// Refuses a push without a rollout: in the repository's lifecycle policy, an unused image displaces one
    /// that runs.
    fn refuse_pushing_for_nothing(&self, context: &Context<'_>) -> Result<(), Error> {
        let selection = &self.options.selection;
        let skips = |name: &str| selection.skip.iter().any(|skipped| skipped == name);
        // An operator who names the push, or ends the run with it, intends it.
        let chosen = !selection.only.is_empty() || selection.until.is_some();
        let pushes = skips("rollout") && !skips("ecr-push");
        if self.run != Run::Deploy || context.is_local() || chosen || !pushes {
            return Ok(());
        }
        Err(usage(
            "an image would be pushed that is not rolled out",
            "for infrastructure alone: --infrastructure-only",
        ))
    }
}

/// Refuses a promotion or rollback of the image of an app that is not there.
fn validate_app(environment: &Environment) -> Result<(), Error> {
    if environment.has_app {
        return Ok(());
    }
    Err(usage(
        format!("{} has no app, whose image could be rolled out", environment.name),
        "name an environment whose tfvars declare an app",
    ))
}

fn validate_direction(from: &Environment, to: &Environment) -> Result<(), Error> {
    if from.name == to.name {
        return Err(usage(
            "an image can't be promoted to the environment where it runs",
            "name two environments: --from A --to B",
        ));
    }
    if from.kind != to.kind {
        return Err(usage(
            "one of the environments is on this machine, and the other is not",
            "promote between local, localprod and localpg, or between environments of AWS",
        ));
    }
    Ok(())
}

fn usage(found: impl Into<String>, help: impl Into<String>) -> Error {
    Error::Usage { found: found.into(), help: help.into() }
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
