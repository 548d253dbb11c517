//! Tests of tools on simulated machines: a separate cache and `PATH`, and shell scripts as programs.

use std::fs;
use std::os::unix::fs::symlink;

use super::install::install_from;
use super::*;
use crate::console::Console;

/// A workspace with an empty cache, and a folder on `PATH`.
struct Machine {
    _folder: tempfile::TempDir,
    workspace: Workspace,
    bin: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (cache, bin) = (folder.path().join("cache"), folder.path().join("bin"));
        fs::create_dir_all(&bin).unwrap();
        let workspace =
            Workspace { root: crate::workspace::root(), target: folder.path().join("target"), cache };
        Self { _folder: folder, workspace, bin }
    }

    /// Creates a program on `PATH` that prints `says` for any arguments.
    fn program(&self, name: &str, says: &str) {
        stand_in(&self.bin.join(name), says, 0);
    }

    fn find(&self, tool: Tool) -> Result<Found, Error> {
        find_in(tool, &self.workspace, Some(self.bin.as_os_str()), runner())
    }

    /// Returns the report of a failure, without this machine's folders.
    fn report(&self, error: &Error) -> String {
        let report = error.report().replace(&self.bin.display().to_string(), "BIN");
        let report = report.replace(&self.workspace.root.display().to_string(), "ROOT");
        report.replace(&self.workspace.cache.display().to_string(), "CACHE")
    }

    fn install(&self, tool: Tool, archive: &[u8]) -> Result<Found, Error> {
        install_from(tool, &self.workspace, Console::silent(), runner(), &|_, to| {
            fs::write(to, archive).unwrap();
            Ok(())
        })
    }

    fn in_tools(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(tools_folder(&self.workspace))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn runner() -> Runner {
    Runner::new(Console::silent())
}

/// Makes `file` a program that prints `says` and ends with `status` for any arguments.
fn stand_in(file: &Path, says: &str, status: u8) {
    let script = crate::workspace::root().join("xtask/process/src/tools/tests/stand-in.sh");
    drop(fs::remove_file(file));
    symlink(script, file).unwrap();
    let beside = |suffix| format!("{}.{suffix}", file.display());
    fs::write(beside("says"), format!("{says}\n")).unwrap();
    fs::write(beside("status"), status.to_string()).unwrap();
}

#[test]
fn a_tool_that_is_nowhere_fails_with_the_command_that_installs_it() {
    let machine = Machine::new();
    insta::assert_snapshot!(machine.report(&machine.find(Tool::Tflint).unwrap_err()), @r"
    error: tflint 0.64.0 is not on this machine: neither in CACHE/tools/tflint-0.64.0-cca9d13e2e1d nor on PATH
      help: cargo xtask tools install tflint
    ");
    insta::assert_snapshot!(Tool::Actionlint.help(), @"cargo xtask tools install actionlint; where GitHub cannot be reached, cargo xtask tools install actionlint-fork");
}

#[test]
fn another_version_on_path_is_not_used() {
    let machine = Machine::new();
    machine.program("trivy", "Version: 0.69.4");
    insta::assert_snapshot!(machine.report(&machine.find(Tool::Trivy).unwrap_err()), @r"
    error: BIN/trivy is trivy 0.69.4; this workspace is checked with 0.75.0
      help: cargo xtask tools install trivy
    ");
    machine.program("terraform", "Terraform v1.10.5");
    insta::assert_snapshot!(machine.report(&machine.find(Tool::Terraform).unwrap_err()), @r"
    error: BIN/terraform is terraform 1.10.5; this workspace is checked with 1.11 or later
      help: cargo xtask tools install terraform
    ");
}

#[test]
fn a_program_that_tells_no_version_is_not_used() {
    let machine = Machine::new();
    machine.program("trivy", "hello");
    insta::assert_snapshot!(machine.report(&machine.find(Tool::Trivy).unwrap_err()), @r#"error: `BIN/trivy --version` printed something unexpected: no version in "hello""#);
    stand_in(&machine.bin.join("tflint"), "broken", 3);
    insta::assert_snapshot!(machine.report(&machine.find(Tool::Tflint).unwrap_err()), @r"
    error: `BIN/tflint --version` failed in ROOT: exit status: 3
      | broken
      help: cargo xtask tools install tflint
    ");
}

#[test]
fn the_pinned_version_on_path_is_used_and_of_terraform_any_newer_one() {
    let machine = Machine::new();
    machine.program("tflint", "TFLint version 0.64.0\n+ ruleset.terraform (0.15.0-bundled)");
    machine.program("terraform", "Terraform v1.16.5\non linux_amd64");
    for (tool, version) in [(Tool::Tflint, "0.64.0"), (Tool::Terraform, "1.16.5")] {
        let found = machine.find(tool).unwrap();
        assert_eq!((found.program, found.version.as_str()), on_machine(&machine, tool, version));
    }
}

fn on_machine<'a>(machine: &Machine, tool: Tool, version: &'a str) -> (String, &'a str) {
    (machine.bin.join(tool.name()).display().to_string(), version)
}

#[test]
fn the_fork_is_not_taken_from_path_where_it_has_the_originals_name() {
    let machine = Machine::new();
    machine.program("actionlint", Tool::ActionlintFork.version());
    assert!(machine.find(Tool::ActionlintFork).is_err());
}

#[test]
fn the_fork_is_installed_only_where_nothing_is_here_and_github_is_out_of_reach() {
    let machine = Machine::new();
    let here = |tool| Some(assumed(tool, &machine.workspace));
    let nowhere = || machine.find(Tool::Actionlint);
    let unreachable = || Err("curl: (6) Could not resolve host: github.com".to_owned());
    let not_asked = || panic!("GitHub is asked although a tool is here");
    let chosen = |linter| match linter {
        Linter::Here(found) => format!("{} that is here", found.tool),
        Linter::Original => "actionlint, installed".to_owned(),
        Linter::Fork(why) => format!("the fork, installed, for {why}"),
    };
    let found = assumed(Tool::Actionlint, &machine.workspace);
    assert_eq!(chosen(choose(Ok(found), here(Tool::ActionlintFork), not_asked)), "actionlint that is here");
    assert_eq!(
        chosen(choose(nowhere(), here(Tool::ActionlintFork), not_asked)),
        "actionlint-fork that is here"
    );
    assert_eq!(chosen(choose(nowhere(), None, || Ok(()))), "actionlint, installed");
    assert_eq!(
        chosen(choose(nowhere(), None, unreachable)),
        "the fork, installed, for curl: (6) Could not resolve host: github.com"
    );
}

#[test]
fn the_cache_comes_before_path() {
    let machine = Machine::new();
    machine.program("zizmor", "zizmor 0.1.0");
    let place = folder(Tool::Zizmor, &machine.workspace);
    fs::create_dir_all(&place).unwrap();
    stand_in(&place.join("zizmor"), "zizmor 1.32.0", 0);
    let found = machine.find(Tool::Zizmor).unwrap();
    assert_eq!(found.program, place.join("zizmor").display().to_string());
}

#[test]
fn the_version_is_the_first_word_that_looks_like_one() {
    for (printed, version) in [
        ("Terraform v1.11.4\non linux_amd64\n", "1.11.4"),
        ("TFLint version 0.64.0\n", "0.64.0"),
        ("Version: 0.75.0\nVulnerability DB:\n  Version: 2\n", "0.75.0"),
        ("3.3.30\n", "3.3.30"),
        ("Haskell Dockerfile Linter 2.15.1\n", "2.15.1"),
        ("1.7.12\ninstalled by downloading from release page\nbuilt with go1.26.1 compiler\n", "1.7.12"),
        ("actionlint.kjanat.dev 1.17.0\n", "1.17.0"),
        ("zizmor 1.32.0\n", "1.32.0"),
        ("Terraform v1.14.0-beta1\n", "1.14.0-beta1"),
    ] {
        assert_eq!(version_in(printed), Some(version));
    }
    assert_eq!(version_in("version 2"), None);
    assert_eq!(version_in(""), None);
}

#[test]
fn an_archive_that_is_not_the_pinned_file_is_not_looked_into_and_nothing_stays() {
    let machine = Machine::new();
    let error = machine.install(Tool::Trivy, b"something else").unwrap_err();
    insta::assert_snapshot!(machine.report(&error), @r"
    error: https://github.com/aquasecurity/trivy/releases/download/v0.75.0/trivy_0.75.0_Linux-64bit.tar.gz is not the file that is pinned: its SHA-256 is f41f3fa625ff120ddca7ef456bf66371ecea23c129f4e4c32367101edb516cf8, not c6e65abddb348e25f10549df887045629cf28cc72453cd1c63acb717316b3f3f
      help: try again; if it stays so, the release was changed after it was published: find out why before anything in xtask/process/tools.toml changes
    ");
    assert_eq!(machine.in_tools(), ["trivy.lock"]);
}

#[test]
fn a_download_that_fails_leaves_nothing() {
    let machine = Machine::new();
    let error = install_from(Tool::Tflint, &machine.workspace, Console::silent(), runner(), &|_, to| {
        fs::write(to, "half").unwrap();
        Err(Error::Found { found: "the connection broke".into(), help: "try again".into() })
    });
    assert_eq!(error.unwrap_err().to_string(), "the connection broke");
    assert_eq!(machine.in_tools(), ["tflint.lock"]);
}

#[test]
fn what_an_interrupted_installation_left_is_removed() {
    let machine = Machine::new();
    let left = tools_folder(&machine.workspace).join("trivy.unfinished");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("trivy"), "half").unwrap();
    assert!(machine.install(Tool::Trivy, b"").is_err());
    assert_eq!(machine.in_tools(), ["trivy.lock"]);
}

#[test]
fn nothing_but_https_is_downloaded_from() {
    let machine = Machine::new();
    let cmd =
        release::download(Tool::Trivy, "https://host/tool.zip", Path::new("/to/file"), &machine.workspace);
    insta::assert_snapshot!(cmd.shown(), @"curl --fail --location --proto =https --proto-redir =https --silent --show-error --retry 3 --output /to/file https://host/tool.zip");
}

#[test]
fn the_command_line_has_the_names_of_the_table() {
    for tool in Tool::ALL {
        assert_eq!(Tool::from_str(tool.name(), false), Ok(tool));
    }
    assert_eq!(Tool::value_variants(), Tool::ALL);
}
