//! Steps of a task: run in order until one fails, then listed in a table.

use std::time::{Duration, Instant};

use crate::console::{Console, Style};
use crate::error::Error;
use crate::runner::{self, RunError};
use crate::summary::{self, End, Row};

/// The result of a step that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Passed.
    Passed,
    /// Passed, with a warning for the operator.
    Warned(String),
    /// Not run here: the reason, and where it runs.
    NotRun(String),
}

/// One named piece of work.
pub struct Step<'a> {
    name: &'static str,
    action: Box<dyn FnOnce() -> Result<Outcome, Error> + 'a>,
}

impl<'a> Step<'a> {
    /// Creates a step with a name and an action.
    pub fn new(name: &'static str, action: impl FnOnce() -> Result<Outcome, Error> + 'a) -> Self {
        Self { name, action: Box::new(action) }
    }
}

/// Returns the names of steps, to list them before they run.
pub fn names(steps: &[Step<'_>]) -> String {
    steps.iter().map(|step| step.name).collect::<Vec<_>>().join(", ")
}

/// A step and its result.
struct Done {
    name: &'static str,
    end: End,
    took: Option<Duration>,
}

/// Runs `steps` in order. After the first failure, the remaining steps are listed as not run. Prints a table
/// and a line of counts. Returns true if no step failed or was stopped.
pub fn run(console: Console, steps: Vec<Step<'_>>) -> bool {
    let mut done: Vec<Done> = Vec::new();
    let (begun, all) = (Instant::now(), steps.len());
    for (number, Step { name, action }) in (1..).zip(steps) {
        if let Some(why) = reason_not_to_run(&done, runner::interrupted()) {
            done.push(Done { name, end: End::NotRun(why.to_owned()), took: None });
            continue;
        }
        let started = Instant::now();
        let result = {
            let _group = console.group(&title(number, all, name, begun.elapsed()));
            let result = action();
            if let Ok(Outcome::NotRun(reason)) = &result {
                console.line(&format!("not run: {reason}"));
            }
            result
        };
        let took = Some(started.elapsed());
        let end = end(name, result, runner::interrupted());
        if let End::Failed(error) = &end {
            // Printed outside the group, which is collapsed.
            console.line(&console.paint(Style::Bad, &error.report()));
        }
        done.push(Done { name, end, took });
    }
    let rows: Vec<Row<'_>> =
        done.iter().map(|Done { name, end, took }| Row { name, end, took: *took }).collect();
    summary::print("step", &rows, console);
    let ended_well = |done: &Done| done.end.passed() || matches!(done.end, End::NotRun(_));
    !runner::interrupted() && done.iter().all(ended_well)
}

/// Returns the reason not to run the step after those in `done`, if there is one.
fn reason_not_to_run(done: &[Done], interrupted: bool) -> Option<&'static str> {
    if done.iter().any(|step| step.end.failed()) {
        Some("an earlier step failed")
    } else if interrupted || done.iter().any(|step| matches!(step.end, End::Stopped(_))) {
        Some("the run was interrupted")
    } else {
        None
    }
}

/// Converts a step's outcome to its result. A step that did not pass in an interrupted run was stopped by the
/// interrupt.
fn end(name: &str, result: Result<Outcome, Error>, interrupted: bool) -> End {
    match result {
        Err(Error::Run(RunError::Stopped { command })) => End::Stopped(command),
        Err(_) | Ok(Outcome::NotRun(_)) if interrupted => End::Stopped(name.to_owned()),
        Ok(Outcome::Passed) => End::Passed(None),
        Ok(Outcome::Warned(note)) => End::Warned(note),
        Ok(Outcome::NotRun(reason)) => End::NotRun(reason),
        Err(error) => End::Failed(error),
    }
}

/// Returns a step's heading: its number, the number of steps, and the time elapsed before it.
fn title(number: usize, all: usize, name: &str, elapsed: Duration) -> String {
    format!("step {number} of {all}: {name}, after {}", minutes(elapsed))
}

/// Formats a duration in minutes and seconds.
pub fn minutes(time: Duration) -> String {
    match (time.as_secs() / 60, time.as_secs() % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds:02} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(found: &str) -> Error {
        Error::Found { found: found.to_owned(), help: "correct it".to_owned() }
    }

    #[test]
    fn a_step_that_was_stopped_did_not_fail_and_nothing_runs_after_it() {
        let stopped = || Err(Error::Run(RunError::Stopped { command: "cargo test".to_owned() }));
        let done = |name, result, interrupted| Done { name, end: end(name, result, interrupted), took: None };
        let steps = [
            done("lints", Ok(Outcome::Passed), false),
            done("tests", stopped(), false),
            done("demo", Err(wrong("it ended")), true),
        ];
        assert_eq!(steps.each_ref().map(|step| step.end.label()), ["passed", "stopped", "stopped"]);
        assert_eq!(steps[2].end.note(), "in the middle of demo");
        assert_eq!(reason_not_to_run(&steps[..1], false), None);
        assert_eq!(reason_not_to_run(&steps[..1], true), Some("the run was interrupted"));
        assert_eq!(reason_not_to_run(&steps, false), Some("the run was interrupted"));
        assert!(!run(Console::silent(), vec![Step::new("one", stopped)]));
    }

    #[test]
    fn a_heading_says_how_far_the_run_is() {
        let at = |seconds| title(3, 18, "lints", Duration::from_secs(seconds));
        assert_eq!(at(7), "step 3 of 18: lints, after 7 s");
        assert_eq!(at(64), "step 3 of 18: lints, after 1 min 04 s");
    }

    #[test]
    fn the_first_failure_ends_the_run() {
        let ran = std::cell::RefCell::new(Vec::new());
        let step = |name, outcome: Result<Outcome, Error>| {
            let ran = &ran;
            Step::new(name, move || {
                ran.borrow_mut().push(name);
                outcome
            })
        };
        let steps = vec![
            step("one", Ok(Outcome::Passed)),
            step("two", Ok(Outcome::NotRun("not here".into()))),
            step("three", Err(wrong("it is wrong"))),
            step("four", Ok(Outcome::Passed)),
        ];
        assert!(!run(Console::silent(), steps));
        assert_eq!(*ran.borrow(), ["one", "two", "three"]);
        assert!(run(Console::silent(), vec![Step::new("one", || Ok(Outcome::NotRun("not here".into())))]));
    }
}
