//! Payloads in JSON other than the handshake's, and the first message of a data channel.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::message::{FLAG_FIN, FLAG_SYN, Kind, Message, PayloadType, SCHEMA_VERSION};

/// The payload of [`Kind::Acknowledge`]. Both official ends use the number only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Acknowledgement {
    /// The type of the message that was received.
    #[serde(default)]
    pub acknowledged_message_type: String,
    /// The id of that message.
    #[serde(default)]
    pub acknowledged_message_id: String,
    /// The number of that message.
    pub acknowledged_message_sequence_number: i64,
    /// Always true.
    #[serde(default)]
    pub is_sequential_message: bool,
}

impl Acknowledgement {
    /// Returns the acknowledgement of a stream message.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        Self::new(&message.kind, message.id, message.sequence)
    }

    /// Returns the acknowledgement of the stream message with this type, id and number.
    #[must_use]
    pub fn new(kind: &Kind, id: Uuid, sequence: i64) -> Self {
        Self {
            acknowledged_message_type: kind.as_str().to_owned(),
            acknowledged_message_id: id.to_string(),
            acknowledged_message_sequence_number: sequence,
            is_sequential_message: true,
        }
    }

    /// Returns the message with this payload, outside the count.
    #[must_use]
    pub fn into_message(self, id: Uuid, created: u64) -> Message {
        uncounted(Kind::Acknowledge, to_json(&self), id, created)
    }
}

/// Returns a message outside the count: acknowledgements, and those of and for the service.
#[must_use]
pub fn uncounted(kind: Kind, payload: Bytes, id: Uuid, created: u64) -> Message {
    Message {
        kind,
        schema_version: SCHEMA_VERSION,
        created,
        sequence: 0,
        flags: FLAG_SYN | FLAG_FIN,
        id,
        payload_type: PayloadType::NONE,
        payload,
    }
}

/// The payload of [`Kind::ChannelClosed`]. Only the output is required.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChannelClosed {
    /// The id of this message.
    pub message_id: String,
    /// The creation time, as text.
    pub created_date: String,
    /// The instance.
    pub destination_id: String,
    /// The session.
    pub session_id: String,
    /// `channel_closed`.
    pub message_type: String,
    /// The schema version.
    pub schema_version: i64,
    /// The reason, for people. It is empty if there is none.
    pub output: String,
}

/// The payload of [`Kind::AgentSessionState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentSessionState {
    /// The schema version.
    pub schema_version: i64,
    /// `Connected` or `Terminating`.
    pub session_state: String,
    /// The session.
    pub session_id: String,
}

/// The first message of each WebSocket, as text. `Debug` does not show the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenDataChannel {
    /// `1.0`.
    pub message_schema_version: String,
    /// A UUID for this message.
    pub request_id: String,
    /// The token of StartSession or ResumeSession.
    pub token_value: String,
    /// A UUID, the same for all WebSockets of a session.
    pub client_id: String,
    /// The client's version; the agent sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
    /// The agent's instance; the client sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_instance_id: Option<String>,
}

impl fmt::Debug for OpenDataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenDataChannel")
            .field("client_id", &self.client_id)
            .field("client_version", &self.client_version)
            .field("client_instance_id", &self.client_instance_id)
            .finish_non_exhaustive()
    }
}

/// Returns a value as JSON.
#[must_use]
pub fn to_json<T: Serialize>(value: &T) -> Bytes {
    // Serialising into memory fails only for maps whose keys are no text, which no payload has.
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}
