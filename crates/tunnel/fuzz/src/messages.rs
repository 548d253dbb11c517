//! The codec of messages and of the payloads in them.

use std::fmt::Debug;

use bytes::Bytes;
use rds_iam_tunnel::content::{Acknowledgement, ChannelClosed, to_json};
use rds_iam_tunnel::handshake::{HandshakeComplete, HandshakeRequest, HandshakeResponse};
use rds_iam_tunnel::message::{Flag, Message, PAYLOAD_OFFSET};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads the bytes of a message, and of a payload of each type: within a message, its digest would have to be right.
///
/// # Panics
/// If a message or a payload is another one after it was written and read again.
pub fn messages(data: &[u8]) {
    payload(data);
    let Ok(message) = Message::decode(&Bytes::copy_from_slice(data)) else { return };
    assert!(data.len() >= PAYLOAD_OFFSET && data.ends_with(&message.payload));
    assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message));
    payload(&message.payload);
}

fn payload(payload: &[u8]) {
    if let Some(flag) = Flag::from_payload(payload) {
        assert_eq!(flag.to_payload(), payload);
    }
    parse::<Acknowledgement>(payload);
    parse::<ChannelClosed>(payload);
    parse::<HandshakeRequest>(payload);
    parse::<HandshakeResponse>(payload);
    parse::<HandshakeComplete>(payload);
}

fn parse<T: DeserializeOwned + Serialize + PartialEq + Debug>(payload: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(payload) else { return };
    let written = to_json(&value);
    assert_eq!(serde_json::from_slice::<T>(&written).ok(), Some(value));
}
