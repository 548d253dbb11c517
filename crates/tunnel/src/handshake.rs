//! The handshake: the agent's request, the client's answer to each action in it, and the agent's completion.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The action that names the type of the session.
pub const ACTION_SESSION_TYPE: &str = "SessionType";

/// The action that asks for encryption with a key of KMS.
pub const ACTION_KMS_ENCRYPTION: &str = "KMSEncryption";

/// The payload of type 5, from the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    /// The agent's version, four numbers.
    pub agent_version: String,
    /// The actions. The client answers each one.
    pub requested_client_actions: Vec<RequestedAction>,
}

/// An action that the agent requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RequestedAction {
    /// [`ACTION_SESSION_TYPE`], [`ACTION_KMS_ENCRYPTION`], or one that this client does not support.
    pub action_type: String,
    /// The parameters of the action.
    #[serde(default)]
    pub action_parameters: Value,
}

/// The parameters of [`ACTION_SESSION_TYPE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionType {
    /// `Port` for port forwarding.
    pub session_type: String,
    /// The properties of the session; all values are text. For port forwarding: `host`, `portNumber`,
    /// `localPortNumber`, and `type`, which is `LocalPortForwarding`.
    #[serde(default)]
    pub properties: Value,
}

/// The payload of type 6, from the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    /// The client's version, four numbers.
    pub client_version: String,
    /// The answers, in the order of the request.
    pub processed_client_actions: Vec<ProcessedAction>,
    /// The errors. Official clients send none as `null`.
    #[serde(default)]
    pub errors: Option<Vec<String>>,
}

/// The answer to an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    /// The requested action.
    pub action_type: String,
    /// The result. The agent ends the session for any but success.
    pub action_status: ActionStatus,
    /// The result's data, `null` for most actions.
    #[serde(default)]
    pub action_result: Value,
    /// The error, for people. It is empty if there is none.
    #[serde(default)]
    pub error: String,
}

/// The result of an action, a number in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
#[non_exhaustive]
pub enum ActionStatus {
    /// 1.
    Success,
    /// 2.
    Failed,
    /// 3.
    Unsupported,
    /// Another number. Official clients leave 0 for unknown actions.
    Other(u32),
}

impl From<u32> for ActionStatus {
    fn from(number: u32) -> Self {
        match number {
            1 => Self::Success,
            2 => Self::Failed,
            3 => Self::Unsupported,
            other => Self::Other(other),
        }
    }
}

impl From<ActionStatus> for u32 {
    fn from(status: ActionStatus) -> Self {
        match status {
            ActionStatus::Success => 1,
            ActionStatus::Failed => 2,
            ActionStatus::Unsupported => 3,
            ActionStatus::Other(other) => other,
        }
    }
}

/// The payload of type 7, from the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HandshakeComplete {
    /// The duration of the handshake, in ns.
    pub handshake_time_to_complete: i64,
    /// A message of the account's administrator for the user. It is empty if there is none.
    pub customer_message: String,
}
