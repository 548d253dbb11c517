//! Inputs that a fuzzer starts with.

use bytes::{Bytes, BytesMut};
use rds_iam_tunnel::content::{Acknowledgement, to_json, uncounted};
use rds_iam_tunnel::message::{Flag, Kind, Message};
use rds_iam_tunnel::smux::frame::{Command, write_data, write_header};
use uuid::Uuid;

/// Returns messages of each type that has a payload, and the payloads.
#[must_use]
pub fn messages() -> Vec<Vec<u8>> {
    let message = |kind, payload: Bytes| uncounted(kind, payload, Uuid::nil(), 1);
    let request = r#"{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType",
        "ActionParameters":{"SessionType":"Port","Properties":{"type":"LocalPortForwarding"}}}]}"#;
    let response = r#"{"ClientVersion":"1.2.707.0","ProcessedClientActions":[{"ActionType":"SessionType",
        "ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}"#;
    let number = format!(
        r#"{{"AgentVersion":"","RequestedClientActions":[{{"ActionType":"","ActionParameters":{}}}]}}"#,
        // Written and read again, it is another number.
        format_args!("{}0", "4".repeat(38))
    );
    let data = message(Kind::OutputStreamData, Bytes::from_static(b"data"));
    let all: Vec<Message> = vec![
        message(Kind::Acknowledge, to_json(&Acknowledgement::of(&data))),
        message(Kind::OutputStreamData, Flag::ConnectToPortError.to_payload()),
        message(Kind::OutputStreamData, Bytes::from_static(request.as_bytes())),
        message(Kind::OutputStreamData, Bytes::from(number)),
        message(Kind::InputStreamData, Bytes::from_static(response.as_bytes())),
        message(Kind::ChannelClosed, Bytes::from_static(br#"{"SessionId":"s","Output":"idle"}"#)),
        message(Kind::StartPublication, Bytes::new()),
        data,
    ];
    all.iter().flat_map(|message| [message.encode().to_vec(), message.payload.to_vec()]).collect()
}

/// Returns streams of frames, after the sizes of pieces.
#[must_use]
pub fn frames() -> Vec<Vec<u8>> {
    let mut bytes = BytesMut::from(&[0, 7, 30, 255][..]);
    write_header(&mut bytes, Command::Syn, 3, 0);
    write_data(&mut bytes, 3, b"SELECT 1");
    write_header(&mut bytes, Command::Nop, 0, 0);
    write_data(&mut bytes, 5, &[0; 300]);
    write_header(&mut bytes, Command::Fin, 3, 0);
    let mut wrong = bytes.clone();
    wrong.extend_from_slice(&[2, 0, 0, 0, 3, 0, 0, 0]);
    vec![bytes.to_vec(), wrong.to_vec()]
}

/// Returns commands for a network.
#[must_use]
pub fn reliable() -> Vec<Vec<u8>> {
    let command = |kind: u8, argument: u8| argument << 3 | kind;
    let send = command(0, 31);
    vec![
        vec![send, command(1, 31), command(2, 31)],
        // Losses, a repetition out of order, a pause, and a new connection.
        vec![
            send,
            command(3, 5),
            command(1, 10),
            command(4, 0),
            command(2, 5),
            command(6, 20),
            command(2, 31),
        ],
        vec![
            send,
            command(5, 3),
            command(7, 1),
            command(6, 31),
            command(7, 2),
            command(6, 31),
            command(1, 31),
        ],
        vec![send, command(1, 31), command(2, 3), command(7, 0), send, command(1, 31), command(6, 31), send],
        // A long stall.
        [vec![command(0, 1)], vec![command(6, 31); 40]].concat(),
    ]
}
