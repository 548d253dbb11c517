//! The login as a client.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::endpoint;
use crate::Failure;
use crate::postgres::connect::{AuthRequest, Authenticator, LoggedIn, MAX_LOGIN_ANSWER, log_in, request_tls};
use crate::postgres::error::{self, ErrorResponse};
use crate::postgres::message::{self, encode};
use crate::postgres::startup::{CancelKey, Startup};

/// Answers with a text that must not appear anywhere.
struct Secret(String);

impl Authenticator for Secret {
    fn answer(&mut self, request: AuthRequest<'_>) -> Result<Option<Vec<u8>>, Failure> {
        match request {
            AuthRequest::Cleartext => Ok(Some([self.0.as_bytes(), b"\0"].concat())),
            AuthRequest::SaslFinal(_) => Ok(None),
            _ => Err(Failure::Denied("other request".into())),
        }
    }
}

fn ok() -> Vec<u8> {
    encode(b'R', &[0; 4])
}

fn cleartext() -> Vec<u8> {
    encode(b'R', &[0, 0, 0, 3])
}

/// Logs in to a server which sends `script` at once, and returns the result and the bytes that the server received.
async fn scripted(script: Vec<u8>, token: &str) -> (Result<LoggedIn, Failure>, Vec<u8>) {
    let (mut client, server) = duplex(1024);
    let (mut input, mut output) = tokio::io::split(server);
    let startup = Startup::new(&[("user", "me")]);
    let mut secret = Secret(token.into());
    let login = async {
        let result = log_in(&mut client, &endpoint(), &startup, Some("app"), &mut secret).await;
        drop(client);
        result
    };
    let send = async {
        // The client may close first, on purpose.
        output.write_all(&script).await.ok();
        output.shutdown().await.ok();
    };
    let receive = async {
        let mut received = Vec::new();
        input.read_to_end(&mut received).await.unwrap();
        received
    };
    let (result, (), received) = tokio::join!(login, send, receive);
    (result, received)
}

#[tokio::test]
async fn a_token_of_64_kb_is_sent_and_the_messages_of_the_login_are_kept() {
    let token = "t".repeat(64 * 1024);
    let kept = [
        encode(b'v', &[0, 3, 0, 0, 0, 0, 0, 0]),
        encode(b'N', b"SNOTICE\0\0"),
        ok(),
        encode(b'S', b"server_version\x0018\0"),
        encode(b'K', &[&[0, 0, 0, 5][..], &[1; 32]].concat()),
        encode(b'Z', b"I"),
    ];
    let script = [&kept[0][..], &cleartext(), &kept[1..].concat()].concat();
    let (result, received) = scripted(script, &token).await;
    let logged_in = result.unwrap();
    assert_eq!(logged_in.messages, kept.concat());
    assert_eq!(logged_in.key, Some(CancelKey { process: 5, key: vec![1; 32] }));
    let startup = Startup::new(&[("user", "app"), ("database", "me")]).encode();
    let password = encode(b'p', &[token.as_bytes(), b"\0"].concat());
    assert!(received == [startup, password].concat());
}

#[tokio::test]
async fn a_refusal_keeps_the_servers_message_and_gets_a_hint() {
    let error = ErrorResponse::fatal("28000", "PAM authentication failed for user \"app\"");
    let (result, _) = scripted([cleartext(), error.encode()].concat(), "secret-token").await;
    let failure = result.unwrap_err();
    let Failure::Refused { packet, .. } = &failure else { panic!("{failure:?}") };
    assert_eq!(packet, &error.encode());
    let shown = ErrorResponse::parse(&error::encode(&failure)[5..]).unwrap();
    assert!(shown.hint.as_ref().unwrap().contains("rds-db:connect"));
    assert_eq!(ErrorResponse { hint: None, ..shown }, error);
    assert!(!format!("{failure:?} {failure}").contains("secret-token"));
}

#[tokio::test]
async fn messages_of_no_login_are_refused() {
    for script in [
        encode(b'Z', b"I"),
        [ok(), ok()].concat(),
        [ok(), encode(b'D', b"x")].concat(),
        [ok(), encode(b'K', &[0; 7])].concat(),
        encode(b'R', &[0, 0]),
        encode(b'E', b"SFATAL\0\0"),
        vec![b'R', 0, 0, 0, 3],
        vec![b'R', 0xff, 0, 0, 0],
        ok(),
    ] {
        let (result, _) = scripted(script.clone(), "t").await;
        assert!(matches!(result, Err(Failure::Unexpected { .. })), "{script:?}: {result:?}");
    }
}

#[tokio::test]
async fn the_messages_of_a_login_have_a_limit() {
    let notice = encode(b'N', &[1; 1000]);
    let (result, _) = scripted(notice.repeat(MAX_LOGIN_ANSWER / 1000), "t").await;
    assert!(matches!(result, Err(Failure::Unexpected { .. })), "{result:?}");
}

#[tokio::test]
async fn tls_is_requested_and_nothing_else_than_s_is_accepted() {
    let error = ErrorResponse::fatal("53300", "too many clients").encode();
    for (answer, check) in [
        (&b"S"[..], (|result| matches!(result, Ok(()))) as fn(Result<(), Failure>) -> bool),
        (b"N", |result| matches!(result, Err(Failure::NoTls(_)))),
        (b"Sx", |result| matches!(result, Err(Failure::Unexpected { .. }))),
        (b"H", |result| matches!(result, Err(Failure::Unexpected { .. }))),
        (b"", |result| matches!(result, Err(Failure::Unexpected { .. }))),
        (&error, |result| matches!(result, Err(Failure::Refused { .. }))),
        (&error[..20], |result| matches!(result, Err(Failure::Unexpected { .. }))),
    ] {
        let (mut client, mut server) = duplex(1024);
        server.write_all(answer).await.unwrap();
        server.shutdown().await.unwrap();
        assert!(check(request_tls(&mut client, &endpoint()).await), "{answer:?}");
        drop(client);
        let mut request = Vec::new();
        server.read_to_end(&mut request).await.unwrap();
        assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
    }
}

#[tokio::test]
async fn debug_output_shows_no_body_and_no_key() {
    let message = message::Message { tag: b'p', body: b"secret".to_vec() };
    let key = CancelKey { process: 1, key: b"secret".to_vec() };
    assert_eq!(format!("{message:?} {key:?}"), "Message('p', 6 bytes) CancelKey { process: 1, .. }");
}

proptest! {
    #[test]
    fn any_answer_ends_in_a_result(parts in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..8), framed: bool) {
        let script: Vec<u8> = parts
            .iter()
            .flat_map(|(tag, body)| {
                let tag = [b'R', b'S', b'K', b'Z', b'E', b'N', b'v', *tag][usize::from(tag % 8)];
                if framed { encode(tag, body) } else { body.clone() }
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        drop(runtime.block_on(scripted(script, "t")));
    }
}
