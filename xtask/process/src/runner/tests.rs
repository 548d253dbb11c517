//! Tests of running programs: limits, signals, output and redaction.

use std::path::Path;

use super::output::{TAIL_LINE_BYTES, TAIL_LINES};
use super::*;
use crate::error::Error;

fn runner() -> Runner {
    Runner::new(Console::silent())
}

fn sh(script: &str) -> Cmd {
    Cmd::new("sh", Path::new("/"), "install a POSIX shell").args(["-c", script])
}

#[test]
fn a_program_that_is_not_there_is_told_from_one_that_fails() {
    let missing = Cmd::new("no-such-program", Path::new("/"), "apt-get install no-such-package").args(["-v"]);
    let error = Error::from(runner().run(&missing).unwrap_err());
    insta::assert_snapshot!(error.report(), @r"
    error: `no-such-program -v`: no-such-program was not found
      help: apt-get install no-such-package
    ");

    let failing = sh("echo out; echo err >&2; exit 3").hint("read the output");
    let error = Error::from(runner().run(&failing).unwrap_err());
    assert_eq!(error.brief(), "exit status: 3");
    insta::assert_snapshot!(error.report(), @r"
    error: `sh -c 'echo out; echo err >&2; exit 3'` failed in /: exit status: 3
      | out
      | err
      help: read the output
    ");
}

#[test]
fn a_directory_that_is_not_there_is_not_blamed_on_the_program() {
    let cmd = Cmd::new("sh", Path::new("/no/such/directory"), "install a POSIX shell");
    let error = runner().run(&cmd).unwrap_err();
    insta::assert_snapshot!(error, @"`sh`: there is no directory /no/such/directory");
}

#[test]
fn a_program_to_become_that_is_not_there_is_named() {
    let missing = Cmd::new("/no/such/demo", Path::new("/"), "cargo xtask demo builds it");
    let error = Error::from(runner().become_program(&missing));
    insta::assert_snapshot!(error.report(), @r"
    error: `/no/such/demo`: /no/such/demo was not found
      help: cargo xtask demo builds it
    ");
}

#[test]
fn what_a_command_leaves_running_does_not_hold_us() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    // The background sleep inherits the pipe and outlives its shell.
    let started = sh("sleep 600 & echo $! >\"$PID_FILE\"").env("PID_FILE", pid.display().to_string());
    let result = runner().run_draining(&started, Duration::from_millis(50));
    let pid = std::fs::read_to_string(pid).unwrap();
    runner().ask(&Cmd::new("kill", Path::new("/"), "install procps").args([pid.trim()])).unwrap();
    result.unwrap();
}

#[test]
fn a_signal_is_named() {
    let error = runner().run(&sh("kill -9 $$")).unwrap_err();
    insta::assert_snapshot!(error, @"`sh -c 'kill -9 $$'` failed in /: signal: 9 (SIGKILL)");
}

#[test]
fn a_question_returns_standard_output_alone() {
    assert_eq!(runner().ask(&sh("echo yes; echo noise >&2")).unwrap(), "yes\n");
    assert!(matches!(runner().ask(&sh("exit 1")).unwrap_err(), RunError::Failed { .. }));
}

#[test]
fn a_question_without_an_answer_ends() {
    let cmd = Cmd::new("sleep", Path::new("/"), "install coreutils").args(["600"]);
    let error = runner().ask_within(&cmd, Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, RunError::NoAnswer { .. }), "{error}");
}

#[test]
fn a_large_output_on_both_streams_does_not_block() {
    let cmd = sh("head -c 300000 /dev/zero | tr '\\0' x >&2; head -c 300000 /dev/zero | tr '\\0' y");
    assert_eq!(runner().ask(&cmd).unwrap().len(), 300_000);
}

#[test]
fn variables_reach_the_command_and_our_own_package_does_not() {
    let cmd =
        sh("echo \"$GREETING ${CARGO_PKG_NAME:-none} ${CARGO_MANIFEST_DIR:-none}\"").env("GREETING", "hi");
    assert_eq!(runner().ask(&cmd).unwrap(), "hi none none\n");
}

#[test]
fn the_tail_is_bounded_and_skips_overdrawn_progress() {
    let mut tail = TailBuffer::default();
    for n in 0..100 {
        tail.push(format!("line {n}\n").as_bytes());
    }
    tail.push(b"10 %\r20 %\rdone\r\n");
    tail.push(b"\x1b[1m\x1b[31merror\x1b[0m: no\n\x1b[0m\n");
    tail.push(&[b'x'; 10_000]);
    let lines = tail.lines();
    assert_eq!(lines.len(), TAIL_LINES);
    assert_eq!(lines[0], "line 83");
    assert_eq!(lines[TAIL_LINES - 3..TAIL_LINES - 1], ["done", "error: no"]);
    assert_eq!(lines[TAIL_LINES - 1].len(), TAIL_LINE_BYTES);
}

#[test]
fn a_command_that_takes_too_long_is_ended_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let slow = sh("sleep 600 & echo $! >\"$PID_FILE\"; wait").env("PID_FILE", file.display().to_string());
    // On a busy machine the shell may not reach its first command in the shorter time.
    let pid = [300, 3_000, 30_000].into_iter().find_map(|limit| {
        let error = runner().run(&slow.clone().within(Duration::from_millis(limit))).unwrap_err();
        assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
        std::fs::read_to_string(&file).ok().filter(|pid| pid.ends_with('\n'))
    });
    let gone = format!("/proc/{}/cmdline", pid.unwrap().trim());
    // Killed; the kernel takes some time, and the process that inherited it may not have reaped it yet.
    let started = Instant::now();
    while std::fs::read(&gone).is_ok_and(|command| !command.is_empty()) {
        assert!(started.elapsed() < Duration::from_secs(30), "{gone} is still there");
        thread::yield_now();
    }
}

#[test]
fn what_is_stopped_ends_and_begins_nothing_more() {
    let owner = Owner(4711);
    let runner =
        Runner::for_stage(Console::silent(), owner, Instant::now() + Duration::from_secs(600), false);
    let stopper = thread::spawn(move || {
        // Waits until the program runs.
        while !is_stopped(owner) {
            stop(owner);
        }
    });
    // Without a shell: a shell that gets SIGINT just before it starts its program waits for the program's
    // end.
    let sleep = Cmd::new("sleep", Path::new("/"), "install coreutils").args(["600"]);
    let error = runner.run(&sleep).unwrap_err();
    stopper.join().unwrap();
    insta::assert_snapshot!(error, @"`sleep 600` was stopped");
    assert!(matches!(runner.ask(&sh("echo no")).unwrap_err(), RunError::Stopped { .. }));
}

#[test]
fn a_command_of_xshell_keeps_its_arguments_variables_and_directory() {
    let dir = tempfile::tempdir().unwrap();
    let shell = xshell::Shell::new().unwrap();
    shell.change_dir(dir.path());
    let file = "two words.tfplan";
    let built = xshell::cmd!(shell, "terraform show -json {file}").env("TF_IN_AUTOMATION", "1");
    let command = Cmd::from_xshell(built, "install Terraform");
    assert_eq!(command.shown(), "TF_IN_AUTOMATION=1 terraform show -json 'two words.tfplan'");
    assert_eq!(command.shown_for(dir.path()), command.shown());
    assert_eq!(
        command.shown_for(Path::new("/elsewhere")),
        format!("(cd {} && {})", dir.path().display(), command.shown())
    );
    assert_eq!(command.process().get_current_dir(), Some(dir.path()));
}
