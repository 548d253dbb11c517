//! What xtask makes of a machine and of people: names and variables in any bytes, links, missing programs, Ctrl-C.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use super::house::{Ended, House};

#[test]
fn output_is_kept_where_a_variable_is_not_utf_8() {
    let house = House::new();
    let mut xtask = house.xtask(&["validate"], &[("LEAK", "GREETING"), ("GREETING", "hello")]);
    let output = xtask.env("FOO", OsStr::from_bytes(b"\xff")).output().unwrap();
    Ended::of(&output).expect(0).says("leaked hello");
}

#[test]
fn a_new_file_with_any_name_is_part_of_what_is_planned() {
    let house = House::new();
    let planned = |content: &str| {
        house.write("terraform/stacks/service/r\u{e9}seau \"a\".tf", content);
        house.run(&["plan", "--env", "dev", "--json", "report.json"], &[]).expect(0);
        let report = fs::read_to_string(house.repo("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        report["commit"].as_str().unwrap().to_owned()
    };
    let first = planned("# one\n");
    assert_ne!(first, planned("# two\n"));
    assert_eq!(first, planned("# one\n"));
    // What can't be read can't be planned, and nothing is taken for it.
    symlink("gone.tf", house.repo("terraform/stacks/service/link.tf")).unwrap();
    let ended = house.run(&["plan", "--env", "dev"], &[]);
    ended.expect(3).says("could not read the new file").says("link.tf").says("add it to .gitignore");
}

#[test]
fn a_lock_that_is_a_symbolic_link_is_refused_and_its_target_stays() {
    let house = House::new();
    let target = house.repo("../precious.txt");
    fs::write(&target, "kept").unwrap();
    fs::create_dir_all(house.pipeline("")).unwrap();
    symlink(&target, house.pipeline("ci.lock")).unwrap();
    let ended = house.run(&["validate"], &[]);
    ended.expect(1).says("ci.lock is a symbolic link; expected a file").says("remove the link");
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
        let house = House::new();
        let ended = House::interrupt(house.waits(args, pattern));
        ended.expect(130).says("interrupted; exit status 130");
        for untrue in ["missing", "MISSING", "mend:", "help:", "error", "nothing was begun", "Docker engine"]
        {
            assert!(!ended.printed.contains(untrue), "{args:?}: {untrue} in {}", ended.printed);
        }
    }
}

#[test]
fn steps_that_are_interrupted_are_stopped_and_did_not_fail() {
    for args in [&["lint"][..], &["test"], &["test", "--only", "crates"]] {
        let house = House::new();
        let ended = House::interrupt(house.waits(args, "cargo fmt --all*"));
        ended.expect(130).says("interrupted; exit status 130").says("0 failed, 1 stopped");
        ended.says("in the middle of cargo fmt").says("the run was interrupted");
        assert!(!ended.printed.contains("FAILED") && !ended.printed.contains("error"), "{}", ended.printed);
    }
}

#[test]
fn an_engine_that_does_not_answer_is_named_by_its_address() {
    let house = House::new();
    let broken = ("BREAK", "docker version*");
    let deploy = ["deploy", "--env", "dev"];
    let ended = house.run(&deploy, &[broken]);
    ended.expect(3).says("missing: no Docker engine answers: broken on purpose: docker");
    ended.says("mend: start the Docker engine (`dockerd` as root, or `systemctl start docker`)\n");
    assert!(!ended.printed.contains("--engine"), "{}", ended.printed);
    let elsewhere = ("DOCKER_HOST", "tcp://nowhere.test:2375");
    let ended = house.run(&deploy, &[broken, elsewhere]);
    ended.expect(3).says("no Docker engine answers at tcp://nowhere.test:2375 (DOCKER_HOST)");
    ended.says("correct or unset DOCKER_HOST");
    // What asked for Docker is what has to be left out.
    house.run(&["test"], &[broken]).expect(3).says("or unset RDS_IAM_EMULATOR_ENGINE");
    let named = ["test", "--engine", "docker"];
    house
        .run(&named, &[broken, ("RDS_IAM_EMULATOR_ENGINE", "")])
        .expect(3)
        .says("or leave out `--engine docker`");
}

#[test]
fn a_machine_without_a_docker_client_is_told_what_to_install() {
    let house = House::new();
    house.without("docker");
    // The machine that this runs on may have one.
    for program in ["sh", "git", "basename", "tr", "cat", "df", "mkdir"] {
        let found = ["/bin", "/usr/bin"].map(|folder| std::path::Path::new(folder).join(program));
        symlink(found.iter().find(|path| path.exists()).unwrap(), house.repo("../bin").join(program))
            .unwrap();
    }
    let path = house.repo("../bin");
    let ended = house.run(&["deploy", "--env", "dev"], &[("PATH", path.to_str().unwrap())]);
    ended
        .expect(3)
        .says("missing: no `docker` on PATH (for docker-build")
        .says("mend: apt-get install docker.io");
    assert_eq!(ended.printed.matches("missing: ").count(), 1, "{}", ended.printed);
}

#[test]
fn a_wrong_engine_in_a_variable_is_not_blamed_on_an_option() {
    let house = House::new();
    let podman = [("RDS_IAM_EMULATOR_ENGINE", "podman")];
    for args in [&["test"][..], &["prepare-demo"], &["infra", "check"]] {
        let ended = house.run(args, &podman);
        ended.expect(2).says("RDS_IAM_EMULATOR_ENGINE is \"podman\"; expected auto, docker or process");
        assert!(!ended.printed.contains("--engine"), "{}", ended.printed);
    }
}

#[test]
fn help_is_a_command_too() {
    let house = House::new();
    house.run(&["help"], &[]).expect(0).says("Usage: cargo xtask <COMMAND>");
    house.run(&["help", "deploy"], &[]).expect(0).says("--infrastructure-only");
}

#[test]
fn failed_tests_are_named_after_the_error_with_the_command_that_runs_one() {
    let house = House::new();
    let fails = [("BREAK", "cargo test *"), ("BREAK_HOW", "tests")];
    let ended = house.run(&["test", "--only", "crates"], &fails);
    ended.expect(1).says("error: `RDS_IAM_MYSQL_PLUGIN=");
    let (_, help) = ended.printed.split_once("  hint: ").unwrap();
    assert!(help.contains("cargo test --workspace --test server -- --exact tests::bad\n"), "{help}");
}
