//! `cargo xtask tools`: lists the installed and missing tools, and installs them.

use clap::{Args, Subcommand};

use super::install::install;
use super::{Found, Tool, ask_version, find, folder};
use crate::console::{Console, Style, table};
use crate::error::Error;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// An action on the tools; without one, they are listed.
#[derive(Debug, Args)]
pub struct Tools {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch tools at their pinned versions into the cache
    Install {
        /// Tools to install into the cache; without names, all missing ones
        names: Vec<Tool>,
    },
}

/// One tool on this machine, for a table of requirements.
#[derive(Debug)]
pub struct Row {
    /// The tool.
    pub tool: Tool,
    /// The version and the path; `None` if the tool cannot be used.
    pub found: Option<String>,
    /// The reason why the tool cannot be used.
    pub problem: Option<String>,
    /// Whether a task fails without the tool.
    pub required: bool,
    /// The command that installs the tool.
    pub help: String,
}

/// Lists the tools, or installs some. Returns false if a required tool is missing or could not be installed.
///
/// # Errors
/// None: a failure is reported beside its tool, and the others continue.
pub fn run(tools: &Tools, workspace: &Workspace, console: Console, runner: Runner) -> Result<bool, Error> {
    match &tools.action {
        None => Ok(list(workspace, console, runner)),
        Some(Action::Install { names }) => Ok(install_all(names, workspace, console, runner)),
    }
}

/// Returns the state of each tool on this machine.
pub fn rows(workspace: &Workspace, runner: Runner) -> Vec<Row> {
    let found = Tool::ALL
        .map(|tool| (tool, find(tool, workspace, runner).and_then(|it| checked(it, workspace, runner))));
    let has_fork = found.iter().any(|(tool, found)| *tool == Tool::ActionlintFork && found.is_ok());
    let row = |(tool, found): (Tool, Result<Found, Error>)| Row {
        tool,
        problem: found.as_ref().err().map(Error::to_string),
        found: found.ok().map(|it| format!("{} ({})", it.version, it.program)),
        required: match tool {
            Tool::ActionlintFork => false,
            Tool::Actionlint => !has_fork,
            _ => true,
        },
        help: tool.help(),
    };
    found.map(row).into()
}

/// Also queries the version of a tool in the cache, which [`find`] trusts.
fn checked(found: Found, workspace: &Workspace, runner: Runner) -> Result<Found, Error> {
    let version = ask_version(&found, workspace, runner)?;
    if version == found.version {
        return Ok(found);
    }
    Err(Error::Found {
        found: format!("{} says that it is {version}, not {}", found.program, found.version),
        help: format!("remove {} and run {}", folder(found.tool, workspace).display(), found.tool.help()),
    })
}

fn list(workspace: &Workspace, console: Console, runner: Runner) -> bool {
    let rows = rows(workspace, runner);
    for (number, line) in lines(&rows).iter().enumerate() {
        let style = match number.checked_sub(1).and_then(|row| rows.get(row)) {
            None if number == 0 => Style::Heading,
            None => Style::Quiet,
            Some(Row { found: Some(_), .. }) => Style::Good,
            Some(row) if !row.required => Style::Warning,
            Some(_) => Style::Bad,
        };
        console.line(&console.paint(style, line));
    }
    !rows.iter().any(is_missing)
}

fn is_missing(row: &Row) -> bool {
    row.found.is_none() && row.required
}

fn lines(rows: &[Row]) -> Vec<String> {
    let cells: Vec<[String; 4]> = rows
        .iter()
        .map(|row| {
            let state = match (&row.found, row.required) {
                (Some(_), _) => "present",
                (None, true) => "MISSING",
                (None, false) => "optional",
            };
            let what = row.found.clone().unwrap_or_else(|| row.tool.purpose().to_owned());
            [row.tool.to_string(), row.tool.version().to_owned(), state.to_owned(), what]
        })
        .collect();
    let mut lines = table(["tool", "pinned", "state", ""], &cells);
    lines.push(String::new());
    for row in rows.iter().filter(|row| is_missing(row)) {
        lines.push(row.problem.clone().unwrap_or_default());
        lines.push(format!("  help: {}", row.help));
    }
    if !rows.iter().any(is_missing) {
        lines.push("Nothing that is needed is missing.".to_owned());
    }
    lines
}

fn install_all(names: &[Tool], workspace: &Workspace, console: Console, runner: Runner) -> bool {
    let missing = || rows(workspace, runner).into_iter().filter(is_missing).map(|row| row.tool).collect();
    let wanted: Vec<Tool> = if names.is_empty() { missing() } else { names.to_vec() };
    let mut done = true;
    for tool in wanted {
        match install(tool, workspace, console, runner) {
            Ok(found) => {
                let line = format!("{tool} {} is here: {}", found.version, found.program);
                console.line(&console.paint(Style::Good, &line));
            }
            Err(error) => {
                done = false;
                console.line(&console.paint(Style::Bad, &error.report()));
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_missing_tools_and_how_to_install_them() {
        let here = |tool: Tool| Row {
            tool,
            found: Some(format!("{} (/cache/{tool})", tool.version())),
            problem: None,
            required: tool != Tool::ActionlintFork,
            help: tool.help(),
        };
        let mut rows: Vec<Row> = [Tool::Terraform, Tool::Actionlint, Tool::Zizmor].map(here).into();
        rows.push(Row { found: None, problem: Some("not here".into()), ..here(Tool::ActionlintFork) });
        insta::assert_snapshot!(lines(&rows).join("\n"), @r"
        tool             pinned  state
        terraform        1.11.4  present   1.11.4 (/cache/terraform)
        actionlint       1.7.12  present   1.7.12 (/cache/actionlint)
        zizmor           1.32.0  present   1.32.0 (/cache/zizmor)
        actionlint-fork  1.17.0  optional  replaces actionlint where GitHub's releases cannot be reached; a fork of it

        Nothing that is needed is missing.
        ");
        rows.push(Row {
            found: None,
            problem: Some("tflint 0.64.0 is not here".into()),
            ..here(Tool::Tflint)
        });
        insta::assert_snapshot!(lines(&rows)[5..].join("\n"), @r"
        tflint           0.64.0  MISSING   finds mistakes in the Terraform code that a plan would not show

        tflint 0.64.0 is not here
          help: cargo xtask tools install tflint
        ");
        assert!(rows.iter().any(is_missing));
    }
}
