//! Answers that are no answers.

use bytes::{BufMut as _, Bytes, BytesMut};
use rds_iam_tunnel::content::uncounted;
use rds_iam_tunnel::message::{HEADER_LENGTH, Kind};
use tokio_tungstenite::tungstenite::Message;

use crate::clock::{now, random_id};
use crate::faults::Nonsense;

/// Returns the message that a new WebSocket is answered with, if it is the service that answers with it.
pub(super) fn message(nonsense: Nonsense) -> Option<Message> {
    let good = |kind| uncounted(kind, Bytes::from_static(b"{}"), random_id(), now()).encode();
    Some(match nonsense {
        Nonsense::Text => Message::text("<html>no message</html>"),
        Nonsense::Short => Message::binary(Bytes::from_static(&[7; 19])),
        Nonsense::HeaderLength => {
            let mut bytes = BytesMut::from(&good(Kind::ChannelClosed)[..]);
            bytes[..4].copy_from_slice(&u32::MAX.to_be_bytes());
            Message::binary(bytes.freeze())
        }
        Nonsense::Digest => {
            let mut bytes = BytesMut::from(&good(Kind::ChannelClosed)[..]);
            bytes.truncate(HEADER_LENGTH);
            bytes.put_u32(4);
            bytes.put_slice(b"null");
            Message::binary(bytes.freeze())
        }
        Nonsense::Type => Message::binary(good(Kind::Other("agent_job".into()))),
        // The first is no WebSocket; the others come from the agent.
        Nonsense::Page | Nonsense::Handshake | Nonsense::Smux => return None,
    })
}
