//! Steps of `cargo xtask lint`: actionlint and zizmor check the GitHub workflows, hadolint the Dockerfiles. A
//! finding can be accepted only in the checked file.

use std::fs;
use std::path::{Path, PathBuf};

use rds_iam_process::console::{Console, Style};
use rds_iam_process::error::Error;
use rds_iam_process::runner::Runner;
use rds_iam_process::steps::Outcome;
use rds_iam_process::tools::{self, Tool};
use rds_iam_process::workspace::Workspace;

const WORKFLOWS: &str = ".github/workflows";
/// The repository's own actions, which zizmor also checks; actionlint reads only workflows.
const ACTIONS: &str = ".github/actions";
const DOCKER: &str = "docker";

/// Checks the GitHub workflows: actionlint for their syntax and expressions, zizmor for their security.
///
/// # Errors
/// Returns an error if there is no workflow, a tool is missing, or a tool reports a finding.
pub fn workflows(workspace: &Workspace, console: Console, runner: Runner) -> Result<Outcome, Error> {
    let is_workflow =
        |path: &Path| path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    super::refuse_other_excuses(&workspace.root)?;
    let actions = if workspace.root.join(ACTIONS).is_dir() {
        files(&workspace.root, Path::new(ACTIONS), &is_workflow)?
    } else {
        Vec::new()
    };
    let files = files(&workspace.root, Path::new(WORKFLOWS), &is_workflow)?;
    let actionlint = tools::find_or_install_actionlint(workspace, console, runner)?;
    let zizmor = tools::find_or_install(Tool::Zizmor, workspace, console, runner)?;
    if actionlint.tool == Tool::ActionlintFork {
        let note = format!("{} {}: {}", actionlint.tool, actionlint.version, actionlint.tool.purpose());
        console.line(&console.paint(Style::Warning, &note));
    }
    let check = actionlint
        .cmd(&workspace.root)
        // Disabled because the result would depend on the installed tools; the workflows have no scripts to
        // check.
        .args(["-no-color", "-shellcheck=", "-pyflakes="])
        .args(files.iter().map(String::as_str))
        .hint("fix actionlint's findings");
    runner.run(&check)?;
    let check = zizmor
        .cmd(&workspace.root)
        .without(&["ZIZMOR_", "GH_TOKEN", "GITHUB_TOKEN"])
        .args(["--offline", "--no-progress", "--strict-collection", "--color=never"])
        .args(files.iter().chain(&actions).map(String::as_str))
        .hint(
            "fix zizmor's findings; an exception is a comment beside it: # zizmor: ignore[<audit>] <reason>",
        );
    runner.run(&check)?;
    console.line(&format!("{} workflows", files.len()));
    Ok(Outcome::Passed)
}

/// Checks the Dockerfiles with hadolint.
///
/// # Errors
/// Returns an error if there is no Dockerfile, hadolint is missing, or it reports a finding.
pub fn dockerfiles(workspace: &Workspace, console: Console, runner: Runner) -> Result<Outcome, Error> {
    let is_dockerfile = |path: &Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().split('.').next() == Some("Dockerfile"))
    };
    super::refuse_other_excuses(&workspace.root)?;
    let files = files(&workspace.root, Path::new(DOCKER), &is_dockerfile)?;
    let check = tools::find_or_install(Tool::Hadolint, workspace, console, runner)?
        .cmd(&workspace.root)
        .without(&["HADOLINT_"])
        .args(["--no-color"])
        .args(files.iter().map(String::as_str))
        .hint("fix hadolint's findings, or ignore one in place: # hadolint ignore=<id>, with a reason above");
    runner.run(&check)?;
    console.line(&format!("{} Dockerfiles", files.len()));
    Ok(Outcome::Passed)
}

/// Returns the `wanted` files in `folder` and below, as paths from the root.
fn files(root: &Path, folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    collect(root, folder, wanted, &mut found)?;
    found.sort();
    if found.is_empty() {
        return Err(Error::Found {
            found: format!("{} has nothing to check", folder.display()),
            help: "the files were moved: correct the path in xtask/checks/src/gates/lints.rs".to_owned(),
        });
    }
    Ok(found)
}

fn collect(
    root: &Path,
    folder: &Path,
    wanted: &dyn Fn(&Path) -> bool,
    found: &mut Vec<String>,
) -> Result<(), Error> {
    let failed = |source| Error::File { action: "read", path: root.join(folder), source };
    for entry in fs::read_dir(root.join(folder)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path: PathBuf = folder.join(entry.file_name());
        if entry.path().is_dir() {
            collect(root, &path, wanted, found)?;
        } else if wanted(&path) {
            found.push(path.display().to_string());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::{dockerfiles, workflows};
    use std::os::unix::fs::symlink;

    /// Creates a workspace with these files, and tools in its cache that end with the given status.
    fn workspace(files: &[&str], tools: &[(Tool, u8)]) -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let workspace = Workspace { root: at("root"), target: at("target"), cache: at("cache") };
        let write = |file: &Path| {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        };
        fs::create_dir_all(at("root")).unwrap();
        files.iter().for_each(|file| write(&workspace.root.join(file)));
        for (tool, status) in tools {
            let program = tools::place(*tool, &workspace);
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            stand_in(&program, "it says so", *status);
        }
        (folder, workspace)
    }

    /// Makes `file` a program that prints `says` and ends with `status` for any arguments.
    fn stand_in(file: &Path, says: &str, status: u8) {
        let script = rds_iam_process::workspace::root().join("xtask/process/src/tools/tests/stand-in.sh");
        symlink(script, file).unwrap();
        let beside = |suffix| format!("{}.{suffix}", file.display());
        fs::write(beside("says"), format!("{says}\n")).unwrap();
        fs::write(beside("status"), status.to_string()).unwrap();
    }

    fn run(
        step: fn(&Workspace, Console, Runner) -> Result<Outcome, Error>,
        files: &[&str],
        tools: &[(Tool, u8)],
    ) -> Result<Outcome, Error> {
        let (_folder, workspace) = workspace(files, tools);
        step(&workspace, Console::silent(), Runner::new(Console::silent()))
    }

    #[test]
    fn both_tools_have_to_like_the_workflows() {
        let files =
            [".github/workflows/ci.yml", ".github/workflows/deploy.yaml", ".github/workflows/README.md"];
        let tools = |actionlint, zizmor| [(Tool::Actionlint, actionlint), (Tool::Zizmor, zizmor)];
        assert_eq!(run(workflows, &files, &tools(0, 0)).unwrap(), Outcome::Passed);
        for tools in [tools(1, 0), tools(0, 14)] {
            let error = run(workflows, &files, &tools).unwrap_err();
            assert!(
                error.to_string().contains(".github/workflows/ci.yml .github/workflows/deploy.yaml"),
                "{error}"
            );
            assert!(error.to_string().ends_with("\n  | it says so"), "{error}");
        }
    }

    #[test]
    fn the_fork_stands_in_for_actionlint() {
        let tools = [(Tool::ActionlintFork, 0), (Tool::Zizmor, 0)];
        assert_eq!(run(workflows, &[".github/workflows/ci.yml"], &tools).unwrap(), Outcome::Passed);
        let tools = [(Tool::ActionlintFork, 1), (Tool::Zizmor, 0)];
        assert!(run(workflows, &[".github/workflows/ci.yml"], &tools).is_err());
    }

    #[test]
    fn dockerfiles_are_found_in_every_folder() {
        let files =
            ["docker/app/Dockerfile", "docker/bootstrap/Dockerfile.lambda", "docker/app/app.Dockerfile.md"];
        assert_eq!(run(dockerfiles, &files, &[(Tool::Hadolint, 0)]).unwrap(), Outcome::Passed);
        let error = run(dockerfiles, &files, &[(Tool::Hadolint, 1)]).unwrap_err();
        assert!(
            error.to_string().contains(" docker/app/Dockerfile docker/bootstrap/Dockerfile.lambda` failed"),
            "{error}"
        );
    }

    #[test]
    fn nothing_to_check_is_a_failure() {
        let error = run(dockerfiles, &["docker/README.md"], &[(Tool::Hadolint, 0)]).unwrap_err();
        insta::assert_snapshot!(error.report(), @r"
        error: docker has nothing to check
          help: the files were moved: correct the path in xtask/checks/src/gates/lints.rs
        ");
        assert!(matches!(run(workflows, &[], &[]).unwrap_err(), Error::File { .. }));
    }
}
