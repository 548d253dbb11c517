//! The tools that check and deploy: their versions, and their paths on this machine.
//!
//! Tools of the tests are installed if missing. The pipeline's scanners are not: a missing one fails the stage that
//! needs it, with the command that installs it.

mod cargo_deny;
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

pub use cargo_deny::{CARGO_DENY_VERSION, cargo_deny, cargo_deny_help, find_cargo_deny};
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
    /// All of them, in the order in which they are listed.
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

    /// Its name on the command line and in `xtask/process/tools.toml`.
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

    /// Returns the file that is started.
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

/// A tool that this machine has.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub tool: Tool,
    /// Its absolute path, or that of what runs it.
    pub program: String,
    /// The first arguments of `program`: `-m checkov.main` where a Python runs it.
    args: Vec<String>,
    /// Its version.
    pub version: String,
}

impl Found {
    /// Returns a command of this tool in `dir`.
    pub fn cmd(&self, dir: &Path) -> Cmd {
        Cmd::new(&self.program, dir, self.tool.help()).args(self.args.iter().map(String::as_str))
    }
}

/// Where a tool of the right version is: in the cache, else on `PATH`.
///
/// # Errors
/// Returns an error if it is in neither place, or `PATH` has another version; the help installs it.
pub fn find(tool: Tool, workspace: &Workspace, runner: Runner) -> Result<Found, Error> {
    find_in(tool, workspace, std::env::var_os("PATH").as_deref(), runner)
}

/// Returns a tool of `cargo xtask lint`, installed if missing: a first run of the tests finds
/// none of them.
///
/// # Errors
/// Returns an error if it can't be fetched; the help says what else will do.
pub fn find_or_install(
    tool: Tool,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<Found, Error> {
    find(tool, workspace, runner).or_else(|_| install::install(tool, workspace, console, runner))
}

/// actionlint; or else its fork, where that was installed instead or GitHub can't be reached, which is said.
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
    /// One that is on this machine.
    Here(Found),
    /// actionlint, to be installed.
    Original,
    /// Its fork, to be installed; and why.
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

/// Checks that the archive of actionlint can be reached.
fn github(workspace: &Workspace, runner: Runner) -> Result<(), String> {
    reach_release(Tool::Actionlint, workspace, runner)
}

/// Checks that a tool's release archive can be reached.
///
/// # Errors
/// The reason, where it can't.
pub fn reach_release(tool: Tool, workspace: &Workspace, runner: Runner) -> Result<(), String> {
    match pins::pin(tool).source() {
        Source::Release(Some(archive)) => reach::release(&archive.url, workspace, runner),
        Source::Release(None) => Err(format!("no archive of {tool} is pinned for {}", pins::platform())),
        Source::Python(_) => reach::python_index(workspace, runner),
    }
}

/// Installs, where they are not here yet, the tools that the steps of `cargo xtask test` take.
///
/// # Errors
/// Returns an error if one can't be fetched.
pub fn install_for_tests(workspace: &Workspace, console: Console, runner: Runner) -> Result<(), Error> {
    find_or_install_actionlint(workspace, console, runner)?;
    for tool in [Tool::Zizmor, Tool::Hadolint] {
        find_or_install(tool, workspace, console, runner)?;
    }
    checkov(workspace, console, runner)?;
    find_or_install(Tool::Terraform, workspace, console, runner)?;
    cargo_deny(workspace, console, runner).map(drop)
}

/// Those of the tools of `cargo xtask test` that are not on this machine, Terraform and cargo-deny aside. actionlint is
/// one where its fork is not here either.
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

/// Terraform's program: that in the cache, or else whichever is on `PATH`.
pub fn terraform_program(workspace: &Workspace) -> String {
    in_cache(Tool::Terraform, workspace).map_or_else(|| "terraform".to_owned(), |found| found.program)
}

/// Returns the tool as it will be once it is installed: for showing its commands where it need not be here yet.
pub fn assumed(tool: Tool, workspace: &Workspace) -> Found {
    found_in(tool, &folder(tool, workspace))
}

/// Returns the path where `tool`'s program is searched in the cache.
pub fn place(tool: Tool, workspace: &Workspace) -> PathBuf {
    folder(tool, workspace).join(tool.program())
}

/// Returns another program in a tool's place, for tests.
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

/// Returns the tool in the cache. Not asked for its version: its folder is named after what was pinned, was
/// moved there whole, and the version was asked for then.
fn in_cache(tool: Tool, workspace: &Workspace) -> Option<Found> {
    Some(assumed(tool, workspace)).filter(|found| Path::new(&found.program).is_file())
}

/// Returns the tool in a folder that it was installed in.
fn found_in(tool: Tool, folder: &Path) -> Found {
    let (program, args): (_, &[&str]) = if tool == Tool::Checkov {
        // As a module: the script that pip wrote names the folder it was installed in.
        (python::interpreter(folder), &["-I", "-m", "checkov.main"])
    } else if tool == Tool::CargoZigbuild {
        (folder.join("bin").join(tool.program()), &[])
    } else {
        (folder.join(tool.program()), &[])
    };
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    Found { tool, program: program.display().to_string(), args, version: tool.version().to_owned() }
}

/// Returns the folder in the cache that has the tool, or will. Another hash of the same version is another
/// folder.
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

/// Returns the first file of that name in the folders of `path`, as an absolute path.
fn on_path(program: &str, path: &OsStr) -> Option<String> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .map(|file| file.display().to_string())
}

/// Queries a tool's version: the first word of its output in the form of one.
fn ask_version(found: &Found, workspace: &Workspace, runner: Runner) -> Result<String, Error> {
    let cmd = found.cmd(&workspace.root).args(["--version"]).hint(found.tool.help());
    let printed = runner.ask(&cmd)?;
    version_in(&printed).map(str::to_owned).ok_or_else(|| Error::Answer {
        command: cmd.shown(),
        what: format!("no version in {:?}", printed.lines().next().unwrap_or_default()),
    })
}

/// `1.2.3` of "tool version 1.2.3", "Tool v1.2.3", "Version: 1.2.3".
fn version_in(printed: &str) -> Option<&str> {
    printed.split_whitespace().map(|word| word.strip_prefix('v').unwrap_or(word)).find(|word| {
        let mut parts = word.split('.');
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty();
        parts.next().is_some_and(number) && parts.next().is_some_and(number) && parts.next().is_some()
    })
}

#[cfg(test)]
mod tests;
