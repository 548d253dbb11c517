//! The login as a server.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::Failure;
use crate::postgres::accept::{Negotiated, Offer, check_local_password, negotiate};
use crate::postgres::error::ErrorResponse;
use crate::postgres::message;
use crate::postgres::startup::{CancelKey, GSS_REQUEST, Startup, TLS_REQUEST, packet};

fn request(code: u32) -> Vec<u8> {
    packet(&code.to_be_bytes())
}

fn startup() -> Startup {
    Startup::new(&[("user", "app"), ("database", "shop"), ("options", "-c geqo=off")])
}

/// A negotiation's result without the stream.
#[derive(Debug, PartialEq)]
enum Outcome {
    Tls,
    Startup(Startup),
    Cancel(CancelKey),
    Malformed,
    Gone,
}

/// Sends `bytes`, closes, and returns the result and the answer.
async fn negotiated(bytes: &[u8], offer: Offer) -> (Outcome, Vec<u8>) {
    let (mut client, server) = duplex(64 * 1024);
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let result = match negotiate(server, offer).await {
        Ok(Negotiated::Tls(_)) => Outcome::Tls,
        Ok(Negotiated::Startup(_, startup)) => Outcome::Startup(startup),
        Ok(Negotiated::Cancel(_, key)) => Outcome::Cancel(key),
        Err(Failure::Malformed(_)) => Outcome::Malformed,
        Err(Failure::ClientGone) => Outcome::Gone,
        Err(other) => panic!("{other:?}"),
    };
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    (result, answer)
}

#[tokio::test]
async fn requests_for_encryption_are_declined_once_each_in_any_order() {
    for codes in [
        vec![],
        vec![TLS_REQUEST],
        vec![GSS_REQUEST],
        vec![TLS_REQUEST, GSS_REQUEST],
        vec![GSS_REQUEST, TLS_REQUEST],
    ] {
        let mut bytes: Vec<u8> = codes.iter().flat_map(|&code| request(code)).collect();
        bytes.extend(startup().encode());
        let (result, answer) = negotiated(&bytes, Offer::Plain).await;
        assert_eq!(result, Outcome::Startup(startup()));
        assert_eq!(answer, vec![b'N'; codes.len()]);
    }
    for code in [TLS_REQUEST, GSS_REQUEST] {
        let (result, answer) = negotiated(&[request(code), request(code)].concat(), Offer::Plain).await;
        assert_eq!(result, Outcome::Malformed);
        assert_eq!(&answer[..2], b"NE");
    }
}

#[tokio::test]
async fn a_request_within_tls_is_refused() {
    let (result, answer) = negotiated(&request(TLS_REQUEST), Offer::Secured).await;
    assert_eq!(result, Outcome::Malformed);
    assert_eq!(answer[0], b'E');
}

#[tokio::test]
async fn offered_tls_is_accepted_on_request_and_direct_without_loss_of_a_byte() {
    for (bytes, expected) in [(request(TLS_REQUEST), &b"S"[..]), (vec![], b"")] {
        let (mut client, server) = duplex(1024);
        client.write_all(&bytes).await.unwrap();
        client.write_all(b"\x16\x03\x01rest").await.unwrap();
        let Ok(Negotiated::Tls(mut stream)) = negotiate(server, Offer::Tls).await else { panic!() };
        let mut hello = [0; 7];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(&hello, b"\x16\x03\x01rest");
        drop(stream);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn direct_tls_without_an_offer_gets_an_alert() {
    let (result, answer) = negotiated(b"\x16\x03\x01", Offer::Plain).await;
    assert_eq!(result, Outcome::Malformed);
    assert_eq!(answer, [0x15, 3, 1, 0, 2, 2, 40]);
}

#[tokio::test]
async fn other_protocols_and_wrong_lengths_are_refused() {
    let mut unterminated = startup().encode();
    unterminated.pop();
    let length = u32::try_from(unterminated.len()).unwrap();
    unterminated[..4].copy_from_slice(&length.to_be_bytes());
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0, 0, 0, 7, 0, 0, 0],
        10_001u32.to_be_bytes().to_vec(),
        packet(&[0, 2, 0, 0, 0]),
        packet(&[TLS_REQUEST.to_be_bytes().as_slice(), b"x"].concat()),
        packet(&[80_877_102u32.to_be_bytes().as_slice(), &[0; 7]].concat()),
        packet(&[80_877_102u32.to_be_bytes().as_slice(), &[0; 261]].concat()),
        unterminated,
    ] {
        let (result, answer) = negotiated(&bytes, Offer::Plain).await;
        assert_eq!(result, Outcome::Malformed, "{bytes:?}");
        assert_eq!(ErrorResponse::parse(&answer[5..]).unwrap().code, "08P01");
    }
}

#[tokio::test]
async fn cancel_keys_have_4_to_256_bytes() {
    for length in [4, 32, 256] {
        let key = CancelKey { process: 7, key: vec![9; length] };
        let (result, answer) = negotiated(&key.request(), Offer::Plain).await;
        assert_eq!((result, answer), (Outcome::Cancel(key), vec![]));
    }
}

#[tokio::test]
async fn a_truncated_packet_is_the_end_of_the_client() {
    let bytes = startup().encode();
    for end in 0..bytes.len() {
        let (result, answer) = negotiated(&bytes[..end], Offer::Plain).await;
        assert_eq!(result, Outcome::Gone);
        assert!(answer.is_empty());
    }
}

#[tokio::test]
async fn the_local_password_is_compared_as_a_whole() {
    for (given, right) in
        [("secret", true), ("secre", false), ("secretx", false), ("Secret", false), ("", false)]
    {
        let (mut client, mut server) = duplex(1024);
        message::write(&mut client, b'p', &[given.as_bytes(), b"\0"].concat()).await.unwrap();
        let result = check_local_password(&mut server, "app", b"secret").await;
        assert_eq!(result.is_ok(), right, "{given}");
        drop(server);
        let request = message::read(&mut client, 100).await.unwrap();
        assert_eq!((request.tag, request.body), (b'R', vec![0, 0, 0, 3]));
        if !right {
            let error = message::read(&mut client, 1000).await.unwrap();
            let error = ErrorResponse::parse(&error.body).unwrap();
            assert_eq!(error.code, "28P01");
            assert_eq!(error.message, "password authentication failed for user \"app\"");
        }
    }
}

proptest! {
    #[test]
    fn any_first_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..200), framed: bool) {
        let bytes = if framed { packet(&bytes) } else { bytes };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        drop(runtime.block_on(negotiated(&bytes, Offer::Plain)));
    }
}

#[test]
fn another_user_keeps_the_clients_database() {
    let changed = Startup::new(&[("user", "me"), ("options", "x")]).with_user("app");
    assert_eq!(changed, Startup::new(&[("user", "app"), ("database", "me"), ("options", "x")]));
    assert_eq!(startup().with_user("app"), startup());
}
