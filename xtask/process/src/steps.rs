//! Steps of a task: run in order until one fails, then told as a table.

use std::time::{Duration, Instant};

use crate::console::{Console, Style, table};
use crate::error::Error;
use crate::runner::{self, RunError};

/// How a step that did not fail ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Passed.
    Passed,
    /// Passed, with something a person should know.
    Warned(String),
    /// Could not be run here; the reason, with what runs it.
    NotRun(String),
}

/// One named piece of work.
pub struct Step<'a> {
    name: &'static str,
    action: Box<dyn FnOnce() -> Result<Outcome, Error> + 'a>,
}

impl<'a> Step<'a> {
    /// A step of this name, which does that.
    pub fn new(name: &'static str, action: impl FnOnce() -> Result<Outcome, Error> + 'a) -> Self {
        Self { name, action: Box::new(action) }
    }
}

/// What steps there are, for whoever wants to know before they run.
pub fn names(steps: &[Step<'_>]) -> String {
    steps.iter().map(|step| step.name).collect::<Vec<_>>().join(", ")
}

/// Runs `steps` in order; after the first failure the others are listed as not run. Ends with a
/// table and a line of counts. True when none failed or was stopped.
pub fn run(console: Console, steps: Vec<Step<'_>>) -> bool {
    let mut done: Vec<Done> = Vec::new();
    let (begun, all) = (Instant::now(), steps.len());
    for (number, Step { name, action }) in (1..).zip(steps) {
        if let Some(why) = left_out(&done, runner::interrupted()) {
            done.push(Done { name, end: End::Finished(Outcome::NotRun(why.to_owned())), took: None });
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
            // Outside the group, which folds.
            console.line(&console.paint(Style::Bad, &error.report()));
        }
        done.push(Done { name, end, took });
    }
    console.line("");
    for (number, line) in summary(&done).iter().enumerate() {
        let style = match number.checked_sub(1).and_then(|row| done.get(row)).map(|step| &step.end) {
            None => Style::Heading,
            Some(End::Failed(_)) => Style::Bad,
            Some(End::Finished(Outcome::Passed)) => Style::Good,
            Some(End::Finished(_) | End::Stopped(_)) => Style::Warning,
        };
        console.line(&console.paint(style, line));
    }
    console.line("");
    console.line(&counts(&done));
    !runner::interrupted() && !done.iter().any(|step| matches!(step.end, End::Failed(_) | End::Stopped(_)))
}

/// Why the step after those that are `done` is not run.
fn left_out(done: &[Done], interrupted: bool) -> Option<&'static str> {
    if done.iter().any(|step| matches!(step.end, End::Failed(_))) {
        Some("an earlier step failed")
    } else if interrupted || done.iter().any(|step| matches!(step.end, End::Stopped(_))) {
        Some("the run was interrupted")
    } else {
        None
    }
}

/// How a step ended. Where the run was interrupted, that is why it did not pass.
fn end(name: &str, result: Result<Outcome, Error>, interrupted: bool) -> End {
    match result {
        Err(Error::Run(RunError::Stopped { command })) => End::Stopped(command),
        Err(_) | Ok(Outcome::NotRun(_)) if interrupted => End::Stopped(name.to_owned()),
        Ok(outcome) => End::Finished(outcome),
        Err(error) => End::Failed(error),
    }
}

/// A step's heading: which of how many, and how much time has gone by before it.
fn title(number: usize, all: usize, name: &str, elapsed: Duration) -> String {
    format!("step {number} of {all}: {name}, after {}", minutes(elapsed))
}

/// Time in minutes and seconds.
pub fn minutes(time: Duration) -> String {
    match (time.as_secs() / 60, time.as_secs() % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds:02} s"),
    }
}

#[derive(Debug)]
struct Done {
    name: &'static str,
    end: End,
    took: Option<Duration>,
}

#[derive(Debug)]
enum End {
    Finished(Outcome),
    Failed(Error),
    /// It was ended with the run: the command that it was in the middle of.
    Stopped(String),
}

fn summary(done: &[Done]) -> Vec<String> {
    let rows: Vec<[String; 4]> = done
        .iter()
        .map(|Done { name, end, took }| {
            let (result, note) = match end {
                End::Finished(Outcome::Passed) => ("passed", String::new()),
                End::Finished(Outcome::Warned(note)) => ("passed", note.clone()),
                End::Finished(Outcome::NotRun(reason)) => ("not run", reason.clone()),
                End::Failed(error) => ("FAILED", error.brief()),
                End::Stopped(command) => ("stopped", format!("in the middle of {command}")),
            };
            // What was not run took no time, also where finding out took some.
            let seconds = match (end, took) {
                (End::Finished(Outcome::NotRun(_)), _) | (_, None) => "-".to_owned(),
                (_, Some(took)) => format!("{:.1}", took.as_secs_f64()),
            };
            [(*name).to_owned(), result.to_owned(), format!("{seconds:>7}"), note]
        })
        .collect();
    table(["step", "result", "seconds", ""], &rows)
}

fn counts(done: &[Done]) -> String {
    let count = |wanted: fn(&End) -> bool| done.iter().filter(|step| wanted(&step.end)).count();
    let passed = count(|end| matches!(end, End::Finished(Outcome::Passed | Outcome::Warned(_))));
    let failed = count(|end| matches!(end, End::Failed(_)));
    let not_run = count(|end| matches!(end, End::Finished(Outcome::NotRun(_))));
    let stopped = match count(|end| matches!(end, End::Stopped(_))) {
        0 => String::new(),
        stopped => format!(" {stopped} stopped,"),
    };
    format!("{passed} steps passed, {failed} failed,{stopped} {not_run} not run")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(name: &'static str, end: End, millis: Option<u64>) -> Done {
        Done { name, end, took: millis.map(Duration::from_millis) }
    }

    fn wrong(found: &str) -> Error {
        Error::Found { found: found.to_owned(), help: "correct it".to_owned() }
    }

    #[test]
    fn a_step_that_was_stopped_did_not_fail_and_nothing_runs_after_it() {
        let stopped = || Err(Error::Run(RunError::Stopped { command: "cargo test".to_owned() }));
        let steps = [
            done("lints", end("lints", Ok(Outcome::Passed), false), Some(420)),
            done("tests", end("tests", stopped(), false), Some(1_000)),
            done("demo", end("demo", Err(wrong("it ended")), true), Some(2_000)),
        ];
        assert_eq!(left_out(&steps[..1], false), None);
        assert_eq!(left_out(&steps[..1], true), Some("the run was interrupted"));
        assert_eq!(left_out(&steps, false), Some("the run was interrupted"));
        insta::assert_snapshot!([summary(&steps).join("\n"), counts(&steps)].join("\n\n"), @r"
        step   result   seconds
        lints  passed       0.4
        tests  stopped      1.0  in the middle of cargo test
        demo   stopped      2.0  in the middle of demo

        1 steps passed, 0 failed, 2 stopped, 0 not run
        ");
        assert!(!run(Console::silent(), vec![Step::new("one", stopped)]));
    }

    #[test]
    fn the_table_lists_what_ran_what_failed_and_what_did_not_run() {
        let steps = [
            done("format", End::Finished(Outcome::Passed), Some(420)),
            done("hygiene", End::Finished(Outcome::Warned("1 long file".into())), Some(15)),
            done("advisories", End::Finished(Outcome::NotRun("needs the network".into())), Some(0)),
            done("lints", End::Failed(wrong("exit status: 101")), Some(101_250)),
            done("tests", End::Finished(Outcome::NotRun("an earlier step failed".into())), None),
        ];
        insta::assert_snapshot!([summary(&steps).join("\n"), counts(&steps)].join("\n\n"), @r"
        step        result   seconds
        format      passed       0.4
        hygiene     passed       0.0  1 long file
        advisories  not run        -  needs the network
        lints       FAILED     101.2  exit status: 101
        tests       not run        -  an earlier step failed

        2 steps passed, 1 failed, 2 not run
        ");
    }

    #[test]
    fn a_heading_tells_how_far_the_run_is() {
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
