//! The shell of the tunnel's crate against the emulator.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use rds_iam_emulator_ssm::{Calls, Emulator, EncryptionContext, Faults, Settings};
use rds_iam_tunnel::{
    Call, DataKey, DataKeys, KeyRequest, Options, RemoteCommand, Shell, ShellEvent, TerminalSize,
    TunnelError, native_tls,
};

use crate::commands::kms;
use crate::support::{INSTANCE, pattern, wait_for_stats, with_commands};
use crate::tunnel::timers;

/// The size of the client's terminal.
const SIZE: TerminalSize = TerminalSize { columns: 133, rows: 41 };

/// KMS: a key, or an error.
struct Keys(Result<Vec<u8>, &'static str>);

impl DataKeys for Keys {
    fn generate<'a>(&'a self, request: &'a KeyRequest) -> Call<'a, DataKey> {
        Box::pin(async move {
            assert_eq!((&*request.key_id, &*request.target), ("alias/sessions", INSTANCE));
            Ok(DataKey::new(self.0.clone()?, b"sealed".to_vec()))
        })
    }
}

async fn emulator(settings: Settings) -> Arc<Emulator> {
    Arc::new(Emulator::start(settings).await.unwrap())
}

async fn start(emulator: &Arc<Emulator>, keys: Keys, command: &str) -> Result<Shell, TunnelError> {
    let command = RemoteCommand { target: INSTANCE.into(), command: command.into(), size: SIZE };
    let calls = Calls::new(emulator);
    Shell::start(calls, keys, command, native_tls().unwrap(), Options::default()).await
}

/// Starts a command in a session without encryption.
async fn shell(command: &str) -> (Arc<Emulator>, Shell) {
    let emulator = emulator(with_commands()).await;
    let shell = start(&emulator, Keys(Err("no key is needed")), command).await.unwrap();
    (emulator, shell)
}

/// Reads output until it contains `expected`.
async fn until(shell: &Shell, expected: &str) -> String {
    let mut output = String::new();
    while !output.contains(expected) {
        match shell.read().await.unwrap() {
            ShellEvent::Output(bytes) => output.push_str(std::str::from_utf8(&bytes).unwrap()),
            other => panic!("{other:?} after {output}"),
        }
    }
    output
}

/// Reads all output, and how the session ended.
async fn to_end(shell: &Shell) -> (String, Result<ShellEvent, TunnelError>) {
    let mut output = Vec::new();
    loop {
        match shell.read().await {
            Ok(ShellEvent::Output(bytes)) => output.extend_from_slice(&bytes),
            end => return (String::from_utf8(output).unwrap(), end),
        }
    }
}

#[tokio::test]
async fn a_command_is_written_to_and_read_until_its_end() {
    let (emulator, shell) = shell("stty -echo; echo ready; read line; echo \"got $line\"").await;
    until(&shell, "ready\r\n").await;
    shell.write(b"hello\r").await.unwrap();
    let (output, end) = to_end(&shell).await;
    assert_eq!(output, "got hello\r\n");
    assert!(matches!(end, Ok(ShellEvent::End(None))), "{end:?}");
    assert!(matches!(shell.read().await, Ok(ShellEvent::End(None))));
    assert!(shell.write(b"more").await.is_err());
    wait_for_stats(&emulator, |stats| (stats.agents, stats.channels) == (0, 0)).await;
}

#[tokio::test]
async fn a_command_that_prints_nothing_gets_the_size_and_its_changes() {
    let (_emulator, shell) = shell("while read line; do stty size; done").await;
    shell.write(b"\r").await.unwrap();
    until(&shell, "41 133").await;
    shell.resize(TerminalSize { columns: 90, rows: 20 });
    shell.write(b"\r").await.unwrap();
    until(&shell, "20 90").await;
}

#[tokio::test]
async fn a_command_may_end_without_any_output() {
    let (_emulator, shell) = shell("true").await;
    let (output, end) = to_end(&shell).await;
    assert_eq!(output, "");
    assert!(matches!(end, Ok(ShellEvent::End(None))), "{end:?}");
}

#[tokio::test]
async fn control_c_interrupts_a_program() {
    // The trap is set before the program is ready, and is not the program's.
    let command = "trap 'echo interrupted' INT; sh -c 'echo ready; exec sleep 1000'; echo over";
    let (_emulator, shell) = shell(command).await;
    until(&shell, "ready").await;
    shell.write(&[3]).await.unwrap();
    let (output, _) = to_end(&shell).await;
    assert!(output.contains("interrupted\r\nover\r\n"), "{output}");
}

#[tokio::test]
async fn a_closed_shell_leaves_no_session() {
    let (emulator, shell) = shell("echo ready; sleep 1000").await;
    until(&shell, "ready\r\n").await;
    shell.close().await;
    assert!(emulator.sessions().is_empty());
    assert!(matches!(shell.read().await, Err(error) if matches!(error.reason(), TunnelError::Closed)));
    wait_for_stats(&emulator, |stats| (stats.agents, stats.channels) == (0, 0)).await;
}

#[tokio::test]
async fn the_reason_of_an_operator_is_an_error() {
    let (emulator, shell) = shell("echo ready; sleep 1000").await;
    until(&shell, "ready").await;
    emulator.end_session(&emulator.sessions().remove(0), "Session terminated by operator.");
    let (_, end) = to_end(&shell).await;
    let error = end.unwrap_err().to_string();
    assert!(error.ends_with("was ended by the service: Session terminated by operator."), "{error}");
}

#[tokio::test]
async fn an_idle_session_is_ended_with_the_reason() {
    let idle_timeout = Duration::from_secs(1);
    let emulator = emulator(Settings { idle_timeout, ..with_commands() }).await;
    let shell = start(&emulator, Keys(Err("no key is needed")), "echo ready; sleep 1000").await.unwrap();
    let (_, end) = to_end(&shell).await;
    assert!(end.unwrap_err().to_string().contains("timed out due to inactivity"));
}

#[tokio::test]
async fn an_instance_that_is_not_connected_is_named() {
    let emulator = emulator(Settings { instances: Vec::new(), ..with_commands() }).await;
    let error = start(&emulator, Keys(Err("no key is needed")), "true").await.unwrap_err();
    assert!(error.to_string().contains(&format!("a command on {INSTANCE}")), "{error}");
    assert!(error.source().unwrap().to_string().contains("TargetNotConnected"), "{error:?}");
}

/// Writes to a terminal in raw mode and reads it again while messages are lost, repeated and delayed, and the
/// connection is closed.
async fn echo_with_faults(settings: Settings, keys: Keys) {
    let emulator = emulator(Settings { timers: timers(), ..settings }).await;
    let shell = start(&emulator, keys, "stty raw -echo; echo ready; exec cat").await.unwrap();
    until(&shell, "ready\n").await;
    emulator.set_faults(Faults {
        loss: 0.02,
        repeat: 0.02,
        reorder: 0.02,
        close_after: Some(60_000),
        closes: 5,
        seed: 1,
        ..Faults::default()
    });
    let sent: Vec<u8> = pattern(200_000).into_iter().map(|byte| b'a' + byte % 26).collect();
    let receive = async {
        let mut received = Vec::new();
        while received.len() < sent.len() {
            match shell.read().await.unwrap() {
                ShellEvent::Output(bytes) => received.extend_from_slice(&bytes),
                other => panic!("{other:?} after {} bytes", received.len()),
            }
        }
        received
    };
    let (written, received) = tokio::join!(shell.write(&sent), receive);
    written.unwrap();
    assert!(received == sent);
    let stats = emulator.stats();
    assert_eq!((stats.closed, stats.sessions), (5, 1), "{stats:?}");
    assert!(stats.lost > 0 && stats.repeated > 0, "{stats:?}");
    shell.close().await;
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_by_faults_and_closes() {
    echo_with_faults(with_commands(), Keys(Err("no key is needed"))).await;
}

#[tokio::test]
async fn an_encrypted_session_survives_the_same() {
    let (kms, contexts) = kms(pattern(64), b"sealed".to_vec());
    let settings = Settings { kms: Some(kms), ..with_commands() };
    echo_with_faults(settings, Keys(Ok(pattern(64)))).await;
    let EncryptionContext { session_id, target_id } = contexts.recv().unwrap();
    assert!(!session_id.is_empty());
    assert_eq!(target_id, INSTANCE);
}

#[tokio::test]
async fn without_a_data_key_the_session_is_ended_with_the_cause() {
    let (kms, _contexts) = kms(pattern(64), b"sealed".to_vec());
    let emulator = emulator(Settings { kms: Some(kms), ..with_commands() }).await;
    let error = start(&emulator, Keys(Err("AccessDeniedException")), "echo never").await.unwrap_err();
    assert!(matches!(error.reason(), TunnelError::DataKey { key_id, .. } if key_id == "alias/sessions"));
    assert_eq!(error.source().unwrap().to_string(), "AccessDeniedException");
    wait_for_stats(&emulator, |stats| stats.agents == 0).await;
    assert!(emulator.sessions().is_empty());
}

#[tokio::test]
async fn a_data_key_that_the_agent_does_not_have_ends_the_session() {
    let (kms, _contexts) = kms(pattern(64), b"sealed".to_vec());
    let emulator = emulator(Settings { kms: Some(kms), ..with_commands() }).await;
    let error = start(&emulator, Keys(Ok(pattern(65)[1..].to_vec())), "echo never").await.unwrap_err();
    assert!(matches!(error.reason(), TunnelError::Cipher { .. }), "{error:?}");
}
