//! The pipeline: stages, and the runs over them.

mod attestation;
mod bundle;
mod caller;
mod context;
mod environment;
mod explain;
mod local;
mod lock;
mod preflight;
mod report;
mod schedule;
mod selection;
mod show;
mod stage;
mod stages;
mod summary;
mod verdicts;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use rds_iam_process::clock;
use rds_iam_process::console::{Console, Style};

use context::{Commit, Promotion};
use environment::Environment;
use rds_iam_images::image::Bases;
use rds_iam_process::error::Error;
use rds_iam_process::runner::{self, Runner};
use rds_iam_process::workspace::Workspace;
use selection::Wanted;
use stage::{Effect, Stage};
use verdicts::{Judged, Verdicts};

pub(crate) use context::Context;
pub(crate) use report::stopped;
pub(crate) use selection::Run;
pub(crate) use stage::Action;

/// A question to AWS or to a registry.
const QUESTION_WITHIN: Duration = Duration::from_secs(120);
/// The exit status where something is missing, before any stage began.
const MISSING: u8 = 3;
/// Where a run without a terminal finds the name that has to be typed.
const CONFIRM_VARIABLE: &str = "RDS_IAM_CONFIRM";

/// The stages of a deployment that are about its image.
const IMAGE_STAGES: [&str; 5] = ["docker-build", "trivy", "ecr-push", "rollout", "smoke"];

/// Says what images are built on.
const BASES_VARIABLE: &str = "RDS_IAM_IMAGE_BASES";

/// What every run takes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Run these stages alone
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave these stages out; of a gate, that is kept in the record
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    skip: Vec<String>,
    /// Begin with this stage
    #[arg(long, value_name = "STAGE")]
    from: Option<String>,
    /// End after this stage
    #[arg(long, value_name = "STAGE")]
    until: Option<String>,
    #[command(flatten)]
    telling: Telling,
}

/// What every stage takes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Telling {
    /// Change nothing: show the commands that would be run
    #[arg(long)]
    dry_run: bool,
    /// Tell the stages, their order and exit statuses; or all about one stage
    #[arg(long, value_name = "STAGE", num_args = 0..=1, default_missing_value = "")]
    explain: Option<String>,
    /// Also write how it went to FILE, as JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "explain"])]
    json: Option<PathBuf>,
    /// Also write how it went to FILE, as JUnit has it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "explain"])]
    junit: Option<PathBuf>,
}

impl Options {
    /// These stages alone.
    pub(crate) fn only(only: Vec<String>, telling: Telling) -> Self {
        Self { only, telling, ..Self::default() }
    }

    /// The same without a stage.
    #[cfg(test)]
    pub(crate) fn without(&self, stage: &str) -> Self {
        let mut without = self.clone();
        without.skip.push(stage.to_owned());
        without
    }

    /// The same without the stages that are about the image.
    pub(crate) fn without_the_image(mut self) -> Self {
        self.skip.extend(IMAGE_STAGES.map(str::to_owned));
        self
    }
}

impl From<Telling> for Options {
    fn from(telling: Telling) -> Self {
        Self { telling, ..Self::default() }
    }
}

/// One run, as the command line has it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) run: Run,
    pub(crate) environment: Option<String>,
    /// Of a promotion: the environment that it comes from.
    pub(crate) promote_from: Option<String>,
    /// Of a promotion: the digest that must be running there.
    pub(crate) digest: Option<String>,
    /// Of a promotion: gates whose absence is accepted.
    pub(crate) accept_skipped: Vec<String>,
    /// Of a promotion: why, for the record.
    pub(crate) reason: Option<String>,
    pub(crate) no_snapshot: bool,
    /// Of a deployment: statuses with which an image that the registry did not scan is accepted.
    pub(crate) accept_scan: Vec<String>,
    pub(crate) options: Options,
}

impl Asked {
    /// One stage by itself.
    pub(crate) fn stage(name: &'static str, environment: Option<String>, telling: Telling) -> Self {
        Self::new(Run::One(name), environment, telling.into())
    }

    /// A run for an environment, or for none.
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
}

/// Does what was asked for; the exit status.
///
/// # Errors
/// When it could not begin.
pub(crate) fn run(
    asked: &Asked,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<u8, Error> {
    let telling = &asked.options.telling;
    if let Some(stage) = telling.explain.as_deref().filter(|stage| !stage.is_empty()) {
        explain::stage(stage)?.iter().for_each(|line| console.line(line));
        return Ok(0);
    }
    let context = match context(asked, workspace, runner) {
        Err(error @ Error::Found { .. }) => return Ok(wrong_setting(&error, console)),
        context => context?,
    };
    fits(asked, &context)?;
    refuse_pushing_for_nothing(asked, &context)?;
    let all = asked.run.stages(context.is_local());
    let Options { only, skip, from, until, .. } = asked.options.clone();
    let wanted = Wanted { only, skip, from, until }.of(&all, asked.run)?;
    if telling.explain.is_some() {
        explain::run(asked.run, &wanted).iter().for_each(|line| console.line(line));
        return Ok(0);
    }
    let context = Context {
        bases: bases(&wanted, &context, console, runner)?,
        // Asked for by itself, the stage `programs` builds for a plan that another job makes.
        plans: asked.run == Run::One("programs")
            || wanted.iter().any(|stage| matches!(stage.name, "plan" | "destroy-plan")),
        applies: wanted.iter().any(|stage| matches!(stage.name, "apply" | "destroy")),
        ..context
    };
    if let Err(error) = refuse_another_name(asked, &context) {
        return Ok(wrong_setting(&error, console));
    }
    if telling.dry_run {
        return dry_run(asked.run, &wanted, &context, console, runner);
    }
    let _lock = lock::take(&context)?;
    // Of an earlier run: nobody should take them for this one's.
    telling.json.iter().chain(&telling.junit).try_for_each(|path| rds_iam_process::file::remove(path))?;
    let mut missing = preflight::look(&wanted, &context, runner);
    missing.extend(selection::unmet(asked.run, &wanted, &context));
    let asks = missing.is_empty();
    if asks {
        missing = preflight::ask_about_caller(&wanted, &context, console, runner, false);
    }
    // A question that was stopped has no answer: nothing is known to be missing.
    if runner::interrupted() {
        return Ok(stopped(console));
    }
    if !missing.is_empty() {
        preflight::tell(&missing, console);
        let later = preflight::not_asked_yet(&wanted, &context).filter(|_| !asks);
        later.iter().for_each(|note| console.line(note));
        return Ok(not_begun(console));
    }
    preflight::install(&wanted, &context, console, runner)?;
    if console.is_live() || wanted.len() > 1 {
        console.line(&console.paint(Style::Heading, &heading(asked, &context)));
    }
    note_skipped(&all, &context)?;
    let done = execute(&wanted, &context, console)?;
    report::tell(&done, &context, console);
    let mut exit = report::exit(&done);
    let json = telling.json.as_ref().map(|path| report::write_json(path, &done, asked.run, &context));
    let junit = telling.junit.as_ref().map(|path| report::write_junit(path, &done, asked.run));
    for written in [json, junit, Some(report::summarise(&done, asked.run, &context))].into_iter().flatten() {
        if let Err(error) = written {
            // How the run itself ended is worth more than that it could not be written down.
            console.line(&console.paint(Style::Bad, &error.report()));
            exit = exit.max(1);
        }
    }
    Ok(exit)
}

/// How many minutes all stages of a run on AWS may take, one after the other.
#[cfg(test)]
pub(crate) fn minutes(run: Run, options: &Options) -> u64 {
    // What was built elsewhere takes no time.
    let Options { only, skip, from, until, .. } = options.without("programs");
    let wanted = Wanted { only, skip, from, until }.of(&run.stages(false), run).unwrap();
    wanted.iter().map(|stage| stage.minutes).sum()
}

/// A setting that is wrong is as good as missing.
fn wrong_setting(error: &Error, console: Console) -> u8 {
    console.line(&console.paint(Style::Bad, &error.report()));
    not_begun(console)
}

fn not_begun(console: Console) -> u8 {
    console.line(&format!("nothing was begun; exit status {MISSING}"));
    MISSING
}

fn context<'a>(asked: &Asked, workspace: &'a Workspace, runner: Runner) -> Result<Context<'a>, Error> {
    let read = |name: &String| Environment::read(name, workspace);
    let environment = asked.environment.as_ref().map(read).transpose()?;
    let promotion = match &asked.promote_from {
        Some(from) => Some(Promotion {
            from: read(from)?,
            digest: asked.digest.clone(),
            accept_skipped: asked.accept_skipped.clone(),
            reason: asked.reason.clone().unwrap_or_else(|| format!("what runs in {from}")),
        }),
        None => None,
    };
    Ok(Context {
        workspace,
        commit: Commit::find(workspace, runner)?,
        environment,
        promotion,
        bases: named_bases()?.unwrap_or(Bases::Pinned),
        skipped: asked.options.skip.clone(),
        plans: false,
        applies: false,
        destroys: asked.run == Run::Destroy,
        no_snapshot: asked.no_snapshot,
        accept_scan: asked.accept_scan.clone(),
        now: clock::now(),
    })
}

/// What images are built on: the official ones, unless the environment says otherwise.
fn named_bases() -> Result<Option<Bases>, Error> {
    let said = std::env::var_os(BASES_VARIABLE).unwrap_or_default().to_string_lossy().into_owned();
    if said.is_empty() {
        return Ok(None);
    }
    Bases::from_str(&said, false).map(Some).map_err(|_| Error::Found {
        found: format!("{BASES_VARIABLE} is {said:?}"),
        mend: "it is `pinned` (official images, by digest) or `local` (made here from Debian's packages)"
            .to_owned(),
    })
}

/// The same for these stages. Only where nothing leaves this machine does it decide by what can be reached.
fn bases(wanted: &[&Stage], context: &Context<'_>, console: Console, runner: Runner) -> Result<Bases, Error> {
    let named = named_bases()?;
    let builds = wanted.iter().any(|stage| stage.name == "docker-build");
    let stays = context.environment.is_none() || context.is_local();
    if named.is_some() || !builds || !stays || console.is_github() {
        return Ok(named.unwrap_or(Bases::Pinned));
    }
    Ok(Bases::that_can_be_had(context.workspace, console, runner))
}

/// What is asked for has to make sense before anything is looked at.
fn fits(asked: &Asked, context: &Context<'_>) -> Result<(), Error> {
    let refused =
        |found: &str, mend: &str| Err(Error::Usage { found: found.to_owned(), mend: mend.to_owned() });
    if asked.run == Run::One("account") && !context.is_local() {
        return refused(
            "the stage account is for the environments on this machine",
            "name local or localprod; on AWS, an administrator applies terraform/stacks/account",
        );
    }
    if let (Run::One(stage), None, None) = (asked.run, &context.environment, &asked.options.telling.explain) {
        let alone = Run::Ci.stages(false);
        if !alone.iter().any(|known| known.name == stage) {
            return refused(
                &format!("the stage {stage} is for an environment, and none was named"),
                &format!("cargo xtask {stage} --env E"),
            );
        }
    }
    let (Some(promotion), Some(to)) = (&context.promotion, &context.environment) else { return Ok(()) };
    if let Some(digest) = promotion.digest.as_ref().filter(|digest| !is_digest(digest)) {
        return refused(&format!("{digest:?} is no digest"), "a digest is sha256: and 64 hexadecimal digits");
    }
    let gates = stages::GATES_OF_IMAGES;
    if let Some(gate) = promotion.accept_skipped.iter().find(|gate| !gates.contains(&gate.as_str())) {
        return refused(
            &format!("{gate:?} is no gate of an image"),
            &format!("its gates are {}", gates.join(", ")),
        );
    }
    if promotion.reason.trim().is_empty() {
        return refused("the reason is empty", "tell why, or leave --reason out");
    }
    if promotion.from.name == to.name {
        return refused(
            "an image can't be promoted to where it is",
            "name two environments: --from A --to B",
        );
    }
    if promotion.from.place != to.place {
        return refused(
            "one of the environments is on this machine, and the other is not",
            "promote from local to localprod, or between environments of AWS",
        );
    }
    Ok(())
}

/// An image that nothing rolls out takes the place of one that runs in the repository's lifecycle.
fn refuse_pushing_for_nothing(asked: &Asked, context: &Context<'_>) -> Result<(), Error> {
    let Options { only, skip, until, .. } = &asked.options;
    let skips = |name: &str| skip.iter().any(|skipped| skipped == name);
    // Who names the push, or its end, means it.
    let chosen = !only.is_empty() || until.is_some();
    if asked.run != Run::Deploy || context.is_local() || chosen || !skips("rollout") || skips("ecr-push") {
        return Ok(());
    }
    Err(Error::Usage {
        found: "an image would be pushed that is not rolled out".to_owned(),
        mend: "for infrastructure alone: --skip docker-build,trivy,ecr-push,rollout,smoke".to_owned(),
    })
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn heading(asked: &Asked, context: &Context<'_>) -> String {
    let environment = context.environment.as_ref().map(|environment| format!(" of {}", environment.name));
    format!("{}{} at {}", asked.run.name(), environment.unwrap_or_default(), context.commit.short())
}

/// Runs the stages; before the first that can't be undone, what is going on has to be confirmed.
fn execute(
    wanted: &[&'static Stage],
    context: &Context<'_>,
    console: Console,
) -> Result<Vec<schedule::Done>, Error> {
    let first = wanted.iter().position(|stage| stage.effect == Effect::Destructive).unwrap_or(wanted.len());
    let (before, destructive) = wanted.split_at(first);
    let mut done = run_stages(before, context, console);
    if destructive.is_empty() {
        return Ok(done);
    }
    if let Some(stopped) = done.iter().find(|done| !matches!(done.end, schedule::End::Passed(_))) {
        let why = format!("{} did not pass", stopped.stage.name);
        done.extend(destructive.iter().map(|stage| schedule::Done::not_run(stage, why.clone())));
        return Ok(done);
    }
    let name = &context.environment()?.name;
    show_destruction(context, console);
    confirm(name, console)?;
    done.extend(run_stages(destructive, context, console));
    Ok(done)
}

fn run_stages(stages: &[&'static Stage], context: &Context<'_>, console: Console) -> Vec<schedule::Done> {
    let mut show = show::Show::new(console, stages.len());
    let done = schedule::run(stages, context, console, &mut show);
    show.end();
    done
}

/// What goes, as the plan tells it.
fn show_destruction(context: &Context<'_>, console: Console) {
    // Without the file, the plan's own log has told it.
    if let Ok(text) = rds_iam_process::file::read(&context.file("destroy.md")) {
        console.line(&format!("\n{}", text.trim_end()));
    }
}

/// Has a person type the environment's name.
fn confirm(name: &str, console: Console) -> Result<(), Error> {
    let typed = match std::env::var(CONFIRM_VARIABLE) {
        Ok(typed) => typed,
        Err(_) if std::io::stdin().is_terminal() => {
            console.line(&format!("\nThis destroys {name}. Type its name to go on:"));
            drop(std::io::stdout().flush());
            let mut typed = String::new();
            drop(std::io::stdin().read_line(&mut typed));
            typed
        }
        Err(_) => String::new(),
    };
    confirmed(name, typed.trim())
}

fn confirmed(name: &str, typed: &str) -> Result<(), Error> {
    if typed == name {
        return Ok(());
    }
    Err(Error::Found {
        found: if typed.is_empty() {
            format!("the destruction of {name} was not confirmed")
        } else {
            format!("{typed:?} is not {name}: nothing was destroyed")
        },
        mend: format!("type the environment's name; without a terminal, set {CONFIRM_VARIABLE} to it"),
    })
}

/// A name that was typed beforehand, and is another's, ends a destruction before it begins.
fn refuse_another_name(asked: &Asked, context: &Context<'_>) -> Result<(), Error> {
    match (asked.run, std::env::var(CONFIRM_VARIABLE)) {
        (Run::Destroy, Ok(typed)) if !typed.is_empty() => {
            confirmed(&context.environment()?.name, typed.trim())
        }
        _ => Ok(()),
    }
}

/// Keeps in the record which gates were left out by name.
fn note_skipped(all: &[&'static Stage], context: &Context<'_>) -> Result<(), Error> {
    let skipped: Vec<_> = all
        .iter()
        .filter(|stage| stage.is_gate() && context.skipped.iter().any(|name| name == stage.name))
        .collect();
    if skipped.is_empty() {
        return Ok(());
    }
    let mut verdicts = Verdicts::load(context);
    for stage in skipped {
        verdicts.set(stage.name, Judged::Skipped, "named in --skip", context, context.now);
    }
    verdicts.write(&verdicts::path(context))
}

/// What would be run, in order, and what is missing for it. Decided here alone: nothing that is more than a
/// question is run.
fn dry_run(
    run: Run,
    wanted: &[&'static Stage],
    context: &Context<'_>,
    console: Console,
    runner: Runner,
) -> Result<u8, Error> {
    for stage in wanted {
        let heading = format!("{} ({}): {}", stage.name, stage.effect.as_str(), stage.purpose);
        console.line(&console.paint(Style::Heading, &heading));
        for action in (stage.actions)(context)? {
            match action {
                Action::Run(cmd) => console.line(&format!("  $ {}", cmd.shown())),
                Action::Do { what, .. } if what.starts_with('$') => console.line(&format!("  {what}")),
                Action::Do { what, .. } => console.line(&format!("  - {what}")),
            }
        }
    }
    let mut missing = preflight::look(wanted, context, runner);
    missing.extend(selection::unmet(run, wanted, context));
    missing.extend(preflight::ask_about_caller(wanted, context, console, runner, true));
    if runner::interrupted() {
        return Ok(stopped(console));
    }
    preflight::tell(&missing, console);
    preflight::not_looked_at(wanted, context).iter().for_each(|note| console.line(note));
    console.line(&match missing.len() {
        0 => "\nDry run: nothing was changed.".to_owned(),
        count => format!(
            "\nDry run: nothing was changed. A real run would stop at once: {count} missing, see above."
        ),
    });
    Ok(0)
}
