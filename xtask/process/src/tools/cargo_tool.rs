//! cargo-deny and cargo-hack, each built into the cache if the machine does not have the pinned version.

use std::path::PathBuf;

use xshell::cmd;

use crate::console::{Console, Style};
use crate::error::Error;
use crate::file;
use crate::runner::{Cmd, Runner};
use crate::workspace::{CARGO_HELP, Workspace};

/// cargo-deny, of the version that `deny.toml` is written for.
pub const CARGO_DENY: CargoTool =
    CargoTool { name: "cargo-deny", version: "0.20.2", build_time: "about two minutes" };

/// cargo-hack, which checks each combination of features.
pub const CARGO_HACK: CargoTool =
    CargoTool { name: "cargo-hack", version: "0.6.46", build_time: "half a minute" };

/// A subcommand of cargo, pinned by version and built from its crate.
#[derive(Clone, Copy, Debug)]
pub struct CargoTool {
    name: &'static str,
    version: &'static str,
    /// The time of its build on two cores.
    build_time: &'static str,
}

impl CargoTool {
    /// Returns the name of its crate and program.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the pinned version.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// Returns the time that its build takes.
    pub fn build_time(&self) -> &'static str {
        self.build_time
    }

    /// Returns the help for an operator who prefers it on `PATH`.
    pub fn help(&self) -> String {
        format!("cargo install --locked --version {} {}", self.version, self.name)
    }

    /// Finds the pinned version on `PATH` or in the cache.
    pub fn find(&self, workspace: &Workspace, runner: Runner) -> Option<String> {
        let cached = self.cached(workspace).join("bin").join(self.name).display().to_string();
        let shell = workspace.shell();
        [self.name.to_owned(), cached].into_iter().find(|program| {
            // In cargo's form: not every subcommand answers without its own name.
            let subcommand = self.name.trim_start_matches("cargo-");
            let asked = Cmd::from_xshell(cmd!(shell, "{program} {subcommand} --version"), self.help());
            let wanted = format!("{} {}", self.name, self.version);
            runner.ask(&asked).is_ok_and(|version| version.trim() == wanted)
        })
    }

    /// Returns the program of the pinned version, and builds it into the cache if missing.
    ///
    /// # Errors
    /// Returns an error if it cannot be built.
    pub fn find_or_build(
        &self,
        workspace: &Workspace,
        console: Console,
        runner: Runner,
    ) -> Result<String, Error> {
        if let Some(program) = self.find(workspace, runner) {
            return Ok(program);
        }
        let Self { name, version, build_time } = *self;
        let root = self.cached(workspace);
        console.line(&console.paint(
            Style::Warning,
            &format!(
                "{name} {version} is not here yet: building it into {} (once; {build_time} on two cores)",
                root.display()
            ),
        ));
        // A fixed name: the next build reuses and removes the files of an interrupted one.
        let build = BuildFolder(workspace.cache.join("tmp").join(format!("{name}-{version}")));
        // It runs for a second: optimisation would cost many times more than it saves.
        let (shell, target) = (workspace.shell(), &build.0);
        let install = cmd!(
            shell,
            "cargo install --locked --version {version} {name} --root {root} --target-dir {target}"
        );
        let install = Cmd::from_xshell(install, CARGO_HELP)
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .hint(format!("the registry may be unreachable; with network: {}", self.help()));
        runner.run(&install)?;
        build.remove()?;
        Ok(root.join("bin").join(name).display().to_string())
    }

    fn cached(&self, workspace: &Workspace) -> PathBuf {
        workspace.cache.join("tools").join(format!("{}-{}", self.name, self.version))
    }
}

/// A folder that is removed when dropped; [`BuildFolder::remove`] reports an error instead.
struct BuildFolder(PathBuf);

impl BuildFolder {
    fn remove(&self) -> Result<(), Error> {
        file::remove_folder(&self.0)
    }
}

impl Drop for BuildFolder {
    fn drop(&mut self) {
        // An earlier failure is being returned, which is the one to report.
        drop(file::remove_folder(&self.0));
    }
}
