use aws_credential_types::Credentials;
use mysql_common::constants::CapabilityFlags;
use mysql_common::packets::HandshakeResponse;
use mysql_common::proto::MyDeserialize as _;
use proptest::prelude::*;
use rds_iam_token::{Clock, Login, Minter, ServerCode, Token, TokenSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::{endpoint, login_payload, run};
use crate::Failure;
use crate::mysql::accept::read_login;
use crate::mysql::connect::{self, Request, TokenAuthenticator};
use crate::mysql::packet::{encode, read};
use crate::mysql::{ErrorPacket, Greeting};

const OK: &[u8] = b"\0\0\0\x02\0\0\0";

fn tokens(session_token: &str) -> TokenSource {
    let login = Login::new(endpoint(), "eu-west-1".parse().unwrap(), "ada".parse().unwrap());
    let credentials =
        Credentials::new("AKIDEXAMPLE", "not-a-real-secret", Some(session_token.into()), None, "test");
    TokenSource::lazy(Minter::new(login, credentials, Clock::system()))
}

fn token(session_token: &str) -> Token {
    run(tokens(session_token).token()).unwrap()
}

fn request(greeting: &Greeting) -> Request {
    let login =
        run(read_login(&mut &*encode(1, &login_payload(Some("caching_sha2_password"), b"")).0)).unwrap();
    Request::new(&login, "app", greeting)
}

/// Logs in to a server that sends `answers`, and returns the result and the bytes that the server received.
fn log_in(token: &Token, greeting: &Greeting, answers: &[u8]) -> (Result<Vec<u8>, Failure>, Vec<u8>) {
    let request = request(greeting);
    run(async {
        let (mut ours, mut theirs) = duplex(1 << 20);
        theirs.write_all(answers).await.unwrap();
        let endpoint = endpoint();
        let mut authenticator = TokenAuthenticator::new(token, "app", &endpoint);
        let result = connect::log_in(&mut ours, greeting, &request, &endpoint, &mut authenticator).await;
        drop(ours);
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).await.unwrap();
        (result, received)
    })
}

#[test]
fn the_login_has_the_clients_form_and_the_token() {
    let (token, greeting) = (token("session"), Greeting::new("8.4.7", 7).unwrap());
    let (result, received) = log_in(&token, &greeting, &encode(3, OK).0);
    assert_eq!(result.unwrap(), OK);
    let packet = run(read(&mut &*received, 1 << 16)).unwrap().unwrap();
    assert_eq!(packet.sequence, 2);
    let login = HandshakeResponse::deserialize((), &mut mysql_common::io::ParseBuf(&packet.payload)).unwrap();
    assert_eq!((login.user(), login.db_name()), (&b"app"[..], Some(&b"shop"[..])));
    assert_eq!(login.scramble_buf(), [token.expose().as_bytes(), &[0]].concat());
    assert_eq!(login.auth_plugin().unwrap().as_bytes(), b"mysql_clear_password");
    assert_eq!(login.collation(), 45);
    assert!(
        login.capabilities().contains(CapabilityFlags::CLIENT_DEPRECATE_EOF | CapabilityFlags::CLIENT_SSL)
    );
    // The form of later packets is the client's.
    assert!(!login.capabilities().contains(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES));
    assert!(!login.capabilities().contains(CapabilityFlags::CLIENT_CONNECT_ATTRS));
}

#[test]
fn a_token_of_64_kb_is_sent_whole_and_again_on_request() {
    let (token, greeting) = (token(&"t".repeat(63 << 10)), Greeting::new("8.4.7", 7).unwrap());
    for data in [&b""[..], b"abcdefghijklmnopqrst\0"] {
        let switch = [b"\xfemysql_clear_password\0", data].concat();
        let answers = [encode(3, &switch).0, encode(5, OK).0].concat();
        let (result, received) = log_in(&token, &greeting, &answers);
        assert_eq!(result.unwrap(), OK);
        let mut stream = &*received;
        let login = run(read(&mut stream, 1 << 20)).unwrap().unwrap();
        let text = [token.expose().as_bytes(), &[0]].concat();
        assert!(login.payload.windows(text.len()).any(|window| window == text));
        let again = run(read(&mut stream, 1 << 20)).unwrap().unwrap();
        assert!(again.sequence == 4 && again.payload == text);
    }
}

#[test]
fn a_server_without_long_responses_gets_the_token_on_request() {
    let token = token("session");
    let offered = CapabilityFlags::all().difference(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA);
    let greeting = Greeting::new("5.5.0", 7).unwrap().limited_to(offered);
    let answers = [encode(3, b"\xfemysql_clear_password\0").0, encode(5, OK).0].concat();
    let (result, received) = log_in(&token, &greeting, &answers);
    assert_eq!(result.unwrap(), OK);
    let login = run(read_login(&mut &*received)).unwrap();
    assert_eq!((login.plugin.as_deref(), login.auth_response.len()), (Some("mysql_native_password"), 0));
}

#[test]
fn the_token_is_sent_to_no_other_plugin_and_no_error_contains_it() {
    let (token, greeting) = (token("session"), Greeting::new("8.4.7", 7).unwrap());
    let cases: [&[u8]; 8] = [
        b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0",
        b"\xfe",
        b"\xfe\xff",
        b"\x01\x04",
        b"\x02second",
        b"\x77",
        b"",
        b"\xff",
    ];
    for answer in cases {
        let (result, received) = log_in(&token, &greeting, &encode(3, answer).0);
        let failure = result.unwrap_err();
        let mut stream = &*received;
        run(read(&mut stream, 1 << 16)).unwrap().unwrap();
        assert!(stream.is_empty(), "{answer:?}");
        let shown = format!("{failure:?} {failure} {:?}", ErrorPacket::from_failure(&failure));
        assert!(!shown.contains("Signature") && !shown.contains(token.expose()), "{shown}");
    }
    let (result, _) = log_in(&token, &greeting, &encode(3, cases[0]).0);
    assert_eq!(
        result.unwrap_err().to_string(),
        "db.example.com:3306 asked user app for caching_sha2_password, not for a token: the user does not exist, or \
         has no IAM login. Create it IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS', or run rds-iam-bootstrap"
    );
}

#[test]
fn a_server_that_never_decides_is_given_up() {
    let answers: Vec<u8> = (0..100_u8).flat_map(|n| encode(n, b"\xfemysql_clear_password\0").0).collect();
    let (result, _) = log_in(&token("session"), &Greeting::new("8.4.7", 7).unwrap(), &answers);
    assert!(matches!(result, Err(Failure::Unexpected { .. })), "{result:?}");
}

#[test]
fn a_refusal_keeps_the_servers_packet_before_and_after_the_greeting() {
    let denied = b"\xff\x15\x04#28000Access denied";
    let (result, _) = log_in(&token("session"), &Greeting::new("8.4.7", 7).unwrap(), &encode(3, denied).0);
    let Err(Failure::Refused { code, message, packet, .. }) = result else { panic!("{result:?}") };
    assert_eq!((code, &*message, &*packet), (ServerCode::MySql(1045), "Access denied", &denied[..]));

    let blocked = b"\xff\x69\x04Host '10.0.0.1' is blocked";
    let result = run(connect::greeting(&mut &*encode(0, blocked).0, &endpoint()));
    let Err(Failure::Refused { code, packet, .. }) = result else { panic!("{result:?}") };
    assert_eq!((code, &*packet), (ServerCode::MySql(1129), &blocked[..]));
}

#[test]
fn a_greeting_keeps_the_servers_identity_for_clients() {
    let server = Greeting::new("8.0.mysql_aurora.3.10.0", 4711).unwrap();
    let read = run(connect::greeting(&mut &*encode(0, &server.payload()).0, &endpoint())).unwrap();
    assert_eq!(read, server);
    // An authentication data length that mysql_common overflows on.
    let mut payload = server.payload();
    payload[1 + "8.0.mysql_aurora.3.10.0".len() + 1 + 20] = 0x80;
    assert!(Greeting::parse(&payload).is_err());
}

proptest! {
    #[test]
    fn arbitrary_answers_are_errors_or_ends_of_the_login(answer: Vec<u8>, first: u8) {
        let _either = Greeting::parse(&answer);
        let greeting = Greeting::new("8.4.7", 7).unwrap();
        let mut payload = greeting.payload();
        for (at, byte) in answer.iter().enumerate() {
            let at = at * usize::from(first) % payload.len();
            payload[at] ^= byte;
        }
        let _either = Greeting::parse(&payload);
        let answer = [&[first], &answer[..]].concat();
        let (result, _) = log_in(&token("session"), &greeting, &encode(3, &answer).0);
        prop_assert_eq!(result.is_ok(), first == 0);
    }
}
