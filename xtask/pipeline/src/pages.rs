//! Tests that each command of `cargo xtask` on a page for people is one that this program accepts: tasks, options, stages
//! and environments.

use std::fs;
use std::path::Path;

use clap::Parser as _;

use crate::args::Options;
use crate::cli::{Cli, Task};
use crate::stages;
use rds_iam_checks::pages::{Block, Command, blocks};
use rds_iam_process::workspace;

/// The tasks that `xtask` itself runs.
const OF_XTASK: [&str; 4] = ["bench", "demo", "fmt", "help"];

/// Names in prose that the reader replaces.
const PLACEHOLDERS: [&str; 4] = ["E", "ENV", "STAGE", "NAME"];

/// Returns the pages below a folder of the workspace, by path.
fn pages(folder: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.strip_prefix(workspace::root()).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Returns the arguments of a command of this program.
fn arguments(Command { words, .. }: &Command) -> Option<&[String]> {
    let arguments = words.strip_prefix(&["cargo".to_owned(), "xtask".to_owned()])?;
    (!arguments.is_empty() && !OF_XTASK.contains(&arguments[0].as_str())).then_some(arguments)
}

/// Returns the options of a task that name an environment or stages.
fn named(task: Task) -> (Vec<String>, Vec<String>) {
    let (environments, options) = match task {
        Task::Ci { options } => (Vec::new(), options),
        Task::Deploy { environment, options, .. }
        | Task::Rollback { environment, options }
        | Task::Destroy { environment, options, .. } => (environment.env.into_iter().collect(), options),
        Task::Promote { from, to, only, report, .. } => {
            (from.into_iter().chain(to).collect(), Options::from_only(only, report))
        }
        Task::Stage(stage) => (stage.args.env.into_iter().collect(), stage.args.report.into()),
        _ => return (Vec::new(), Vec::new()),
    };
    let selection = options.selection;
    let stages =
        selection.only.into_iter().chain(selection.skip).chain(selection.from).chain(selection.until);
    (environments, stages.collect())
}

#[test]
fn the_program_accepts_the_commands_of_the_pages() {
    let mut found = Vec::new();
    pages(&workspace::root(), &mut found);
    let mut accepted = 0;
    for (page, text) in &found {
        for command in blocks(text).iter().flat_map(Block::commands) {
            let Some(arguments) = arguments(&command) else { continue };
            let place = format!("{page}:{}: {}", command.line, command.words.join(" "));
            let words = ["cargo xtask"].into_iter().chain(arguments.iter().map(String::as_str));
            let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{place}: {error}"));
            let (environments, stages) = named(cli.task);
            for environment in environments.iter().filter(|name| !PLACEHOLDERS.contains(&name.as_str())) {
                let file = format!("terraform/stacks/service/environments/{environment}.tfvars");
                assert!(workspace::root().join(&file).is_file(), "{place}: there is no {file}");
            }
            for stage in stages {
                assert!(stages::find(&stage).is_some(), "{place}: there is no stage {stage}");
            }
            accepted += 1;
        }
    }
    assert!(accepted > 30, "only {accepted} commands were found");
}
