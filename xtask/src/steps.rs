//! Steps of a task: run in order until one fails, then told as a table.

use std::time::{Duration, Instant};

use crate::console::{Console, Style, table};
use crate::error::Error;

/// How a step that did not fail ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// Passed, with something a person should know.
    Warned(String),
    /// Could not be run here; the reason, with what runs it.
    NotRun(String),
}

/// One named piece of work.
pub(crate) struct Step<'a> {
    name: &'static str,
    action: Box<dyn FnOnce() -> Result<Outcome, Error> + 'a>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(name: &'static str, action: impl FnOnce() -> Result<Outcome, Error> + 'a) -> Self {
        Self { name, action: Box::new(action) }
    }
}

/// What steps there are, for whoever wants to know before they run.
pub(crate) fn names(steps: &[Step<'_>]) -> String {
    steps.iter().map(|step| step.name).collect::<Vec<_>>().join(", ")
}

/// Runs `steps` in order; after the first failure the others are listed as not run. Ends with a
/// table and a line of counts. True when none failed.
pub(crate) fn run(console: Console, steps: Vec<Step<'_>>) -> bool {
    let mut done: Vec<Done> = Vec::new();
    let (begun, all) = (Instant::now(), steps.len());
    for (number, Step { name, action }) in (1..).zip(steps) {
        if done.iter().any(|step| matches!(step.end, End::Failed(_))) {
            done.push(Done {
                name,
                end: End::Finished(Outcome::NotRun("an earlier step failed".to_owned())),
                took: None,
            });
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
        let end = match result {
            Ok(outcome) => End::Finished(outcome),
            // Outside the group, which folds.
            Err(error) => {
                console.line(&console.paint(Style::Bad, &error.report()));
                End::Failed(error.brief())
            }
        };
        done.push(Done { name, end, took });
    }
    console.line("");
    for (number, line) in summary(&done).iter().enumerate() {
        let style = match number.checked_sub(1).and_then(|row| done.get(row)).map(|step| &step.end) {
            None => Style::Heading,
            Some(End::Failed(_)) => Style::Bad,
            Some(End::Finished(Outcome::Passed)) => Style::Good,
            Some(End::Finished(_)) => Style::Warning,
        };
        console.line(&console.paint(style, line));
    }
    console.line("");
    console.line(&counts(&done));
    !done.iter().any(|step| matches!(step.end, End::Failed(_)))
}

/// A step's heading: which of how many, and how much time has gone by before it.
fn title(number: usize, all: usize, name: &str, elapsed: Duration) -> String {
    format!("step {number} of {all}: {name}, after {}", minutes(elapsed))
}

/// Time in minutes and seconds.
pub(crate) fn minutes(time: Duration) -> String {
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
    Failed(String),
}

fn summary(done: &[Done]) -> Vec<String> {
    let rows: Vec<[String; 4]> = done
        .iter()
        .map(|Done { name, end, took }| {
            let (result, note) = match end {
                End::Finished(Outcome::Passed) => ("passed", ""),
                End::Finished(Outcome::Warned(note)) => ("passed", note.as_str()),
                End::Finished(Outcome::NotRun(reason)) => ("not run", reason.as_str()),
                End::Failed(error) => ("FAILED", error.as_str()),
            };
            // What was not run took no time, also where finding out took some.
            let seconds = match (end, took) {
                (End::Finished(Outcome::NotRun(_)), _) | (_, None) => "-".to_owned(),
                (_, Some(took)) => format!("{:.1}", took.as_secs_f64()),
            };
            [(*name).to_owned(), result.to_owned(), format!("{seconds:>7}"), note.to_owned()]
        })
        .collect();
    table(["step", "result", "seconds", ""], &rows)
}

fn counts(done: &[Done]) -> String {
    let count = |wanted: fn(&End) -> bool| done.iter().filter(|step| wanted(&step.end)).count();
    let passed = count(|end| matches!(end, End::Finished(Outcome::Passed | Outcome::Warned(_))));
    let failed = count(|end| matches!(end, End::Failed(_)));
    let not_run = count(|end| matches!(end, End::Finished(Outcome::NotRun(_))));
    format!("{passed} steps passed, {failed} failed, {not_run} not run")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(name: &'static str, end: End, millis: Option<u64>) -> Done {
        Done { name, end, took: millis.map(Duration::from_millis) }
    }

    #[test]
    fn the_table_lists_what_ran_what_failed_and_what_did_not_run() {
        let steps = [
            done("format", End::Finished(Outcome::Passed), Some(420)),
            done("hygiene", End::Finished(Outcome::Warned("1 long file".into())), Some(15)),
            done("advisories", End::Finished(Outcome::NotRun("needs the network".into())), Some(0)),
            done("lints", End::Failed("exit status: 101".into()), Some(101_250)),
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
        let wrong = Error::Found { found: "wrong".into(), mend: "mend it".into() };
        let steps = vec![
            step("one", Ok(Outcome::Passed)),
            step("two", Ok(Outcome::NotRun("not here".into()))),
            step("three", Err(wrong)),
            step("four", Ok(Outcome::Passed)),
        ];
        assert!(!run(Console::silent(), steps));
        assert_eq!(*ran.borrow(), ["one", "two", "three"]);
        assert!(run(Console::silent(), vec![Step::new("one", || Ok(Outcome::NotRun("not here".into())))]));
    }
}
