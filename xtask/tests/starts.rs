//! Tests that xtask starts the pipeline's program with the same arguments, and returns its exit status.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Creates a folder with a shim for `cargo`, the only program on `PATH` besides the system's.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    symlink(stand_in(), folder.join("cargo")).unwrap();
    folder
}

fn stand_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand-ins/program")
}

#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn command(program: &Path, folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).env_clear();
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display())).env("STATUS", "17");
    command.env("CARGO_MANIFEST_DIR", "/clone/xtask");
    command
}

fn ended(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn the_pipelines_words_and_exit_status_are_handed_on() {
    let folder = folder("words");
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let before = "<run>\n<--manifest-path>\n</clone/Cargo.toml>\n<--package>\n<rds-iam-pipeline>\n<-->\n";
    for (words, passed) in [
        (&["deploy", "--env", "a b", "--help"][..], "<deploy>\n<--env>\n<a b>\n<--help>\n"),
        (&["test", "--", "--exact"], "<test>\n<-->\n<--exact>\n"),
        (&["plan"], "<plan>\n"),
        (&["help", "infra", "check"], "<infra>\n<check>\n<--help>\n"),
    ] {
        assert_eq!(ended(command(xtask, &folder, words)), (Some(17), format!("{before}{passed}")));
    }
}

#[test]
fn what_was_built_elsewhere_is_started_without_cargo() {
    let folder = folder("prebuilt");
    fs::remove_file(folder.join("cargo")).unwrap();
    let xtask = folder.join("xtask");
    fs::hard_link(env!("CARGO_BIN_EXE_xtask"), &xtask).unwrap();
    let prebuilt = |words: &[&str]| {
        let mut command = command(&xtask, &folder, words);
        command.env("RDS_IAM_PREBUILT", "yes");
        ended(command)
    };
    let (status, printed) = prebuilt(&["rollback", "--env", "dev"]);
    assert!(
        status == Some(1) && printed.contains("starting ") && printed.contains("rds-iam-pipeline"),
        "{printed}"
    );
    symlink(stand_in(), folder.join("rds-iam-pipeline")).unwrap();
    assert_eq!(
        prebuilt(&["rollback", "--env", "dev"]),
        (Some(17), "<rollback>\n<--env>\n<dev>\n".to_owned())
    );
}

#[test]
fn a_wrong_command_line_ends_with_2_and_starts_nothing() {
    let folder = folder("wrong");
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    for words in [&["deplyo"][..], &[], &["fmt", "--bogus"], &["demo", "--runtime", "podman"]] {
        let (status, printed) = ended(command(xtask, &folder, words));
        assert!(status == Some(2) && !printed.starts_with('<'), "{words:?}: {printed}");
    }
}

/// Ctrl-C goes to all programs of the terminal's group; ours ends with what the pipeline ends with, and no sooner.
#[test]
fn ctrl_c_is_the_pipelines() {
    let folder = folder("interrupted");
    let mut command = command(Path::new(env!("CARGO_BIN_EXE_xtask")), &folder, &["ci"]);
    let mut child = command.env("WAIT", "yes").process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line != "ready\n" {
        line.clear();
        assert_ne!(printed.read_line(&mut line).unwrap(), 0);
    }
    let mut kill =
        crate::command(Path::new("kill"), &folder, &["-s", "INT", "--", &format!("-{}", child.id())]);
    assert!(kill.status().unwrap().success());
    let mut rest = String::new();
    printed.read_to_string(&mut rest).unwrap();
    assert_eq!((child.wait().unwrap().code(), rest.as_str()), (Some(130), "ended\n"));
}
