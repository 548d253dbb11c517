//! The answer to the agent's handshake.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::version::{CLIENT_VERSION, Version};
use crate::content::to_json;
use crate::encryption::{Cipher, DataKey, KeyRequest};
use crate::handshake::{
    ACTION_KMS_ENCRYPTION, ACTION_SESSION_TYPE, ActionStatus, HandshakeComplete, HandshakeRequest,
    HandshakeResponse, ProcessedAction, RequestedAction,
};
use crate::payloads::Mode;
use crate::text::escape;
use crate::{TunnelError, events};

/// The answer, and what follows from the request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: HandshakeResponse,
    /// The data key that the answer needs.
    pub(super) key: Option<KeyRequest>,
    /// The reason to end the session after the answer.
    pub(super) refusal: Option<TunnelError>,
    pub(super) mode: Mode,
    /// Whether the agent ends a session in which it receives nothing.
    pub(super) keeps_alive: bool,
}

impl Answer {
    /// Sets the reason to end the session, unless there is one.
    fn refuse(&mut self, reason: TunnelError) {
        self.refusal = self.refusal.take().or(Some(reason));
    }
}

/// The parameters of [`ACTION_KMS_ENCRYPTION`].
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Encryption {
    #[serde(rename = "KMSKeyId")]
    key_id: String,
    challenge: String,
}

/// Returns the answer to a request.
///
/// # Errors
/// Returns [`TunnelError::Handshake`] if the request cannot be read.
pub(super) fn answer(
    request: &[u8],
    session_id: &str,
    target: &str,
    may_encrypt: bool,
) -> Result<Answer, TunnelError> {
    let unreadable = |source| TunnelError::Handshake { target: target.to_owned(), source };
    let request: HandshakeRequest = serde_json::from_slice(request).map_err(unreadable)?;
    let version = Version::parse(&request.agent_version);
    let mut answer = Answer {
        response: HandshakeResponse {
            client_version: CLIENT_VERSION.to_owned(),
            processed_client_actions: Vec::new(),
            errors: None,
        },
        key: None,
        refusal: None,
        mode: if version.is_some_and(Version::has_mux) { Mode::Mux } else { Mode::Basic },
        keeps_alive: version.is_some_and(|version| version.has_mux() && version.expects_keep_alive()),
    };
    for action in &request.requested_client_actions {
        let processed = match action.action_type.as_str() {
            ACTION_SESSION_TYPE => process(action, ActionStatus::Success, ""),
            ACTION_KMS_ENCRYPTION if may_encrypt => {
                let parameters = Encryption::deserialize(&action.action_parameters).map_err(unreadable)?;
                answer.key = Some(KeyRequest {
                    // It goes into messages and policies; no key's id has control characters.
                    key_id: escape(&parameters.key_id),
                    session_id: session_id.to_owned(),
                    target: target.to_owned(),
                    challenge: Some(parameters.challenge).filter(|challenge| !challenge.is_empty()),
                });
                process(action, ActionStatus::Success, "")
            }
            ACTION_KMS_ENCRYPTION => {
                let target = target.to_owned();
                answer.refuse(TunnelError::Encryption { target });
                process(action, ActionStatus::Failed, "this client encrypts no sessions that forward ports")
            }
            other => {
                let refusal = TunnelError::Unsupported { target: target.to_owned(), action: escape(other) };
                answer.refuse(refusal);
                let error = format!("this client does not support the action {other}");
                process(action, ActionStatus::Unsupported, &error)
            }
        };
        answer.response.processed_client_actions.push(processed);
    }
    tracing::debug!(agent = request.agent_version, "the agent began the handshake");
    // Only a session with a command may be encrypted; the others forward to a remote host.
    if !may_encrypt && version.is_some_and(|version| !version.has_remote_hosts()) {
        tracing::warn!(
            instance = target,
            agent = request.agent_version,
            "the agent is older than 3.1.1374.0, the first that forwards to other hosts: it may connect to the \
             instance itself. Update the agent"
        );
    }
    Ok(answer)
}

fn process(action: &RequestedAction, action_status: ActionStatus, error: &str) -> ProcessedAction {
    ProcessedAction {
        action_type: action.action_type.clone(),
        action_status,
        action_result: Value::Null,
        error: error.to_owned(),
    }
}

/// Adds the data key to an answer, or that there is none.
pub(super) fn add_key(response: &mut HandshakeResponse, request: &KeyRequest, key: Option<&DataKey>) {
    let actions = &mut response.processed_client_actions;
    for action in actions.iter_mut().filter(|action| action.action_type == ACTION_KMS_ENCRYPTION) {
        match key {
            Some(key) => {
                action.action_result = json!({
                    "KMSCipherTextKey": BASE64_STANDARD.encode(key.ciphertext()),
                    "KMSCipherTextHash": null,
                });
                if request.challenge.is_some() {
                    action.action_result["ChallengeAcknowledgement"] = json!(true);
                }
            }
            None => {
                action.action_status = ActionStatus::Failed;
                action.error = "this client could not generate a data key".to_owned();
            }
        }
    }
}

/// Returns the answer to the agent's challenge: the same bytes, encrypted by the client. Returns `None` if the
/// challenge was not encrypted with the data key.
pub(super) fn answer_challenge(request: &[u8], cipher: &Cipher) -> Option<Bytes> {
    let request: Value = serde_json::from_slice(request).ok()?;
    let challenge = BASE64_STANDARD.decode(request["Challenge"].as_str()?).ok()?;
    let encrypted = cipher.encrypt(&cipher.decrypt(&challenge).ok()?).ok()?;
    Some(to_json(&json!({ "Challenge": BASE64_STANDARD.encode(encrypted) })))
}

/// Logs the message of the account's administrator.
pub(super) fn show_message(payload: &[u8]) {
    let complete: HandshakeComplete = serde_json::from_slice(payload).unwrap_or_default();
    if !complete.customer_message.is_empty() {
        let text = escape(&complete.customer_message);
        tracing::info!(text, "{}", events::ADMINISTRATOR);
    }
}
