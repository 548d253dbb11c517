//! Commands: in a real terminal, and without one.

use rds_iam_emulator_ssm::{Emulator, EncryptionContext, Kms, Settings};
use rds_iam_tunnel::message::PayloadType;
use serde_json::{Value, json};

use crate::client::{Client, Options, Received};
use crate::support::{INSTANCE, pattern, wait_for_stats, with_commands};

fn interactive(command: &str) -> Value {
    json!({
        "Target": INSTANCE,
        "DocumentName": "AWS-StartInteractiveCommand",
        "Parameters": { "command": [command] },
    })
}

fn non_interactive(command: &str, separate: bool) -> Value {
    json!({
        "Target": INSTANCE,
        "DocumentName": "AWS-StartNonInteractiveCommand",
        "Parameters": {
            "command": [command],
            "separateOutputStream": [if separate { "True" } else { "False" }],
        },
    })
}

async fn emulator() -> Emulator {
    Emulator::start(with_commands()).await.unwrap()
}

/// Receives output until it contains `expected`.
async fn until(client: &mut Client, expected: &str) -> String {
    let mut output = String::new();
    while !output.contains(expected) {
        match client.next().await {
            Received::Data(PayloadType::OUTPUT, payload) => {
                output.push_str(std::str::from_utf8(&payload).unwrap());
            }
            Received::Data(..) => {}
            other => panic!("{other:?} after {output}"),
        }
    }
    output
}

#[tokio::test]
async fn a_command_has_a_terminal_with_the_size_of_the_client() {
    let emulator = emulator().await;
    let command = "tty; while read line; do stty size; done";
    let mut client = Client::open(&emulator, &interactive(command), Options::default()).await;
    // Without encryption there is no handshake: the first message is output.
    until(&mut client, "/dev/pts/").await;
    client.send(PayloadType::SIZE, json!({ "cols": 133, "rows": 41 }).to_string());
    client.send(PayloadType::OUTPUT, "\r");
    until(&mut client, "41 133").await;
    client.send(PayloadType::SIZE, json!({ "cols": 90, "rows": 20 }).to_string());
    client.send(PayloadType::OUTPUT, "\r");
    until(&mut client, "20 90").await;
}

#[tokio::test]
async fn control_c_is_a_byte_that_interrupts_and_the_end_closes_the_session() {
    let emulator = emulator().await;
    let command = "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.1; done";
    let mut client = Client::open(&emulator, &interactive(command), Options::default()).await;
    until(&mut client, "ready").await;
    client.send(PayloadType::OUTPUT, vec![3]);
    let (output, reason) = client.until_closed().await;
    assert!(String::from_utf8(output).unwrap().contains("interrupted"));
    assert_eq!(reason, "");
    wait_for_stats(&emulator, |stats| stats.agents == 0).await;
}

#[tokio::test]
async fn a_command_gets_no_environment_that_could_be_secret() {
    let emulator = emulator().await;
    let mut client = Client::open(&emulator, &interactive("env"), Options::default()).await;
    let (output, _) = client.until_closed().await;
    let output = String::from_utf8(output).unwrap();
    let mut names: Vec<&str> = output.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    names.retain(|name| !["_", "PWD", "OLDPWD", "SHLVL"].contains(name));
    assert_eq!(names, ["HOME", "LANG", "PATH", "TERM"]);
}

#[tokio::test]
async fn a_session_that_ends_kills_its_command() {
    let emulator = emulator().await;
    // Not by the signal of a terminal that is closed.
    let command = "trap '' HUP; echo $$; exec sleep 1000";
    let mut client = Client::open(&emulator, &interactive(command), Options::default()).await;
    let output = until(&mut client, "\n").await;
    let process = std::path::PathBuf::from("/proc").join(output.trim());
    assert!(process.exists());
    emulator.end_session(&emulator.sessions().remove(0), "");
    client.until_closed().await;
    let gone = async {
        // A zombie until it is waited for.
        while std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone).await.unwrap();
}

#[tokio::test]
async fn a_command_without_a_terminal_has_its_output_at_its_end() {
    let emulator = emulator().await;
    let request = non_interactive("sh -c 'echo out; echo err >&2; tty; exit 3'", false);
    let mut client = Client::open(&emulator, &request, Options::default()).await;
    let (output, _) = client.until_closed().await;
    assert_eq!(String::from_utf8(output).unwrap(), "out\nerr\nnot a tty\n");
}

#[tokio::test]
async fn outputs_can_be_apart_with_an_exit_status() {
    let emulator = emulator().await;
    let request = non_interactive("sh -c 'echo out; echo err >&2; exit 3'", true);
    let mut client = Client::open(&emulator, &request, Options::default()).await;
    let mut parts = Vec::new();
    while let Received::Data(payload_type, payload) = client.next().await {
        parts.push((payload_type.0, String::from_utf8(payload.to_vec()).unwrap()));
    }
    parts.sort();
    let expected = [(1, "out\n"), (11, "err\n"), (12, "EXIT_CODE: 3")];
    assert_eq!(parts, expected.map(|(number, text)| (number, text.to_owned())));
}

#[tokio::test]
async fn control_c_interrupts_a_command_without_a_terminal() {
    let emulator = emulator().await;
    let request = non_interactive("sh -c 'echo ready; exec sleep 1000'", true);
    let mut client = Client::open(&emulator, &request, Options::default()).await;
    until(&mut client, "ready").await;
    client.send(PayloadType::OUTPUT, vec![3]);
    let Received::Data(PayloadType::EXIT_CODE, payload) = client.next().await else { panic!("no status") };
    assert_eq!(payload, "EXIT_CODE: -1");
    assert_eq!(client.next().await, Received::Closed(String::new()));
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_an_error_output() {
    let emulator = emulator().await;
    let request = non_interactive("no-such-program", true);
    let mut client = Client::open(&emulator, &request, Options::default()).await;
    let Received::Data(PayloadType::STDERR, payload) = client.next().await else { panic!("no error") };
    assert!(payload.starts_with(b"Unable to start command: "));
}

/// Returns a key that only knows `cipher_text`.
pub(crate) fn kms(key: Vec<u8>, cipher_text: Vec<u8>) -> (Kms, std::sync::mpsc::Receiver<EncryptionContext>) {
    let (contexts, seen) = std::sync::mpsc::channel();
    let contexts = std::sync::Mutex::new(contexts);
    let kms = Kms::new("alias/sessions", move |given, context| {
        contexts.lock().unwrap().send(context.clone()).unwrap();
        if given == cipher_text { Ok(key.clone()) } else { Err("AccessDeniedException: no".into()) }
    });
    (kms, seen)
}

#[tokio::test]
async fn a_session_with_a_kms_key_is_encrypted_in_both_directions() {
    let key = pattern(64);
    let (kms, contexts) = kms(key.clone(), b"sealed".to_vec());
    let settings = Settings { kms: Some(kms), ..with_commands() };
    let emulator = Emulator::start(settings).await.unwrap();
    let options = Options { key: Some((key, b"sealed".to_vec())), ..Options::default() };
    let mut client = Client::open(&emulator, &interactive("read line; echo \"got $line\""), options).await;
    let Received::Data(PayloadType::HANDSHAKE_REQUEST, request) = client.next().await else {
        panic!("no handshake");
    };
    let request: Value = serde_json::from_slice(&request).unwrap();
    let action =
        json!({ "ActionType": "KMSEncryption", "ActionParameters": { "KMSKeyId": "alias/sessions" } });
    assert_eq!(request["RequestedClientActions"][1], action);
    // Data that comes before the end of the handshake is dropped.
    while !matches!(client.next().await, Received::Data(PayloadType::HANDSHAKE_COMPLETE, _)) {}
    client.send(PayloadType::OUTPUT, "hello\r");
    let id = emulator.sessions().remove(0);
    let (output, reason) = client.until_closed().await;
    assert!(String::from_utf8(output).unwrap().contains("got hello"));
    assert_eq!(reason, "");
    assert_eq!(contexts.recv().unwrap(), EncryptionContext { session_id: id, target_id: INSTANCE.into() });
}

#[tokio::test]
async fn a_key_that_kms_refuses_and_one_that_differs_end_the_session() {
    let key = pattern(64);
    for (client_key, cipher_text, expected) in [
        (key.clone(), "other", "Fetching data key failed: AccessDeniedException: no"),
        (pattern(65)[1..].to_vec(), "sealed", "Encryption challenge does not match!"),
    ] {
        let (kms, _contexts) = kms(key.clone(), b"sealed".to_vec());
        let settings = Settings { kms: Some(kms), ..with_commands() };
        let emulator = Emulator::start(settings).await.unwrap();
        let options =
            Options { key: Some((client_key, cipher_text.as_bytes().to_vec())), ..Options::default() };
        let mut client = Client::open(&emulator, &interactive("echo never"), options).await;
        let (output, reason) = client.until_closed().await;
        assert_eq!(output, b"");
        assert!(reason.ends_with(expected), "{reason}");
    }
}

#[tokio::test]
async fn a_port_session_is_never_encrypted() {
    let (kms, _contexts) = kms(pattern(64), b"sealed".to_vec());
    let settings = Settings { kms: Some(kms), ..crate::support::settings(crate::support::echo().await) };
    let emulator = Emulator::start(settings).await.unwrap();
    let mut client = Client::open(&emulator, &crate::support::to_host(), Options::default()).await;
    let Received::Data(_, request) = client.next().await else { panic!("no handshake") };
    let request: Value = serde_json::from_slice(&request).unwrap();
    assert_eq!(request["RequestedClientActions"].as_array().unwrap().len(), 1);
}
