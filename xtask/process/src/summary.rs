//! The results of a run's parts (steps or stages), and the final table.

use std::time::Duration;

use crate::console::{Console, Style, table};
use crate::error::Error;

/// The result of one part of a run.
#[derive(Debug)]
pub enum End {
    /// Passed, with an optional note.
    Passed(Option<String>),
    /// Passed, with a warning for the operator.
    Warned(String),
    /// Failed.
    Failed(Error),
    /// Stopped with the run, during this command.
    Stopped(String),
    /// Not run, with the reason.
    NotRun(String),
}

impl End {
    /// Returns whether the part passed, with or without a note.
    pub fn passed(&self) -> bool {
        matches!(self, Self::Passed(_) | Self::Warned(_))
    }

    /// Returns whether the part failed.
    pub fn failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Returns the result in a word or two.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Passed(_) | Self::Warned(_) => "passed",
            Self::Failed(_) => "FAILED",
            Self::Stopped(_) => "stopped",
            Self::NotRun(_) => "not run",
        }
    }

    /// Returns the last column of the table: the note, the reason or a short form of the error.
    pub fn note(&self) -> String {
        match self {
            Self::Passed(note) => note.clone().unwrap_or_default(),
            Self::Warned(note) => note.clone(),
            Self::Failed(error) => error.brief(),
            Self::Stopped(command) => format!("in the middle of {command}"),
            Self::NotRun(why) => why.clone(),
        }
    }

    /// Returns the style of the row.
    pub fn style(&self) -> Style {
        match self {
            Self::Passed(_) => Style::Good,
            Self::Failed(_) => Style::Bad,
            Self::Warned(_) | Self::Stopped(_) | Self::NotRun(_) => Style::Warning,
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a row has no other columns, and callers build it")]
pub struct Row<'a> {
    /// The name of the part.
    pub name: &'a str,
    /// The result of the part.
    pub end: &'a End,
    /// The duration; `None` if the part was not run.
    pub took: Option<Duration>,
}

impl Row<'_> {
    /// Returns the cells: name, result, seconds and note.
    pub fn cells(&self) -> [String; 4] {
        // A part that was not run has no duration, even if checking that took some time.
        let seconds = match (self.end, self.took) {
            (End::NotRun(_), _) | (_, None) => "-".to_owned(),
            (_, Some(took)) => format!("{:.1}", took.as_secs_f64()),
        };
        [self.name.to_owned(), self.end.label().to_owned(), format!("{seconds:>7}"), self.end.note()]
    }
}

/// Prints the table and the line of counts; `part` is "step" or "stage".
pub fn print(part: &str, rows: &[Row<'_>], console: Console) {
    console.line("");
    for (number, line) in lines(part, rows).iter().enumerate() {
        let style = match number.checked_sub(1).and_then(|at| rows.get(at)) {
            None => Style::Heading,
            Some(row) => row.end.style(),
        };
        console.line(&console.paint(style, line));
    }
    console.line("");
    console.line(&counts(part, rows));
}

fn lines(part: &str, rows: &[Row<'_>]) -> Vec<String> {
    let cells: Vec<[String; 4]> = rows.iter().map(Row::cells).collect();
    table([part, "result", "seconds", ""], &cells)
}

fn counts(part: &str, rows: &[Row<'_>]) -> String {
    let count = |is: fn(&End) -> bool| rows.iter().filter(|row| is(row.end)).count();
    let (passed, failed) = (count(End::passed), count(End::failed));
    let not_run = count(|end| matches!(end, End::NotRun(_)));
    let stopped = match count(|end| matches!(end, End::Stopped(_))) {
        0 => String::new(),
        stopped => format!(" {stopped} stopped,"),
    };
    format!("{passed} {part}s passed, {failed} failed,{stopped} {not_run} not run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_each_result_and_the_counts() {
        let found = "exit status: 101".to_owned();
        let failed = End::Failed(Error::Found { found, help: "fix it".to_owned() });
        let ends = [
            ("format", End::Passed(None), Some(420)),
            ("programs", End::Passed(Some("built elsewhere".into())), Some(7)),
            ("hygiene", End::Warned("1 long file".into()), Some(15)),
            ("advisories", End::NotRun("needs the network".into()), Some(0)),
            ("lints", failed, Some(101_250)),
            ("demo", End::Stopped("cargo run".into()), Some(2_000)),
            ("tests", End::NotRun("an earlier step failed".into()), None),
        ];
        let rows: Vec<Row<'_>> = ends
            .iter()
            .map(|(name, end, millis)| Row { name, end, took: millis.map(Duration::from_millis) })
            .collect();
        insta::assert_snapshot!([lines("step", &rows).join("\n"), counts("step", &rows)].join("\n\n"), @"
        step        result   seconds
        format      passed       0.4
        programs    passed       0.0  built elsewhere
        hygiene     passed       0.0  1 long file
        advisories  not run        -  needs the network
        lints       FAILED     101.2  exit status: 101
        demo        stopped      2.0  in the middle of cargo run
        tests       not run        -  an earlier step failed

        3 steps passed, 1 failed, 1 stopped, 2 not run
        ");
    }
}
