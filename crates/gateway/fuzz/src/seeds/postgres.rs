//! PostgreSQL's seeds.

use rds_iam_gateway::postgres::ErrorResponse;
use rds_iam_gateway::postgres::message::encode;
use rds_iam_gateway::postgres::startup::{CancelKey, GSS_REQUEST, Startup, TLS_REQUEST, packet};

use super::database;
use crate::input::Input;
use crate::login::PASSWORD;
use crate::sessions::KEY;

fn startup(user: &str) -> Vec<u8> {
    Startup::new(&[("user", user), ("database", "shop"), ("client_encoding", "UTF8")]).encode()
}

fn tls() -> Vec<u8> {
    packet(&TLS_REQUEST.to_be_bytes())
}

fn gss() -> Vec<u8> {
    packet(&GSS_REQUEST.to_be_bytes())
}

fn password(text: &str) -> Vec<u8> {
    encode(b'p', &[text.as_bytes(), b"\0"].concat())
}

fn cancel(process: u32) -> Vec<u8> {
    CancelKey { process, key: KEY.1.to_vec() }.request()
}

/// A request for authentication.
fn request(kind: u32, data: &[u8]) -> Vec<u8> {
    encode(b'R', &[&kind.to_be_bytes(), data].concat())
}

fn ready() -> Vec<u8> {
    let messages = [
        request(0, b""),
        encode(b'S', b"server_version\x0017.5\0"),
        encode(b'K', &[0, 0, 0, 9, 1, 2, 3, 4]),
        encode(b'Z', b"I"),
    ];
    messages.concat()
}

/// The database's answers to a login.
fn accepted() -> Vec<u8> {
    [request(3, b""), ready()].concat()
}

fn refused() -> Vec<u8> {
    ErrorResponse::fatal("28000", "PAM authentication failed for user \"app\"").encode()
}

/// The clients that do more than to log in, with their flags.
fn clients() -> Vec<(u8, Vec<u8>)> {
    let app = || startup("app");
    let only = |parameters: &[(&str, &str)]| Startup::new(parameters).encode();
    let mut unterminated = app();
    unterminated[30..].fill(b'x');
    let cancel_of_3_bytes = packet(b"\x04\xd2\x16\x2e\0\0\0\x01abc");
    vec![
        (0, app()),
        (0, [tls(), gss(), app()].concat()),
        (0, [gss(), tls(), app()].concat()),
        (0, [tls(), tls(), app()].concat()),
        (0, [gss(), gss(), app()].concat()),
        (0x10, [tls(), app()].concat()),
        (0x10, [gss(), tls(), tls(), app()].concat()),
        (0x10, [&b"\x16"[..], &app()].concat()),
        (0x10, [tls(), cancel(1)].concat()),
        (0x10, [gss(), b"\x16".to_vec()].concat()),
        (0, b"\x16\x03\x01\x02\0".to_vec()),
        (0, [gss(), b"\x16".to_vec()].concat()),
        (0, b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        (0, b"\0\0\0\x07abc".to_vec()),
        (0, b"\0\xff\xff\xffabc".to_vec()),
        (0, packet(b"\0\x02\0\0")),
        (0, packet(b"\0\x03\0\0user\0app")),
        (0, packet(b"\0\x03\0\0user\0app\0\0rest")),
        (0, packet(b"\0\x03\0\0user\0\xff\0\0")),
        (0, packet(b"\0\x03\0\x02user\0app\0_pq_.x\0y\0\0")),
        (0, unterminated),
        (0, only(&[("database", "shop")])),
        (0, only(&[("user", "")])),
        (0, only(&[("user", "app")])),
        (0, only(&[("user", "app"), ("database", "")])),
        (0, cancel(1)),
        (0, cancel_of_3_bytes),
        (4, startup("root")),
        (8, only(&[("user", "root")])),
        (1, [app(), password(PASSWORD)].concat()),
        (1, [app(), password("wrong")].concat()),
        (1, [app(), encode(b'p', b"no end")].concat()),
        (1, [app(), encode(b'p', b"two\0ends\0")].concat()),
        (1, [app(), encode(b'Q', b"\0")].concat()),
        (1, [app(), b"p\0\0\0\x03".to_vec()].concat()),
        (1, [app(), b"p\0\x7f\0\0".to_vec()].concat()),
        (1, app()),
        (2, [app(), password("any")].concat()),
        (0x40, app()),
        (0, app()[..20].to_vec()),
        (0, Vec::new()),
    ]
}

/// Answers of a database, the one about TLS included, that don't lead to a login.
fn wrong_answers() -> Vec<Vec<u8>> {
    let inside: [&[u8]; 21] = [
        &refused(),
        &ErrorResponse::fatal("3D000", "database \"shop\" does not exist").encode(),
        &ErrorResponse::error("53300", "too many connections").hint("wait").encode(),
        &encode(b'E', b"VERROR\0C28P01\0Mno\0Da detail\0Ha hint\0Xother\0\0"),
        &encode(b'E', b"Mno code\0\0"),
        &encode(b'E', b"Cno end"),
        &request(5, b"salt"),
        &request(5, b"sal"),
        &request(10, b"SCRAM-SHA-256\0SCRAM-SHA-256-PLUS\0\0"),
        &request(10, b"SCRAM-SHA-256"),
        &request(10, b"\xff\0\0"),
        &request(11, b"r=1"),
        &request(12, b"v=1"),
        &request(7, b""),
        &request(0, b"rest"),
        &encode(b'R', b"\0"),
        &encode(b'Z', b"I"),
        &encode(b'D', b"row"),
        &[request(0, b""), encode(b'K', b"\0\0\0\x09")].concat(),
        b"R\0\0\0\x03",
        b"R\0\x7f\0\0",
    ];
    let mut answers: Vec<_> = inside.iter().map(|inside| [b"S", *inside].concat()).collect();
    answers.push([&b"S"[..], &request(0, b""), &encode(b'S', &vec![b'x'; 60_000]).repeat(5)].concat());
    answers.extend([&b""[..], b"N", b"x", b"S", b"E\0\0\0\x03"].map(<[u8]>::to_vec));
    answers.push(refused());
    answers.push(refused()[..9].to_vec());
    answers
}

pub(super) fn logins() -> Vec<Vec<u8>> {
    // The answer about TLS arrives alone.
    const ALONE: u8 = 1 << 3;
    let mut inputs = Vec::new();
    for (driver, client) in clients() {
        let database = [b"S", &*accepted()].concat();
        inputs.push(Input { driver, streams: ALONE, client, database, ..Input::default() });
    }
    for database in wrong_answers() {
        inputs.push(Input { streams: ALONE, client: startup("app"), database, ..Input::default() });
    }
    // Connections that fail while they are read.
    for (driver, streams) in [(1, 2), (0, ALONE | 4)] {
        inputs.push(Input {
            driver,
            streams,
            client: startup("app"),
            database: b"SR\0".to_vec(),
            ..Input::default()
        });
    }
    let negotiated = [request(3, b""), encode(b'v', b"\0\0\0\0\0\0\0\0"), encode(b'N', b"\0"), ready()];
    let negotiated = [&b"S"[..], &negotiated.concat()].concat();
    for streams in [0, ALONE, ALONE | 1, ALONE | 2, ALONE | 4, ALONE | 0x10, ALONE | 0xf0] {
        let (client, database) = (startup("app"), negotiated.clone());
        inputs.push(Input { streams, sizes: [1, 3], client, database, ..Input::default() });
    }
    inputs.iter().map(Input::encode).collect()
}

pub(super) fn sessions() -> Vec<Vec<u8>> {
    const POSTGRES: u8 = 1 << 4;
    let mut inputs = Vec::new();
    let mut add = |driver: u8, client: &[u8], database: Vec<u8>| {
        inputs.push(Input {
            driver: driver | POSTGRES,
            client: client.to_vec(),
            database,
            ..Input::default()
        });
    };
    let app = startup("app");
    add(0, &app, database(b"S", &accepted(), b""));
    add(1, &[app.clone(), password(PASSWORD)].concat(), database(b"S", &accepted(), b""));
    add(1, &[app.clone(), password("wrong")].concat(), database(b"S", &accepted(), b""));
    add(4, &startup("root"), database(b"S", &accepted(), b""));
    // A cached token is replaced once.
    add(0x40, &app, database(b"S", &refused(), &accepted()));
    add(0x40, &app, database(b"S", &refused(), &refused()));
    add(0, &app, database(b"S", &refused(), &accepted()));
    add(0, &cancel(KEY.0), database(b"S", b"\0", b""));
    add(0, &cancel(KEY.0), database(b"N", b"", b""));
    add(0, &cancel(1), database(b"S", b"", b""));
    add(0, b"\x16\x03\x01", database(b"S", b"", b""));
    add(0, &[tls(), gss(), app.clone()].concat(), database(b"S", &accepted(), b""));
    add(0, &packet(b"\0\x03\0\0\0"), database(b"S", &accepted(), b""));
    // The connection fails, TLS fails, all sessions are open.
    add(2, &app, database(b"S", &accepted(), b""));
    add(0, &app, database(b"S", b"", b""));
    add(0xc, &app, database(b"S", &accepted(), b""));
    add(0x80, b"", database(b"S", &accepted(), b""));
    add(0xa0, b"", database(b"S", &refused(), b""));
    for answer in [&b""[..], b"N", b"x", b"E", b"SS"] {
        add(0, &app, database(answer, &accepted(), b""));
    }
    inputs.iter().map(Input::encode).collect()
}

pub(super) fn frames() -> Vec<Vec<u8>> {
    let bodies: [(u8, &[u8]); 5] =
        [(b'Q', b"SET x TO 1\0"), (b'S', b""), (b'd', &[7; 200]), (b'Z', b"T"), (b'X', b"")];
    let valid: Vec<u8> = bodies.iter().flat_map(|(tag, body)| encode(*tag, body)).collect();
    let streams = [
        valid.clone(),
        [&*valid, b"Q\0\0\0\x03"].concat(),
        [&*valid, b"Q\x80\0\0\0"].concat(),
        [&*valid, b"d\x7f\xff\xff\xff\x01\x02"].concat(),
    ];
    streams.iter().map(|stream| [b"\x02\x06\0\x28", &**stream].concat()).collect()
}
