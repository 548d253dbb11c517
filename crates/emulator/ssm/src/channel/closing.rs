//! The messages of the service itself.

use bytes::Bytes;
use rds_iam_tunnel::content::{ChannelClosed, to_json, uncounted};
use rds_iam_tunnel::message::Kind;

use crate::clock::{now, random_id};
use crate::sessions::Session;

/// Returns the message that ends a session.
pub(super) fn channel_closed(session: &Session, output: &str) -> Bytes {
    let id = random_id();
    let created = now();
    let content = ChannelClosed {
        message_id: id.to_string(),
        created_date: created.to_string(),
        destination_id: session.instance.id.clone(),
        session_id: session.id.clone(),
        message_type: Kind::ChannelClosed.as_str().to_owned(),
        schema_version: 1,
        output: output.to_owned(),
    };
    uncounted(Kind::ChannelClosed, to_json(&content), id, created).encode()
}

/// Returns the message that follows the opening of a data channel.
pub(super) fn start_publication() -> Bytes {
    uncounted(Kind::StartPublication, Bytes::new(), random_id(), now()).encode()
}
