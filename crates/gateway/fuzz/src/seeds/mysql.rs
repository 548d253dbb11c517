//! MySQL's seeds.

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use mysql_common::constants::CapabilityFlags;
use mysql_common::packets::{AuthPlugin, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize as _;
use rds_iam_gateway::mysql::packet;

use super::database;
use crate::input::Input;
use crate::login::PASSWORD;

const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";
const OK: &[u8] = b"\0\0\0\x02\0\0\0";
const DENIED: &[u8] = b"\xff\x15\x04#28000Access denied for user 'app'";

const SHA2: Option<&str> = Some("caching_sha2_password");
const NATIVE: Option<&str> = Some("mysql_native_password");
const CLEARTEXT: Option<&str> = Some("mysql_clear_password");
const OTHER: Option<&str> = Some("sha256_password");

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    packet::encode(sequence, payload).0
}

fn greeting(capabilities: CapabilityFlags) -> Vec<u8> {
    let [a, b, c, d] = capabilities.bits().to_le_bytes();
    let payload = [
        b"\x0a8.4.7\0\x07\0\0\0",
        &NONCE[..8],
        &[0, a, b, 255, 2, 0, c, d, 21],
        &[0; 10],
        &NONCE[8..],
        b"\0mysql_native_password\0",
    ];
    packet(0, &payload.concat())
}

fn all() -> CapabilityFlags {
    CapabilityFlags::all()
}

fn client() -> CapabilityFlags {
    CapabilityFlags::CLIENT_PROTOCOL_41
        | CapabilityFlags::CLIENT_SECURE_CONNECTION
        | CapabilityFlags::CLIENT_PLUGIN_AUTH
        | CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
        | CapabilityFlags::CLIENT_CONNECT_WITH_DB
        | CapabilityFlags::CLIENT_CONNECT_ATTRS
}

/// Returns a client's login.
fn login(capabilities: CapabilityFlags, user: &[u8], plugin: Option<&str>, response: &[u8]) -> Vec<u8> {
    let plugin = plugin.map(|plugin| AuthPlugin::from_bytes(plugin.as_bytes()));
    let shop: Option<&[u8]> =
        capabilities.contains(CapabilityFlags::CLIENT_CONNECT_WITH_DB).then_some(b"shop");
    let attributes = [("program_name".to_owned(), "mysql".to_owned())];
    let attributes = capabilities.contains(CapabilityFlags::CLIENT_CONNECT_ATTRS).then(|| attributes.into());
    let mut payload = Vec::new();
    HandshakeResponse::new(
        Some(response),
        (8, 4, 0),
        Some(user),
        shop,
        plugin,
        capabilities,
        attributes,
        1 << 24,
    )
    .serialize(&mut payload);
    packet(1, &payload)
}

fn as_app(plugin: Option<&str>, response: &[u8]) -> Vec<u8> {
    login(client(), b"app", plugin, response)
}

fn sha2() -> Vec<u8> {
    scramble_sha256(NONCE, PASSWORD.as_bytes()).expect("a scramble").to_vec()
}

/// The logins: flags, the client's bytes, and the database's after its greeting.
fn conversations() -> Vec<(u8, Vec<u8>, Vec<u8>)> {
    let native = scramble_native(NONCE, PASSWORD.as_bytes()).expect("a scramble");
    let old = client().difference(CapabilityFlags::CLIENT_PLUGIN_AUTH);
    let ok = packet(3, OK);
    let again = [packet(3, b"\xfemysql_clear_password\0"), packet(5, OK)].concat();
    let mut tls = Vec::new();
    SslRequest::new(client() | CapabilityFlags::CLIENT_SSL, 1 << 24, 45).serialize(&mut tls);
    let mut no_tls = Vec::new();
    SslRequest::new(client(), 1 << 24, 45).serialize(&mut no_tls);
    let in_tls = [packet(1, &tls), as_app(SHA2, b"")].concat();
    let answers: [&[u8]; 10] = [
        DENIED,
        b"\xff\x10\x04Too many connections",
        b"\xff",
        b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0",
        b"\xfe",
        b"\xfe\xff",
        b"\x01\x04",
        b"\x02second",
        b"\x77",
        b"",
    ];
    let mut all = vec![
        (0, as_app(SHA2, b""), ok.clone()),
        (4, as_app(SHA2, b""), again.clone()),
        (
            0x20,
            login(client().difference(CapabilityFlags::CLIENT_CONNECT_WITH_DB), b"app", SHA2, b""),
            ok.clone(),
        ),
        (0, as_app(SHA2, &[7; 32]), ok.clone()),
        (0, [as_app(OTHER, b"x"), packet(3, &[7; 32])].concat(), ok.clone()),
        (0, [as_app(OTHER, b"x"), packet(3, b"\0")].concat(), ok.clone()),
        (0, as_app(NATIVE, &native), ok.clone()),
        (1, as_app(SHA2, &sha2()), ok.clone()),
        (1, as_app(SHA2, &[7; 32]), ok.clone()),
        (1, as_app(NATIVE, &native), ok.clone()),
        (1, as_app(NATIVE, b""), ok.clone()),
        (1, [as_app(OTHER, b"x"), packet(3, &sha2())].concat(), ok.clone()),
        (1, login(old, b"app", None, &native), ok.clone()),
        (2, as_app(CLEARTEXT, b"password\0"), ok.clone()),
        (2, [as_app(SHA2, b""), packet(3, b"password")].concat(), ok.clone()),
        (2, login(old, b"app", None, b""), ok.clone()),
        (4, login(client(), b"root", SHA2, b""), ok.clone()),
        (8, login(client(), b"root", SHA2, b""), ok.clone()),
        (0, login(client(), b"\xff", SHA2, b""), ok.clone()),
        (0, login(client(), b"", SHA2, b""), ok.clone()),
        (0, login(client().difference(CapabilityFlags::CLIENT_PROTOCOL_41), b"app", None, b""), ok.clone()),
        (0x10, in_tls.clone(), ok.clone()),
        (0, in_tls, ok.clone()),
        (0x10, packet(1, &no_tls), ok.clone()),
        (0x40, as_app(SHA2, b""), again),
        (0, b"\xff\xff\xff\x01".to_vec(), ok.clone()),
        (0, b"GET / HTTP/1.1\r\n\r\n".to_vec(), ok.clone()),
        (0, as_app(SHA2, b"")[..20].to_vec(), ok),
        (0, Vec::new(), Vec::new()),
        (0, as_app(SHA2, b""), Vec::new()),
        (0, as_app(SHA2, b""), packet(3, &[b"\xff\x16\x04#HY000", "é".repeat(300).as_bytes()].concat())),
        (0, as_app(SHA2, b""), packet(3, b"\xfemysql_clear_password\0").repeat(17)),
    ];
    all.extend(answers.iter().map(|answer| (0, as_app(SHA2, b""), packet(3, answer))));
    all
}

/// Greetings that are refused.
fn wrong_greetings() -> Vec<Vec<u8>> {
    let valid = greeting(all());
    let mut long = valid.clone();
    long[4 + 7 + 20] = 0x80;
    vec![
        greeting(all().difference(CapabilityFlags::CLIENT_SSL)),
        greeting(all().difference(CapabilityFlags::CLIENT_PLUGIN_AUTH)),
        long,
        packet(0, &valid[4..30]),
        packet(0, b"\x09"),
        packet(0, b"\x0a8.4"),
        packet(0, b""),
        packet(0, b"\xff\x69\x04Host '10.0.0.1' is blocked"),
        valid[..9].to_vec(),
    ]
}

pub(super) fn logins() -> Vec<Vec<u8>> {
    let short = all().difference(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA);
    let mut inputs = Vec::new();
    for (driver, client, answers) in conversations() {
        let database = [greeting(all()), answers].concat();
        inputs.push(Input { driver, client, database, ..Input::default() });
    }
    let login = || as_app(SHA2, b"");
    let asked = [greeting(short), packet(3, b"\xfemysql_clear_password\0"), packet(5, OK)].concat();
    inputs.push(Input { client: login(), database: asked, ..Input::default() });
    for database in wrong_greetings() {
        inputs.push(Input { client: login(), database, ..Input::default() });
    }
    for streams in [1, 2, 4, 0x10, 0xf0] {
        let database = [greeting(all()), packet(3, OK)].concat();
        inputs.push(Input { streams, sizes: [1, 3], client: login(), database, ..Input::default() });
    }
    inputs.iter().map(Input::encode).collect()
}

pub(super) fn sessions() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    let mut add = |driver: u8, client: &[u8], database: Vec<u8>| {
        inputs.push(Input { driver, client: client.to_vec(), database, ..Input::default() });
    };
    let (ok, denied) = (packet(3, OK), packet(3, DENIED));
    let login = as_app(SHA2, b"");
    let empty =
        super::mysql::login(client().difference(CapabilityFlags::CLIENT_CONNECT_WITH_DB), b"app", SHA2, b"");
    let valid = greeting(all());
    add(0, &login, database(&valid, &ok, b""));
    add(0x20, &empty, database(&valid, &ok, b""));
    add(1, &as_app(SHA2, &sha2()), database(&valid, &ok, b""));
    add(1, &login, database(&valid, &ok, b""));
    add(4, &super::mysql::login(client(), b"root", SHA2, b""), database(&valid, &ok, b""));
    // A cached token is replaced once.
    add(0x40, &login, database(&valid, &denied, &ok));
    add(0x40, &login, database(&valid, &denied, &denied));
    add(0, &login, database(&valid, &denied, &ok));
    add(0x40, &login, database(&valid, b"", &ok));
    // The connection fails, TLS fails, all sessions are open.
    add(2, &login, database(&valid, &ok, b""));
    add(0, &login, database(&valid, b"", b""));
    add(0xc, &login, database(&valid, &ok, b""));
    add(0x80, b"", database(&valid, &ok, b""));
    add(0xa0, b"", database(&valid, &denied, b""));
    for wrong in wrong_greetings() {
        add(0, &login, database(&wrong, &ok, b""));
    }
    inputs.iter().map(Input::encode).collect()
}

pub(super) fn frames() -> Vec<Vec<u8>> {
    let file: Vec<u8> = (0..300_u32).flat_map(|part| packet(part as u8, b"\x11")).collect();
    let streams = [
        [packet(0, b"\x03SELECT 1"), packet(0, b"\x0e"), packet(0, &[0x16; 300])].concat(),
        [packet(0, b"\x0e"), packet(0, b"\x11ada\0")].concat(),
        [packet(0, b"\x03LOAD DATA"), file, packet(9, b""), packet(0, b"\x01")].concat(),
        [packet(2, b""), packet(0, b"\x01")].concat(),
        [b"\xff\xff\xff\0\x03".to_vec(), vec![b'x'; 100]].concat(),
        [packet(0, b"\x03LOAD DATA"), packet(2, b"row"), packet(3, b""), packet(0, b"\x11")].concat(),
    ];
    streams.iter().map(|stream| [b"\x02\x06\0\x28", &**stream].concat()).collect()
}
