//! `cargo xtask demo`: builds the demo's programs and replaces itself with the demo.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use xshell::cmd;

use crate::cli::Demo;
use crate::pipeline;
use crate::workspace::{SERVER_LIBRARY_PACKAGES, Workspace, plain, server_libraries};

/// The packages whose programs the demo starts, and its own.
const PACKAGES: [&str; 3] = ["rds-iam-app", "rds-iam-bootstrap", "rds-iam-demo"];

/// Builds the programs, then replaces this process with `rds-iam-demo`: the demo gets the terminal, Ctrl-C
/// and the exit status, so that no other process interferes with its clean exit.
///
/// # Errors
/// Returns an error if the build fails or the demo cannot be started. The exit status is the preflight's, if
/// it found something missing; otherwise this does not return.
pub(crate) fn run(demo: &Demo, workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let prepared = pipeline::command(workspace, &preparation(demo))?.status().context("starting cargo")?;
    if !prepared.success() {
        // A process that a signal ended has no status; shells report 130 for Ctrl-C.
        let status = prepared.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(130);
        return Ok(ExitCode::from(status));
    }
    if !demo.with_infra {
        let shell = workspace.shell()?;
        let packages =
            PACKAGES.iter().chain(&SERVER_LIBRARY_PACKAGES).flat_map(|package| ["--package", package]);
        plain(cmd!(shell, "cargo build --locked {packages...}")).run()?;
    }
    let binaries = workspace.target()?.join("debug");
    let shell = workspace.shell_here()?;
    let (program, words) = (binaries.join("rds-iam-demo"), words(demo, &binaries));
    let mut command = Command::from(plain(cmd!(shell, "{program} {words...}")));
    command.envs(server_libraries(&binaries));
    Err(anyhow::Error::new(command.exec()).context(format!("starting {}", program.display())))
}

/// Returns the arguments of the pipeline's program, which runs before the demo.
fn preparation(demo: &Demo) -> Vec<String> {
    let mut words = vec!["prepare-demo".to_owned()];
    words.extend(demo.with_infra.then(|| "--with-infra".to_owned()));
    words.extend(["--database".to_owned(), demo.database.clone()]);
    words.extend(demo.runtime.iter().flat_map(|runtime| ["--runtime".to_owned(), runtime.clone()]));
    words
}

/// Returns the arguments of the demo.
fn words(demo: &Demo, binaries: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["--bin-dir".into(), binaries.into()];
    let mut option = |name: &str, value: OsString| words.extend([name.into(), value]);
    if let Some(runtime) = &demo.runtime {
        option("--runtime", runtime.into());
    }
    option("--database", demo.database.clone().into());
    if demo.with_infra {
        option("--deploy", binaries.join("rds-iam-pipeline").into());
    }
    if let Some(file) = &demo.json {
        option("--json", file.into());
    }
    words.extend(demo.once.then(|| "--once".into()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(demo: &Demo) -> String {
        words(demo, Path::new("/t/debug")).join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn flags_are_passed_on_with_where_the_binaries_are() {
        let demo = Demo {
            once: true,
            with_infra: false,
            json: Some("claims.json".into()),
            runtime: None,
            database: "postgres".to_owned(),
        };
        assert_eq!(shown(&demo), "--bin-dir /t/debug --database postgres --json claims.json --once");
        assert_eq!(preparation(&demo), ["prepare-demo", "--database", "postgres"]);
        let demo = Demo { with_infra: true, json: None, runtime: Some("process".to_owned()), ..demo };
        assert_eq!(
            shown(&demo),
            "--bin-dir /t/debug --runtime process --database postgres --deploy /t/debug/rds-iam-pipeline --once"
        );
        assert_eq!(
            preparation(&demo).join(" "),
            "prepare-demo --with-infra --database postgres --runtime process"
        );
    }
}
