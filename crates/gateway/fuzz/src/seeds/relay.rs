//! Sessions after the login.

use rds_iam_gateway::mysql::packet;
use rds_iam_gateway::postgres::message;

use crate::input::Input;

pub(super) fn sessions() -> Vec<Vec<u8>> {
    let packet = |sequence: u8, payload: &[u8]| packet::encode(sequence, payload).0;
    let query = packet(0, b"\x03SELECT 1");
    let rows = [packet(1, b"\x01"), packet(2, &[9; 40]), packet(3, b"\x011"), packet(4, b"\xfe\0\0\x02\0")];
    let quit = [&*query, &packet(0, b"\x01")].concat();
    let change_user = [&*query, &packet(0, b"\x11ada\0")].concat();
    let mysql =
        [(quit, rows.concat()), (change_user, rows.concat()), (query, packet(1, b"\x01")[..3].to_vec())];

    let select = message::encode(b'Q', b"SELECT 1\0");
    let answer = [
        message::encode(b'T', &[0; 30]),
        message::encode(b'D', b"\0\x01\0\0\0\x011"),
        message::encode(b'C', b"SELECT 1\0"),
        message::encode(b'Z', b"I"),
    ];
    let terminate = [&*select, b"X\0\0\0\x04"].concat();
    let wrong = [&*select, b"Q\0\0\0\0"].concat();
    let copy = [
        message::encode(b'Q', b"COPY t FROM STDIN\0"),
        message::encode(b'd', &[b'x'; 40]),
        message::encode(b'c', b""),
        select.repeat(2),
    ];
    let postgres = [
        (copy.concat(), [message::encode(b'G', b"\0\0\0"), answer.concat()].concat()),
        (terminate, answer.concat()),
        (wrong.clone(), answer.concat()),
        (select.clone(), [&*answer.concat(), b"Z\0\0\0\x01"].concat()),
        (select, answer.concat()[..20].to_vec()),
        (wrong, Vec::new()),
    ];
    let mut inputs = Vec::new();
    for (engine, sessions) in [(0, &mysql[..]), (1, &postgres[..])] {
        for (client, database) in sessions {
            for (driver, streams, sizes) in ENDS {
                let (client, database) = (client.clone(), database.clone());
                inputs.push(Input { driver: driver | engine, streams, sizes, client, database });
            }
        }
    }
    inputs.iter().map(Input::encode).collect()
}

/// The flags and sizes of each session: the client and the database close, fail or stay, and accept all bytes or not.
const ENDS: [(u8, u8, [u8; 2]); 8] = [
    (0, 0, [0, 0]),
    (0, 1, [1, 3]),
    (2, 0, [0, 0]),
    (2, 2, [7, 2]),
    (8, 4, [2, 7]),
    (10, 2, [3, 0]),
    (2 | 4, 0x21, [1, 1]),
    (2 | 16, 0x20, [0, 0]),
];
