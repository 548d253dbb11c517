//! `rds-iam shell` as a program, on a terminal and without one, through an emulated Session Manager.

mod home;
mod kms;
mod terminal;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{ChildStdin, ChildStdout, Command, Output, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use home::{Ended, HOST, Home, argument, text};
use rds_iam_emulator_server::fixtures::until;
use rds_iam_emulator_ssm::{Emulator, Faults, Instance, Kms, Operation, Settings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use terminal::{COLUMNS, is_styled, on_terminal};
use tokio::runtime::Runtime;

const INSTANCE: &str = "i-0123456789abcdef0";
const PROGRAM: &str = env!("CARGO_BIN_EXE_rds-iam");

/// Returns the settings with one instance, whose agent runs commands.
fn with_commands() -> Settings {
    Settings { runs_commands: true, ..Settings::with_instance(INSTANCE) }
}

/// An emulated Session Manager with one instance, and the files of a person.
struct Place {
    home: Home,
    ssm: Emulator,
    /// Serves the emulator while a test waits for a program.
    runtime: Runtime,
}

impl Place {
    fn new() -> Self {
        Self::with(with_commands())
    }

    /// A place whose sessions are encrypted with this data key.
    fn encrypted(key: Vec<u8>) -> Self {
        let kms = Kms::new("alias/sessions", move |sealed, _| {
            if sealed == b"sealed" { Ok(key.clone()) } else { Err("InvalidCiphertextException".into()) }
        });
        Self::with(Settings { kms: Some(kms), ..with_commands() })
    }

    fn with(settings: Settings) -> Self {
        let runtime = Runtime::new().unwrap();
        let ssm = runtime.block_on(Emulator::start(settings)).unwrap();
        Self { home: Home::new(), ssm, runtime }
    }

    fn prepare(&self, command: &mut Command) {
        self.home.prepare(command);
        command
            .env("AWS_ENDPOINT_URL_SSM", self.ssm.endpoint())
            .env("AWS_REGION", "us-east-1")
            .env("RUST_LOG", "trace");
    }

    /// Returns the program without a terminal.
    fn program(&self, words: &[&str]) -> Command {
        let mut command = self.home.program();
        self.prepare(&mut command);
        command.args(["shell", "--target", INSTANCE, "--"]).args(words);
        command
    }

    /// Starts the program without a terminal.
    fn start(&self, words: &[&str]) -> Running {
        Running::new(self.program(words))
    }

    /// Starts a program on a terminal.
    fn start_on_terminal(&self, program: &str, arguments: &[&str]) -> Running {
        let mut command = on_terminal(program, arguments);
        self.prepare(&mut command);
        Running::new(command)
    }

    /// Starts the program on a terminal.
    fn shell_on_terminal(&self, words: &[&str]) -> Running {
        let arguments = [&["shell", "--target", INSTANCE, "--"], words].concat();
        self.start_on_terminal(PROGRAM, &arguments)
    }

    /// Runs the program with an input, to its end.
    fn run(&self, words: &[&str], input: &str) -> Output {
        self.start(words).finish(input)
    }

    /// Runs the program with other arguments.
    fn fails(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = self.home.program();
        self.prepare(&mut command);
        let output = command.arg("shell").args(arguments).output().unwrap();
        assert_eq!(text(&output.stdout), "");
        assert!(self.ssm.sessions().is_empty());
        (output.status.code(), text(&output.stderr).to_owned())
    }
}

/// A program that is read and written.
struct Running {
    process: Ended,
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// What was read.
    received: String,
}

impl Running {
    fn new(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map(Ended).unwrap();
        let (input, output) = (process.0.stdin.take(), process.0.stdout.take().unwrap());
        Self { process, input, output, received: String::new() }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Reads once. Returns whether the output continues.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let length = self.output.read(&mut buffer).unwrap();
        self.received.push_str(text(&buffer[..length]));
        length > 0
    }

    /// Reads until the output has `expected`.
    fn until(&mut self, expected: &str) {
        while !self.received.contains(expected) {
            assert!(self.read(), "the output ended: {}", self.received);
        }
    }

    /// Writes the last input, and waits for the end.
    fn finish(mut self, input: &str) -> Output {
        // A program that has failed does not read.
        drop(self.input.take().unwrap().write_all(input.as_bytes()));
        let (status, stdout) = self.wait();
        let mut stderr = Vec::new();
        self.process.0.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        Output { status, stdout: stdout.into_bytes(), stderr }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.0), signal).unwrap();
    }

    /// Reads to the end. Returns the status and standard error.
    fn wait_for_error(&mut self) -> (Option<i32>, String) {
        let (status, _) = self.wait();
        let mut error = String::new();
        self.process.0.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (status.code(), error)
    }

    /// Reads to the end. Returns the status and all output.
    fn wait(&mut self) -> (std::process::ExitStatus, String) {
        while self.read() {}
        (self.process.0.wait().unwrap(), std::mem::take(&mut self.received))
    }
}

#[test]
fn a_command_on_a_terminal_gets_its_size_and_its_changes() {
    // Changes the size when a file appears.
    const SCRIPT: &str = "mark=$1; shift; (while [ -d \"${mark%/*}\" ] && [ ! -e \"$mark\" ]; do sleep 0.05; done; \
                          stty rows 33 cols 99 </dev/tty) & exec \"$@\"";
    let place = Place::new();
    let mark = place.home.path("resize");
    let command = "echo ready; while read line; do stty size; done";
    let program = [PROGRAM, "shell", "--target", INSTANCE, "--", command];
    let arguments = [&["-c", SCRIPT, "sh", argument(&mark)], &program[..]].concat();
    let mut running = place.start_on_terminal("sh", &arguments);
    running.until("ready");
    running.write(b"\r");
    running.until(&format!("50 {COLUMNS}"));
    std::fs::write(&mark, "").unwrap();
    // Each line is answered with the size of then.
    while !running.received.contains("33 99") {
        running.write(b"\r");
        assert!(running.read());
    }
    running.write(&[4]);
    let (status, _) = running.wait();
    assert_eq!(status.code(), Some(0));
    assert!(place.ssm.sessions().is_empty());
}

#[test]
fn control_c_is_sent_to_the_command() {
    let place = Place::new();
    let command = "trap 'echo interrupted' INT; sh -c 'echo ready; exec sleep 1000'; echo over";
    let mut running = place.shell_on_terminal(&[command]);
    running.until("ready");
    running.write(&[3]);
    let (status, output) = running.wait();
    assert!(output.contains("interrupted\r\nover\r\n"), "{output}");
    assert_eq!(status.code(), Some(0));
}

/// Prints its process, runs a program, and prints whether the terminal is as before.
const RESTORED: &str = "before=$(stty -g); sh -c 'echo process $$.; exec \"$@\"' sh \"$@\"; status=$?; \
                        [ \"$before\" = \"$(stty -g)\" ] && echo restored; exit $status";

#[test]
fn the_terminal_is_restored_after_the_end_and_after_signals() {
    let signals = [
        (None, 0),
        (Some(Signal::TERM), 143),
        (Some(Signal::HUP), 129),
        (Some(Signal::INT), 130),
        (Some(Signal::QUIT), 131),
    ];
    for (signal, expected) in signals {
        let place = Place::new();
        let command = "echo ready; read line";
        let program = [PROGRAM, "shell", "--target", INSTANCE, "--", command];
        let arguments = [&["-c", RESTORED, "sh"], &program[..]].concat();
        let mut running = place.start_on_terminal("sh", &arguments);
        running.until("ready");
        match signal {
            None => running.write(b"\r"),
            Some(signal) => {
                let (_, rest) = running.received.split_once("process ").unwrap();
                let process = rest.split_once('.').unwrap().0.parse().unwrap();
                kill_process(Pid::from_raw(process).unwrap(), signal).unwrap();
            }
        }
        let (status, output) = running.wait();
        assert!(output.ends_with("restored\r\n"), "{signal:?}: {output}");
        assert_eq!(status.code(), Some(expected), "{signal:?}: {output}");
        assert!(place.ssm.sessions().is_empty(), "{signal:?}");
    }
}

#[test]
fn a_script_is_piped_in_and_its_end_ends_the_command() {
    let place = Place::new();
    // A login shell, which sets up its terminal after the input was sent.
    let output = place.run(&[], "echo $((6 * 7))\n");
    assert!(text(&output.stdout).contains("42\r\n"), "{output:?}");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let output = place.run(&["stty -echo; cat; echo over"], "one\ntwo\n");
    assert!(text(&output.stdout).ends_with("one\r\ntwo\r\nover\r\n"), "{output:?}");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert!(place.ssm.sessions().is_empty());
}

#[test]
fn several_words_are_a_program_and_its_arguments() {
    let place = Place::new();
    let output = place.run(&["printf", "<%s>", "a b", "$HOME;"], "");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("<a b><$HOME;>", ""));
}

#[test]
fn an_output_of_megabytes_is_complete() {
    let place = Place::new();
    let output = place.run(&["seq 300000"], "");
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    // The echo of the end of the input may be in the first line.
    assert_eq!((lines.len(), lines.last()), (300_000, Some(&"300000")));
}

#[test]
fn a_signal_ends_the_session_without_a_terminal_too() {
    let place = Place::new();
    let mut running = place.start(&["echo ready; sleep 1000"]);
    running.until("ready");
    running.signal(Signal::TERM);
    let (status, _) = running.wait();
    assert_eq!(status.code(), Some(143));
    assert!(place.ssm.sessions().is_empty());
}

#[test]
fn a_signal_ends_a_session_that_is_being_opened() {
    let place = Place::new();
    place.ssm.set_faults(Faults { silent: true, ..Faults::default() });
    for (signal, expected) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut running = place.start(&["echo never"]);
        let is_opening = async || !place.ssm.sessions().is_empty();
        place.runtime.block_on(until("a session was started", is_opening));
        running.signal(signal);
        assert_eq!(running.wait_for_error(), (Some(expected), String::new()));
        assert!(place.ssm.sessions().is_empty());
    }
}

#[test]
fn a_denied_end_of_the_session_is_a_warning() {
    let place = Place::new();
    let mut running = place.start(&["echo ready; sleep 1000"]);
    running.until("ready");
    place.ssm.deny(Operation::TerminateSession, "session/");
    running.signal(Signal::TERM);
    let (status, error) = running.wait_for_error();
    assert_eq!(status, Some(143), "{error}");
    assert!(error.starts_with("warning: the session could not be terminated"), "{error}");
    assert!(error.contains("ssm:TerminateSession is denied"), "{error}");
}

#[test]
fn control_c_ends_a_session_whose_connection_is_lost() {
    let place = Place::new();
    let program = [PROGRAM, "shell", "--target", INSTANCE, "--", "echo ready; sleep 1000"];
    let mut running = place.start_on_terminal("sh", &[&["-c", RESTORED, "sh"], &program[..]].concat());
    running.until("ready");
    // The emulator ends without a word.
    place.runtime.shutdown_background();
    running.until("\r\nwarning: the session could not be resumed; trying again: ");
    running.until("\r\nconnection lost; resuming. Ctrl-C ends the session\r\n");
    running.write(&[3]);
    let (status, output) = running.wait();
    assert!(output.ends_with("restored\r\n"), "{output}");
    assert_eq!(status.code(), Some(130), "{output}");
    // The service was not there to end it.
    let warnings = ["warning: the session could not be terminated", "warning: a session may be left"];
    assert!(warnings.iter().any(|warning| output.contains(warning)), "{output}");
}

#[test]
fn a_service_that_does_not_answer_does_not_keep_the_program() {
    let place = Place::new();
    let mut running = place.start(&["echo ready; sleep 1000"]);
    running.until("ready");
    let address: SocketAddr = place.ssm.endpoint().strip_prefix("http://").unwrap().parse().unwrap();
    place.runtime.shutdown_background();
    // It accepts connections and sends nothing, once the emulator has left the port.
    let mut silent = None;
    let has_bound = async || {
        silent = TcpListener::bind(address).ok();
        silent.is_some()
    };
    Runtime::new().unwrap().block_on(until("the port is free", has_bound));
    // Either may be received first; the other one does not wait for the end.
    running.signal(Signal::TERM);
    running.signal(Signal::INT);
    let (status, error) = running.wait_for_error();
    assert!(matches!(status, Some(143 | 130)), "{status:?} {error}");
    assert!(error.ends_with("warning: a session may be left; AWS ends it when it is idle\n"), "{error}");
}

#[test]
fn the_reason_of_an_operator_is_an_error_without_control_characters() {
    let place = Place::new();
    let mut running = place.start(&["echo ready; sleep 1000"]);
    running.until("ready");
    place.ssm.end_session(&place.ssm.sessions()[0], "Session terminated by \u{1b}[31moperator.");
    let (status, error) = running.wait_for_error();
    assert_eq!(status, Some(1), "{error}");
    assert!(error.contains("was ended by the service: Session terminated by "), "{error}");
    assert!(error.starts_with("error: ") && !is_styled(&error) && error.lines().count() == 1, "{error}");
}

#[test]
fn a_session_is_encrypted_with_the_account_s_key() {
    let key: Vec<u8> = (0..64).collect();
    let plaintext = BASE64_STANDARD.encode(&key);
    let answer = json!({ "CiphertextBlob": BASE64_STANDARD.encode("sealed"), "Plaintext": plaintext });
    let (url, requests) = kms::start("200 OK", &answer);
    let place = Place::encrypted(key);
    let mut command = place.program(&["read line; echo \"got $line\""]);
    command.env("AWS_ENDPOINT_URL_KMS", url);
    let output = Running::new(command).finish("hello\n");
    assert!(text(&output.stdout).contains("got hello\r\n"), "{output:?}");
    // What the agent tells those whose session is encrypted.
    let message = "message of the account's administrator: This session is encrypted using AWS KMS.\n";
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), message));
    let request = requests.recv().unwrap();
    assert_eq!((&request["KeyId"], &request["NumberOfBytes"]), (&json!("alias/sessions"), &json!(64)));
    assert_eq!(request["EncryptionContext"]["aws:ssm:TargetId"], INSTANCE);
    assert!(request["EncryptionContext"]["aws:ssm:SessionId"].is_string(), "{request}");
}

#[test]
fn a_denied_data_key_names_the_permission() {
    const ARN: &str = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d";
    let message = format!(
        "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: kms:GenerateDataKey on resource: {ARN} \
         because no identity-based policy allows the kms:GenerateDataKey action"
    );
    let answer = json!({ "__type": "AccessDeniedException", "Message": message });
    let (url, _requests) = kms::start("400 Bad Request", &answer);
    let place = Place::encrypted(vec![0; 64]);
    let mut command = place.program(&["echo never"]);
    command.env("AWS_ENDPOINT_URL_KMS", url);
    let output = Running::new(command).finish("");
    let error = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{error}");
    for part in ["the KMS key alias/sessions", "kms:GenerateDataKey is denied", &format!("[\"{ARN}\"]")] {
        assert!(error.contains(part), "{error}");
    }
    assert!(place.ssm.sessions().is_empty());
}

#[test]
fn a_session_that_can_not_be_started_says_why() {
    let place = Place::new();
    let (status, error) = place.fails(&["--target", "i-0fedcba9876543210"]);
    assert_eq!(status, Some(1), "{error}");
    assert!(
        error.contains("i-0fedcba9876543210 is not connected to Session Manager in us-east-1"),
        "{error}"
    );

    place.ssm.deny(Operation::StartSession, "document/");
    let (status, error) = place.fails(&["--target", INSTANCE, "--region", "eu-west-1"]);
    assert_eq!(status, Some(1), "{error}");
    for part in ["ssm:StartSession", "eu-west-1::document/AWS-StartInteractiveCommand", INSTANCE] {
        assert!(error.contains(part), "{error}");
    }
    place.ssm.permit_all();

    place.ssm.set_instances(vec![Instance { is_online: false, ..Instance::new(INSTANCE) }]);
    let (status, error) = place.fails(&["--target", "tag:Name=bastion"]);
    assert_eq!(status, Some(1), "{error}");
    assert!(error.contains("tag:Name=bastion"), "{error}");
}

#[test]
fn wrong_arguments_start_nothing() {
    let place = Place::new();
    for (arguments, expected) in [
        (&["--target", HOST][..], "--target"),
        (&["--target", INSTANCE, "--", " "], "COMMAND is empty"),
        (&["--target", INSTANCE, "--region", "?"], "--region"),
        (&["--", "ls"], "--target"),
    ] {
        let (status, error) = place.fails(arguments);
        assert_eq!(status, Some(64), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(place.ssm.stats().sessions, 0);
}
