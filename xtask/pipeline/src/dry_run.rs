//! A dry run: prints the commands of each stage and the missing requirements. It runs only the checks of
//! preflight.

use crate::context::Context;
use crate::preflight;
use crate::report;
use crate::selection::{self, Run};
use crate::stage::{Action, Stage};
use rds_iam_process::console::{Console, Style};
use rds_iam_process::error::Error;
use rds_iam_process::runner::{self, Runner};

/// Prints the actions of a run of `stages`, and returns the exit status.
///
/// # Errors
/// Returns an error if a stage can't prepare its commands.
pub(crate) fn run(
    run: Run,
    stages: &[&'static Stage],
    context: &Context<'_>,
    console: Console,
    runner: Runner,
) -> Result<u8, Error> {
    for stage in stages {
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
    let mut missing = preflight::check(stages, context, runner);
    missing.extend(selection::unmet(run, stages, context));
    missing.extend(preflight::check_caller(stages, context, console, runner, true));
    if runner::interrupted() {
        return Ok(report::interrupted(console));
    }
    preflight::report(&missing, console);
    preflight::not_checked(stages, context).iter().for_each(|note| console.line(note));
    console.line(&match missing.len() {
        0 => "\nDry run: nothing was changed.".to_owned(),
        count => format!(
            "\nDry run: nothing was changed. A real run would stop at once: {count} missing, see above."
        ),
    });
    Ok(0)
}
