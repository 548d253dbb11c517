//! Tests of unusual machines and input: names and variables in any bytes, links, missing programs, Ctrl-C.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use super::test_repo::{Ended, TestRepo};

#[test]
fn output_is_kept_where_a_variable_is_not_utf_8() {
    let repo = TestRepo::new();
    let mut xtask = repo.xtask(&["validate"], &[("LEAK", "GREETING"), ("GREETING", "hello")]);
    let output = xtask.env("FOO", OsStr::from_bytes(b"\xff")).output().unwrap();
    Ended::of(&output).expect(0).assert_contains("leaked hello");
}

#[test]
fn a_new_file_with_any_name_is_part_of_what_is_planned() {
    let repo = TestRepo::new();
    let planned = |content: &str| {
        repo.write("terraform/stacks/service/r\u{e9}seau \"a\".tf", content);
        repo.run(&["plan", "--env", "dev", "--json", "report.json"], &[]).expect(0);
        let report = fs::read_to_string(repo.path("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        report["commit"].as_str().unwrap().to_owned()
    };
    let first = planned("# one\n");
    assert_ne!(first, planned("# two\n"));
    assert_eq!(first, planned("# one\n"));
    // A file that can't be read can't be planned, and nothing replaces it.
    symlink("gone.tf", repo.path("terraform/stacks/service/link.tf")).unwrap();
    let ended = repo.run(&["plan", "--env", "dev"], &[]);
    ended
        .expect(3)
        .assert_contains("could not read the new file")
        .assert_contains("link.tf")
        .assert_contains("add it to .gitignore");
}

#[test]
fn a_lock_that_is_a_symbolic_link_is_refused_and_its_target_stays() {
    let repo = TestRepo::new();
    let target = repo.path("../precious.txt");
    fs::write(&target, "kept").unwrap();
    fs::create_dir_all(repo.pipeline("")).unwrap();
    symlink(&target, repo.pipeline("ci.lock")).unwrap();
    let ended = repo.run(&["validate"], &[]);
    ended
        .expect(1)
        .assert_contains("ci.lock is a symbolic link; expected a file")
        .assert_contains("remove the link");
    assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
}

#[test]
fn a_preflight_that_is_stopped_says_only_that() {
    for (args, pattern) in [
        (&["deploy", "--env", "dev"][..], "docker version*"),
        (&["deploy", "--env", "dev"], "cargo build --quiet*"),
        (&["deploy", "--env", "dev"], "rds-iam whoami*"),
        (&["ci", "--dry-run"], "docker version*"),
        (&["test"], "docker version*"),
        (&["doctor"], "python3 --version"),
    ] {
        let repo = TestRepo::new();
        let ended = TestRepo::interrupt(repo.waits(args, pattern));
        ended.expect(130).assert_contains("interrupted; exit status 130");
        for untrue in ["missing", "MISSING", "help:", "error", "nothing was begun", "Docker engine"] {
            assert!(!ended.printed.contains(untrue), "{args:?}: {untrue} in {}", ended.printed);
        }
    }
}

#[test]
fn steps_that_are_interrupted_are_stopped_and_did_not_fail() {
    for args in [&["lint"][..], &["test"], &["test", "--only", "crates"]] {
        let repo = TestRepo::new();
        let ended = TestRepo::interrupt(repo.waits(args, "cargo fmt --all*"));
        ended
            .expect(130)
            .assert_contains("interrupted; exit status 130")
            .assert_contains("0 failed, 1 stopped");
        ended.assert_contains("in the middle of cargo fmt").assert_contains("the run was interrupted");
        assert!(!ended.printed.contains("FAILED") && !ended.printed.contains("error"), "{}", ended.printed);
    }
}

#[test]
fn an_engine_that_does_not_answer_is_named_by_its_address() {
    let repo = TestRepo::new();
    let broken = ("BREAK", "docker version*");
    let deploy = ["deploy", "--env", "dev"];
    let ended = repo.run(&deploy, &[broken]);
    ended.expect(3).assert_contains("missing: no Docker engine answers: broken on purpose: docker");
    ended.assert_contains("help: start the Docker engine (`dockerd` as root, or `systemctl start docker`)\n");
    assert!(!ended.printed.contains("--runtime"), "{}", ended.printed);
    let elsewhere = ("DOCKER_HOST", "tcp://nowhere.test:2375");
    let ended = repo.run(&deploy, &[broken, elsewhere]);
    ended.expect(3).assert_contains("no Docker engine answers at tcp://nowhere.test:2375 (DOCKER_HOST)");
    ended.assert_contains("correct or unset DOCKER_HOST");
    // The setting that requires Docker has to be unset.
    repo.run(&["test"], &[broken]).expect(3).assert_contains("or unset RDS_IAM_EMULATOR_ENGINE");
    for option in ["--runtime", "--engine"] {
        repo.run(&["test", option, "docker"], &[broken, ("RDS_IAM_EMULATOR_ENGINE", "")])
            .expect(3)
            .assert_contains("or leave out `--runtime docker`");
    }
}

#[test]
fn a_machine_without_a_docker_client_is_told_what_to_install() {
    let repo = TestRepo::new();
    repo.without("docker");
    // The machine that this runs on may have one.
    for program in ["sh", "git", "basename", "tr", "cat", "df", "mkdir"] {
        let found = ["/bin", "/usr/bin"].map(|folder| std::path::Path::new(folder).join(program));
        symlink(found.iter().find(|path| path.exists()).unwrap(), repo.path("../bin").join(program)).unwrap();
    }
    let path = repo.path("../bin");
    let ended = repo.run(&["deploy", "--env", "dev"], &[("PATH", path.to_str().unwrap())]);
    ended
        .expect(3)
        .assert_contains("missing: no `docker` on PATH (for docker-build")
        .assert_contains("help: apt-get install docker.io");
    assert_eq!(ended.printed.matches("missing: ").count(), 1, "{}", ended.printed);
}

#[test]
fn a_wrong_engine_in_a_variable_is_not_blamed_on_an_option() {
    let repo = TestRepo::new();
    let podman = [("RDS_IAM_EMULATOR_ENGINE", "podman")];
    for args in [&["test"][..], &["prepare-demo"], &["infra", "check"]] {
        let ended = repo.run(args, &podman);
        ended
            .expect(2)
            .assert_contains("RDS_IAM_EMULATOR_ENGINE is \"podman\"; expected auto, docker or process");
        assert!(!ended.printed.contains("--runtime"), "{}", ended.printed);
    }
}

#[test]
fn help_is_a_command_too() {
    let repo = TestRepo::new();
    repo.run(&["help"], &[]).expect(0).assert_contains("Usage: cargo xtask <COMMAND>");
    repo.run(&["help", "deploy"], &[]).expect(0).assert_contains("--infrastructure-only");
}

#[test]
fn failed_tests_are_named_after_the_error_with_the_command_that_runs_one() {
    let repo = TestRepo::new();
    let fails = [("BREAK", "cargo test *"), ("BREAK_HOW", "tests")];
    let ended = repo.run(&["test", "--only", "crates"], &fails);
    ended.expect(1).assert_contains("error: `RDS_IAM_MYSQL_PLUGIN=");
    let (_, help) = ended.printed.split_once("  help: ").unwrap();
    assert!(help.contains("cargo test --workspace --test server -- --exact tests::bad\n"), "{help}");
}
