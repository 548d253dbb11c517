//! `cargo xtask demo`: builds the programs of the demo and becomes it.

use std::path::PathBuf;

use crate::console::Console;
use crate::doctor::Task;
use crate::engine::Engine;
use crate::error::Error;
use crate::infra;
use crate::runner::{Cmd, Runner};
use crate::workspace::Workspace;

/// The packages the demo starts or loads.
const PACKAGES: [&str; 4] = ["rds-iam-app", "rds-iam-bootstrap", "rds-iam-demo", "rds-iam-mysql-plugin"];

/// Where tests and the demo find the plugin that the server loads.
pub(crate) const PLUGIN_VARIABLE: &str = "RDS_IAM_MYSQL_PLUGIN";

/// What `cargo xtask demo` passes on.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Leave once the table stands, instead of staying up until Ctrl-C
    #[arg(long)]
    once: bool,
    /// Also write the table to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// First apply the Terraform stack to the AWS API on this machine, and run on what it left
    #[arg(long)]
    with_infra: bool,
    #[arg(
        long,
        value_enum,
        help = "What runs the database server [env: RDS_IAM_EMULATOR_ENGINE] [default: auto]"
    )]
    engine: Option<Engine>,
}

impl Demo {
    /// What runs the database server.
    ///
    /// # Errors
    /// When its variable says something that is not known.
    pub(crate) fn engine(&self) -> Result<Engine, Error> {
        Engine::or_from_env(self.engine)
    }

    /// What has to be on this machine before anything is built.
    pub(crate) fn tasks(&self) -> &'static [Task] {
        if self.with_infra { &[Task::Demo, Task::Infra] } else { &[Task::Demo] }
    }
}

/// Builds, then becomes `rds-iam-demo`: it gets the terminal, Ctrl-C and the exit status to itself,
/// so that nothing stands between a person and its clean end.
///
/// # Errors
/// When the build fails or the demo cannot be started; otherwise this does not return.
pub(crate) fn run(demo: &Demo, workspace: &Workspace, console: Console, runner: Runner) -> Result<(), Error> {
    if demo.with_infra {
        infra::prepare(workspace, console, runner)?;
    } else {
        let mut build =
            workspace.cargo(["build", "--locked"]).hint("the compiler's message above says what to mend");
        for package in PACKAGES {
            build = build.args(["--package", package]);
        }
        runner.run(&build)?;
    }
    // In the caller's own directory: that is what a relative FILE is relative to.
    let here = std::env::current_dir().map_err(|source| Error::File {
        action: "find",
        path: PathBuf::from("the current directory"),
        source,
    })?;
    Err(runner.become_program(&command(demo, demo.engine()?, workspace, &here)).into())
}

fn command(demo: &Demo, engine: Engine, workspace: &Workspace, here: &std::path::Path) -> Cmd {
    let binaries = workspace.target.join("debug");
    let mut cmd =
        Cmd::new(binaries.join("rds-iam-demo").display().to_string(), here, "cargo xtask demo builds it")
            .env(PLUGIN_VARIABLE, workspace.mysql_plugin("debug").display().to_string())
            .args(["--bin-dir".to_owned(), binaries.display().to_string()])
            .args(["--engine", engine.as_str()]);
    if demo.with_infra {
        // Not `current_exe`: the build before this may have replaced the file that runs.
        let own = workspace.target.join("debug/xtask");
        cmd = cmd.args(["--deploy".to_owned(), own.display().to_string()]);
    }
    if demo.once {
        cmd = cmd.args(["--once"]);
    }
    if let Some(file) = &demo.json {
        cmd = cmd.args(["--json".to_owned(), file.display().to_string()]);
    }
    cmd
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn flags_are_passed_on_with_where_the_binaries_are() {
        let workspace = Workspace { root: "/r".into(), target: "/t".into(), cache: "/c".into() };
        let demo = Demo { once: true, with_infra: false, json: Some("claims.json".into()), engine: None };
        insta::assert_snapshot!(
            command(&demo, Engine::Process, &workspace, Path::new("/")).shown(),
            @"RDS_IAM_MYSQL_PLUGIN=/t/debug/libAWSAuthenticationPlugin.so /t/debug/rds-iam-demo --bin-dir /t/debug --engine process --once --json claims.json"
        );
        let demo = Demo { with_infra: true, json: None, ..demo };
        assert!(
            command(&demo, Engine::Process, &workspace, Path::new("/"))
                .shown()
                .contains("--deploy /t/debug/xtask")
        );
    }
}
