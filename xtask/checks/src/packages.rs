//! Steps for the crates that are published: each combination of their features compiles, and each package compiles
//! from what would be uploaded.

use xshell::cmd;

use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::steps::{Outcome, Step};
use rds_iam_process::tools::CARGO_HACK;
use rds_iam_process::workspace::{CARGO_HELP, Workspace};

/// The crates that are published.
const PUBLISHED: [&str; 3] = ["rds-iam-roots", "rds-iam-sqlx", "rds-iam-token"];

/// Returns the steps.
pub(crate) fn steps(workspace: &Workspace, console: Console, runner: Runner) -> [Step<'_>; 2] {
    [
        Step::new("features", move || features(workspace, console, runner)),
        Step::new("packages", move || packages(workspace, runner)),
    ]
}

/// Runs clippy on each combination of features: in the build of the workspace, each crate has all features that any
/// other crate asks for.
fn features(workspace: &Workspace, console: Console, runner: Runner) -> Result<Outcome, Error> {
    let program = CARGO_HACK.find_or_build(workspace, console, runner)?;
    let shell = workspace.shell();
    let (connector, others): (Vec<_>, Vec<_>) =
        PUBLISHED.into_iter().partition(|name| *name == "rds-iam-sqlx");
    // The connector needs an engine.
    let with_engine = vec!["--exclude-no-default-features", "--at-least-one-of=mysql,postgres"];
    for (packages, limits) in [(others, vec![]), (connector, with_engine)] {
        let packages: Vec<_> = packages.iter().map(|name| format!("--package={name}")).collect();
        let check = cmd!(
            shell,
            "{program} hack clippy --locked --feature-powerset {packages...} {limits...} -- -D warnings"
        );
        let check = Cmd::from_xshell(check, CARGO_HACK.help());
        runner
            .run(&check.hint("run `cargo clippy` with the package and the features that are named above"))?;
    }
    Ok(Outcome::Passed)
}

/// Builds the packages and compiles each from its own files, as a user would. Nothing is uploaded.
fn packages(workspace: &Workspace, runner: Runner) -> Result<Outcome, Error> {
    let shell = workspace.shell();
    // A new folder: cargo keeps the sources of a package by the folder and the version, also when they have changed.
    let parent = &workspace.target;
    let folder = tempfile::Builder::new().prefix("packages-").tempdir_in(parent);
    let folder = folder.map_err(|source| Error::File { action: "make", path: parent.clone(), source })?;
    let target = folder.path();
    // The working tree is checked, as by all steps. A release is made without --allow-dirty.
    let publish =
        cmd!(shell, "cargo publish --dry-run --workspace --locked --allow-dirty --target-dir {target}");
    let publish = Cmd::from_xshell(publish, CARGO_HELP);
    runner.run(&publish.hint("`include` in the manifest lists what is in the package"))?;
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rds_iam_process::workspace;

    use super::*;

    #[test]
    fn the_published_crates_are_those_whose_manifests_say_so() {
        let mut published = Vec::new();
        for entry in fs::read_dir(workspace::root().join("crates")).unwrap() {
            let manifest = entry.unwrap().path().join("Cargo.toml");
            let Ok(text) = fs::read_to_string(&manifest) else { continue };
            let manifest: toml::Table = toml::from_str(&text).unwrap();
            let package = &manifest["package"];
            if package["publish"].as_bool() == Some(true) {
                published.push(package["name"].as_str().unwrap().to_owned());
            }
        }
        published.sort();
        assert_eq!(published, PUBLISHED);
    }
}
