//! The agent's side of the handshake, as a state machine without time and input.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rds_iam_tunnel::content::to_json;
use rds_iam_tunnel::handshake::{
    ACTION_KMS_ENCRYPTION, ACTION_SESSION_TYPE, ActionStatus, HandshakeComplete, HandshakeRequest,
    HandshakeResponse, RequestedAction, SessionType,
};
use rds_iam_tunnel::message::{Message, PayloadType};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Context;
use super::cipher::{Cipher, KEY_LENGTH};
use crate::faults::Nonsense;
use crate::settings::EncryptionContext;

/// The part of the handshake that the agent waits for.
pub(super) enum Phase {
    Response,
    Challenge(Vec<u8>),
}

/// A handshake that is not complete.
pub(super) struct Handshake {
    pub(super) phase: Phase,
    /// The time until which the agent waits.
    pub(super) deadline: Instant,
    begun: Instant,
    client_version: String,
}

/// What follows from a message of the client.
pub(super) enum Step {
    /// The message was processed, or ignored.
    Wait,
    /// The message cannot be read. It is not acknowledged.
    Unreadable,
    /// The handshake is complete: the message is acknowledged, then the client is sent that.
    Complete { client_version: String },
    /// The session ends with this output.
    Fail(String),
}

impl Handshake {
    /// Sends the request.
    pub(super) async fn begin(context: &Context) -> Self {
        let request = if context.service.faults.borrow().nonsense == Some(Nonsense::Handshake) {
            "AgentVersion: 3".into()
        } else {
            to_json(&request(context))
        };
        context.outgoing.send(PayloadType::HANDSHAKE_REQUEST, request).await;
        let begun = Instant::now();
        let deadline = begun + context.service.settings.timers.handshake;
        Self { phase: Phase::Response, deadline, begun, client_version: String::new() }
    }

    /// Returns the output of a session whose client did not answer in time.
    pub(super) fn timed_out(&self) -> String {
        failure(match self.phase {
            Phase::Response => {
                "Handshake timed out. Please ensure that you have the latest version of the session manager plugin."
            }
            Phase::Challenge(_) => "Timed out waiting for encryption challenge.",
        })
    }

    /// Processes a message of the client.
    pub(super) async fn process(
        &mut self,
        context: &Context,
        cipher: &mut Option<Cipher>,
        message: &Message,
    ) -> Step {
        match (&self.phase, message.payload_type) {
            (Phase::Response, PayloadType::HANDSHAKE_RESPONSE) => {
                let Ok(response) = serde_json::from_slice::<HandshakeResponse>(&message.payload) else {
                    return Step::Unreadable;
                };
                self.client_version = response.client_version.clone();
                match self.respond(context, cipher, &response).await {
                    Ok(step) => step,
                    Err(reason) => Step::Fail(failure(&reason)),
                }
            }
            (Phase::Challenge(expected), PayloadType::CHALLENGE_RESPONSE) => {
                let answer = serde_json::from_slice::<Value>(&message.payload)
                    .ok()
                    .and_then(|content| BASE64_STANDARD.decode(content["Challenge"].as_str()?).ok())
                    .and_then(|encrypted| cipher.as_ref()?.decrypt(&encrypted).ok());
                match answer {
                    Some(answer) if answer == expected[..] => self.complete(),
                    _ => Step::Fail(failure("Encryption challenge does not match!")),
                }
            }
            // The agent acknowledges data that comes too early, and drops it.
            _ => Step::Wait,
        }
    }

    fn complete(&self) -> Step {
        Step::Complete { client_version: self.client_version.clone() }
    }

    /// Checks the answers to the actions, and goes on to the challenge if the session is encrypted.
    async fn respond(
        &mut self,
        context: &Context,
        cipher: &mut Option<Cipher>,
        response: &HandshakeResponse,
    ) -> Result<Step, String> {
        for action in &response.processed_client_actions {
            if action.action_status != ActionStatus::Success {
                let status = u32::from(action.action_status);
                let (name, error) = (&action.action_type, &action.error);
                return Err(format!("{name} failed on client with status {status} error: {error}"));
            }
            if action.action_type == ACTION_KMS_ENCRYPTION {
                let keys = data_key(context, &action.action_result)?;
                context.outgoing.encrypt(Cipher::new(&keys).map_err(|_| KEY_ERROR)?);
                *cipher = Some(Cipher::new(&keys).map_err(|_| KEY_ERROR)?);
            }
        }
        if !is_encrypted(context) {
            return Ok(self.complete());
        }
        let agent = cipher.as_ref().ok_or("The client sent no data key.")?;
        let mut challenge = vec![0; 64];
        aws_lc_rs::rand::fill(&mut challenge).map_err(|_| "no random bytes")?;
        let encrypted = agent.encrypt(&challenge).map_err(|_| "no random bytes")?;
        let request = to_json(&json!({ "Challenge": BASE64_STANDARD.encode(encrypted) }));
        self.phase = Phase::Challenge(challenge);
        context.outgoing.send(PayloadType::CHALLENGE_REQUEST, request).await;
        self.deadline = Instant::now() + context.service.settings.timers.handshake;
        Ok(Step::Wait)
    }

    /// Sends the completion.
    pub(super) async fn finish(&self, context: &Context) {
        let message = if is_encrypted(context) { "This session is encrypted using AWS KMS." } else { "" };
        let complete = HandshakeComplete {
            handshake_time_to_complete: i64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(i64::MAX),
            customer_message: message.to_owned(),
        };
        context.outgoing.send(PayloadType::HANDSHAKE_COMPLETE, to_json(&complete)).await;
    }
}

const KEY_ERROR: &str = "Fetching data key failed: the data key does not have 64 bytes";

/// Returns whether the session is encrypted: the agent never asks for it in port sessions.
pub(super) fn is_encrypted(context: &Context) -> bool {
    context.service.settings.kms.is_some() && context.session.plugin.session_type() != "Port"
}

fn failure(reason: &str) -> String {
    format!("Encountered error while initiating handshake. {reason}")
}

fn request(context: &Context) -> HandshakeRequest {
    let plugin = &context.session.plugin;
    let session_type =
        SessionType { session_type: plugin.session_type().to_owned(), properties: plugin.properties() };
    let action = |name: &str, parameters| RequestedAction {
        action_type: name.to_owned(),
        action_parameters: parameters,
    };
    let mut actions = vec![action(ACTION_SESSION_TYPE, json!(session_type))];
    if let Some(kms) = context.service.settings.kms.as_ref().filter(|_| is_encrypted(context)) {
        actions.push(action(ACTION_KMS_ENCRYPTION, json!({ "KMSKeyId": kms.key_id })));
    }
    HandshakeRequest {
        agent_version: context.session.instance.agent_version.clone(),
        requested_client_actions: actions,
    }
}

/// Has KMS decrypt the client's data key.
fn data_key(context: &Context, result: &Value) -> Result<Vec<u8>, String> {
    let kms = context.service.settings.kms.as_ref().ok_or("the agent did not ask for encryption")?;
    let cipher_text = result["KMSCipherTextKey"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
    let cipher_text = cipher_text.ok_or("Fetching data key failed: KMSCipherTextKey is no base64")?;
    let encryption = EncryptionContext {
        session_id: context.session.id.clone(),
        target_id: context.session.instance.id.clone(),
    };
    let key =
        (kms.decrypt)(&cipher_text, &encryption).map_err(|e| format!("Fetching data key failed: {e}"))?;
    if key.len() == KEY_LENGTH { Ok(key) } else { Err(KEY_ERROR.to_owned()) }
}
