//! The output of a run while its stages run: a live list on a terminal, groups and annotations on GitHub Actions,
//! plain lines elsewhere.

use std::path::Path;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::stage::Stage;
use rds_iam_process::console::{Console, Log, Style, annotation};
use rds_iam_process::error::Error;
use rds_iam_process::runner::RunError;
use rds_iam_process::summary::End;

/// The number of a failed stage's last lines that are shown.
const TAIL: usize = 25;

/// Shows a run.
pub(crate) struct Show {
    console: Console,
    live: Option<Live>,
}

/// The list on a terminal.
struct Live {
    all: MultiProgress,
    count: ProgressBar,
    running: Vec<Row>,
}

/// A running stage.
struct Row {
    name: &'static str,
    bar: ProgressBar,
    log: &'static Log,
}

impl Show {
    /// Creates the display for `stages` stages.
    pub(crate) fn new(console: Console, stages: usize) -> Self {
        // The output of a single stage is forwarded unchanged.
        let live = (console.is_live() && stages > 1).then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
            let count = all.add(ProgressBar::new(stages as u64));
            count.set_style(style("  {bar:24} {pos}/{len} stages, {elapsed}"));
            Live { all, count, running: Vec::new() }
        });
        Self { console, live }
    }

    /// Returns whether a stage's output goes straight to the terminal: only if it is the only stage.
    pub(crate) fn streams(&self, single: bool) -> bool {
        single
    }

    pub(crate) fn started(&mut self, stage: &'static Stage, log: &'static Log) {
        match &mut self.live {
            Some(live) => {
                let bar = live.all.insert_before(&live.count, ProgressBar::new_spinner());
                bar.set_style(style("{spinner} {prefix:13} {elapsed:>4}  {wide_msg}"));
                bar.set_prefix(stage.name);
                live.running.push(Row { name: stage.name, bar, log });
            }
            None => self.console.line(&format!("{:13} started", stage.name)),
        }
    }

    /// Updates the list.
    pub(crate) fn tick(&mut self) {
        let Some(live) = &mut self.live else { return };
        for row in &live.running {
            row.bar.set_message(row.log.last_line());
            row.bar.tick();
        }
        live.count.tick();
    }

    pub(crate) fn finish(&mut self, stage: &'static Stage, end: &End, took: Duration, log: &Path) {
        let seconds = took.as_secs_f64();
        // A stage that was stopped with another one needs no note: the other stage's error explains it.
        let note = if end.passed() || end.failed() { end.note() } else { String::new() };
        let line = format!("{:13} {:7} {seconds:>6.1} s  {note}", stage.name, end.label());
        let line = self.console.paint(end.style(), line.trim_end());
        if let Some(live) = &mut self.live {
            if let Some(at) = live.running.iter().position(|row| row.name == stage.name) {
                let row = live.running.remove(at);
                row.bar.finish_and_clear();
            }
            live.count.inc(1);
        }
        self.line(&line);
        if self.console.is_github() {
            self.group(stage, log);
        }
        if let End::Failed(error) = end {
            self.failure(stage, error, log);
        }
    }

    /// Restores the terminal.
    pub(crate) fn end(&mut self) {
        if let Some(live) = self.live.take() {
            live.count.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.live {
            Some(live) => live.all.suspend(|| self.console.line(text)),
            None => self.console.line(text),
        }
    }

    /// Prints the whole log of a stage as a collapsed group.
    fn group(&self, stage: &Stage, log: &Path) {
        let _group = self.console.group(stage.name);
        // A log that can't be read was either shown live, or its stage failed and reports that.
        for line in std::fs::read_to_string(log).unwrap_or_default().lines() {
            self.console.line(line);
        }
    }

    fn failure(&self, stage: &Stage, error: &Error, log: &Path) {
        // The end of a command's output is already in its error.
        let shown = matches!(error, Error::Run(RunError::Failed { .. }));
        if self.console.is_github() {
            self.console.line(&annotation(stage.name, &error.to_string(), error.help()));
        } else if !shown {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(TAIL)..] {
                self.line(&format!("  | {line}"));
            }
        }
        self.line(&self.console.paint(Style::Bad, &error.report()));
        self.line(&format!("  its log: {}", log.display()));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
