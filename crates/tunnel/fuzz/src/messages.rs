//! The codec of messages and of the payloads in them.

use std::fmt::Debug;

use bytes::Bytes;
use rds_iam_tunnel::content::{Acknowledgement, ChannelClosed, to_json};
use rds_iam_tunnel::handshake::{HandshakeComplete, HandshakeRequest, HandshakeResponse};
use rds_iam_tunnel::message::{Flag, Message, PAYLOAD_OFFSET};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

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
    let again = serde_json::from_slice::<T>(&written).ok();
    if serde_json::from_slice(&written).is_ok_and(|json| has_float(&json)) {
        // Read and written again, it may differ in its last digit. The protocol has none.
        assert!(again.is_some());
    } else {
        assert_eq!(again, Some(value));
    }
}

/// Returns whether the value contains a number that is no integer of 64 bits.
fn has_float(json: &Value) -> bool {
    match json {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_float),
        Value::Object(members) => members.values().any(has_float),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}
