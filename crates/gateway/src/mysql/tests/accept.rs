use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use mysql_common::packets::SslRequest;
use mysql_common::proto::MySerialize as _;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::{client_flags, login_payload, run};
use crate::Failure;
use crate::mysql::accept::{
    ClientLogin, First, accept_any, check_local_password, finish, greet, read_first, read_login, refuse,
    request_cleartext,
};
use crate::mysql::packet::{encode, read, write};
use crate::mysql::{ErrorPacket, Greeting, Offer};
use mysql_common::constants::CapabilityFlags;

const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";
const SHA2: Option<&str> = Some("caching_sha2_password");
const NATIVE: Option<&str> = Some("mysql_native_password");

fn login(plugin: Option<&str>, response: &[u8]) -> ClientLogin {
    run(read_login(&mut &*encode(1, &login_payload(plugin, response)).0)).unwrap()
}

/// Runs `server` against a client whose bytes are `sent`; returns its result and the bytes that it wrote.
fn converse<T>(sent: &[u8], server: impl AsyncFnOnce(&mut DuplexStream) -> T) -> (T, Vec<u8>) {
    run(async {
        let (mut ours, mut theirs) = duplex(1 << 20);
        theirs.write_all(sent).await.unwrap();
        let result = server(&mut ours).await;
        drop(ours);
        let mut written = Vec::new();
        theirs.read_to_end(&mut written).await.unwrap();
        (result, written)
    })
}

#[test]
fn a_login_is_read_with_its_fields() {
    let login = login(SHA2, b"secret-token");
    assert_eq!((&*login.user, login.database.as_deref(), login.sequence), ("ada", Some(&b"shop"[..]), 2));
    assert_eq!((login.max_packet_size, login.auth_response.as_slice()), (1 << 24, &b"secret-token"[..]));
    assert!(login.capabilities.contains(client_flags()));
    assert!(!format!("{login:?}").contains("secret"), "{login:?}");
    let debug_bytes = format!("{:?}", b"secret-token");
    assert!(!format!("{login:?}").contains(&debug_bytes[1..10]));
}

#[test]
fn a_request_for_tls_is_recognised_and_nothing_after_it_is_read() {
    let mut payload = Vec::new();
    SslRequest::new(client_flags() | CapabilityFlags::CLIENT_SSL, 1, 45).serialize(&mut payload);
    let bytes = [encode(1, &payload).0, b"hello".to_vec()].concat();
    let mut stream = &*bytes;
    assert!(matches!(run(read_first(&mut stream)).unwrap(), First::Tls));
    assert_eq!(stream, b"hello");
    assert!(matches!(run(read_login(&mut &*bytes)), Err(Failure::Malformed(_))));
}

#[test]
fn a_client_that_leaves_or_speaks_http_is_an_error() {
    assert!(matches!(run(read_first(&mut &b""[..])), Err(Failure::ClientGone)));
    let error = run(read_first(&mut &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..])).unwrap_err();
    assert!(matches!(error, Failure::TooLong { .. }), "{error:?}");
}

#[test]
fn the_local_password_is_checked_for_both_plugins() {
    let sha2 = scramble_sha256(NONCE, b"local").unwrap();
    let native = scramble_native(NONCE, b"local").unwrap();
    let check = |login: ClientLogin| {
        converse(b"", async |stream| check_local_password(stream, &login, NONCE, "local").await)
    };
    let (next, written) = check(login(SHA2, &sha2));
    assert_eq!((next.unwrap(), &*written), (3, &b"\x02\0\0\x02\x01\x03"[..]));
    let (next, written) = check(login(NATIVE, &native));
    assert_eq!((next.unwrap(), written.len()), (2, 0));
    for (plugin, wrong) in
        [(SHA2, &sha2[..31]), (SHA2, b""), (NATIVE, &native[1..]), (NATIVE, &sha2[..20]), (SHA2, &[0; 32])]
    {
        let (result, written) = check(login(plugin, wrong));
        assert!(matches!(result, Err(Failure::Denied(_))), "{plugin:?} {wrong:?}");
        assert_eq!(written.len(), 0);
    }
    // An empty local password accepts nothing.
    let empty = login(SHA2, b"");
    let (result, _) = converse(b"", async |stream| check_local_password(stream, &empty, NONCE, "").await);
    assert!(matches!(result, Err(Failure::Denied(_))));
}

#[test]
fn another_plugin_is_switched_for_the_local_password() {
    let sha2 = scramble_sha256(NONCE, b"local").unwrap();
    let login = login(Some("sha256_password"), b"\x01");
    let answer = encode(3, &sha2).0;
    let (next, written) =
        converse(&answer, async |stream| check_local_password(stream, &login, NONCE, "local").await);
    assert_eq!(next.unwrap(), 5);
    let switch = [b"\xfecaching_sha2_password\0", &NONCE[..], b"\0"].concat();
    assert_eq!(written, [encode(2, &switch).0, encode(4, b"\x01\x03").0].concat());
    let (result, _) = converse(&encode(3, &[9; 32]).0, async |stream| {
        check_local_password(stream, &login, NONCE, "local").await
    });
    assert!(matches!(result, Err(Failure::Denied(_))));
}

#[test]
fn any_client_is_accepted_with_the_answer_that_its_plugin_waits_for() {
    let cases = [
        (SHA2, &b""[..], 2, &b""[..]),
        // An empty password of libmysqlclient.
        (SHA2, b"\0", 2, b""),
        (SHA2, &[7; 32], 3, b"\x02\0\0\x02\x01\x03"),
        (NATIVE, &[7; 20], 2, b""),
        (NATIVE, b"", 2, b""),
        (Some("mysql_clear_password"), b"x\0", 2, b""),
    ];
    for (plugin, response, next, expected) in cases {
        let login = login(plugin, response);
        let (result, written) = converse(b"", async |stream| accept_any(stream, &login, NONCE).await);
        assert_eq!((result.unwrap(), &*written), (next, expected), "{plugin:?} {response:?}");
    }
    let login = login(Some("sha256_password"), b"\x01");
    for (answer, next) in [(&[7; 32][..], 5), (b"\0", 4), (b"", 4)] {
        let (result, _) =
            converse(&encode(3, answer).0, async |stream| accept_any(stream, &login, NONCE).await);
        assert_eq!(result.unwrap(), next);
    }
}

#[test]
fn a_cleartext_password_is_requested_or_taken_from_the_login() {
    let (asked, sent) = (login(SHA2, b""), login(Some("mysql_clear_password"), b"token\0"));
    let (result, written) =
        converse(&encode(3, b"token\0").0, async |stream| request_cleartext(stream, &asked).await);
    assert_eq!(result.unwrap(), (b"token".to_vec(), 4));
    assert_eq!(written, encode(2, b"\xfemysql_clear_password\0").0);
    let (result, written) = converse(b"", async |stream| request_cleartext(stream, &sent).await);
    assert_eq!((result.unwrap(), written.len()), ((b"token".to_vec(), 2), 0));
}

#[test]
fn a_login_ends_with_the_given_packet() {
    let error = ErrorPacket::new(1045, *b"28000", "no");
    let ((), written) = converse(b"", async |stream| {
        greet(stream, &Greeting::new("8.4.7", 9).unwrap().for_client(Offer { tls: false })).await.unwrap();
        finish(stream, 3, b"\0ok").await.unwrap();
        refuse(stream, 4, &error).await.unwrap();
    });
    let mut stream = &*written;
    let greeting = run(read(&mut stream, 1000)).unwrap().unwrap();
    let greeting = Greeting::parse(&greeting.payload).unwrap();
    assert_eq!((greeting.connection_id(), &*greeting.version()), (9, "8.4.7"));
    assert!(!greeting.capabilities().contains(CapabilityFlags::CLIENT_SSL));
    assert!(!greeting.capabilities().contains(CapabilityFlags::CLIENT_COMPRESS));
    assert!(!greeting.capabilities().contains(CapabilityFlags::CLIENT_ZSTD_COMPRESSION_ALGORITHM));
    assert!(greeting.nonce().iter().all(|&byte| byte.is_ascii_graphic() && byte != b'$'));
    assert_eq!(stream, [encode(3, b"\0ok").0, encode(4, b"\xff\x15\x04#28000no").0].concat());
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_an_error_or_a_login(payload: Vec<u8>, flags: u32) {
        let mut bytes = Vec::new();
        run(write(&mut bytes, 1, &payload)).unwrap();
        let _either = run(read_first(&mut &*bytes));
        // Past the first check, with any capabilities.
        let payload = [&(flags | 0x200).to_le_bytes()[..], &[0; 28], &payload].concat();
        let _either = run(read_first(&mut &*encode(1, &payload).0));
        let _either = run(read_first(&mut &*payload));
    }

    #[test]
    fn a_truncated_login_is_an_error(cut in 0_usize..80) {
        let payload = login_payload(SHA2, &[1; 32]);
        let cut = cut.min(payload.len() - 40);
        prop_assert!(run(read_login(&mut &*encode(1, &payload[..cut]).0)).is_err());
    }
}
