//! The API of Systems Manager: the operations of Session Manager, in JSON 1.1.

mod instances;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, ApiError};
use crate::documents;
use crate::operation::Operation;
use crate::sessions::{Resumed, Service};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartSession {
    target: Option<String>,
    document_name: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfSession {
    session_id: Option<String>,
}

/// Answers a call of an operation.
pub(crate) fn handle(service: &Service, operation: Operation, body: &[u8]) -> Answer {
    let result = service.planned_failure(operation).map_or(Ok(()), Err).and_then(|()| match operation {
        Operation::StartSession => start(service, &parse(body)?),
        Operation::ResumeSession => resume(service, &parse(body)?),
        Operation::TerminateSession => terminate(service, &parse(body)?),
        Operation::DescribeInstanceInformation => {
            permit(service, operation, "*")?;
            instances::describe(&service.instances(), parse(body)?)
        }
    });
    if let Err(error) = &result {
        tracing::debug!(?operation, ?error, "the API refuses a call");
    }
    result.into()
}

/// Returns the answer to an operation that the emulator does not have.
pub(crate) fn unknown() -> Answer {
    Err(ApiError::unknown_operation()).into()
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|_| ApiError::serialization())
}

/// Checks that the caller may do `operation` on `resource`.
fn permit(service: &Service, operation: Operation, resource: &str) -> Result<(), ApiError> {
    if service.denies(operation, resource) {
        return Err(ApiError::denied(&service.settings.caller, operation.action(), resource));
    }
    Ok(())
}

fn start(service: &Service, request: &StartSession) -> Result<Value, ApiError> {
    let target = member("target", request.target.as_deref(), 400)?;
    let settings = &service.settings;
    // The default document of AWS opens a login shell.
    let document = request.document_name.as_deref().unwrap_or("SSM-SessionManagerRunShell");
    let is_name = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
        (3..=128).contains(&name.len()) && name.chars().all(allowed)
    };
    if !is_name(document) {
        let constraint = r"Member must satisfy regular expression pattern: ^[a-zA-Z0-9_\-.:/]{3,128}$";
        return Err(ApiError::validation("documentName", Some(document), constraint));
    }
    if let Some(reason) = request.reason.as_deref() {
        member("reason", Some(reason), 256)?;
    }
    let (region, account) = (&settings.region, &settings.account);
    permit(service, Operation::StartSession, &format!("arn:aws:ec2:{region}:{account}:instance/{target}"))?;
    permit(service, Operation::StartSession, &format!("arn:aws:ssm:{region}::document/{document}"))?;
    let plugin = documents::plugin(document, &request.parameters)?;
    if plugin.is_command() && !settings.runs_commands {
        return Err(ApiError::new("InvalidDocument", "This emulated account runs no commands."));
    }
    let instance =
        service.instances().into_iter().find(|instance| instance.id == target && instance.is_online);
    let instance = instance.ok_or_else(|| ApiError::target_not_connected(target))?;
    let opened = service.start_session(instance, plugin).map_err(|_| ApiError::internal())?;
    tracing::info!("{target}: session {} by {document}", opened.id);
    Ok(json!({ "SessionId": opened.id, "TokenValue": opened.token, "StreamUrl": opened.url }))
}

fn resume(service: &Service, request: &OfSession) -> Result<Value, ApiError> {
    let id = member("sessionId", request.session_id.as_deref(), 96)?;
    permit(service, Operation::ResumeSession, &service.session_arn(id))?;
    match service.resume_session(id).map_err(|_| ApiError::internal())? {
        Resumed::Open(opened) => {
            Ok(json!({ "SessionId": opened.id, "TokenValue": opened.token, "StreamUrl": opened.url }))
        }
        // No token: the official client then reports that the session timed out.
        Resumed::TimedOut => Ok(json!({ "SessionId": id })),
        Resumed::Gone => Err(ApiError::new(
            "DoesNotExistException",
            format!("Session {id} does not exist or has been terminated."),
        )),
    }
}

fn terminate(service: &Service, request: &OfSession) -> Result<Value, ApiError> {
    let id = member("sessionId", request.session_id.as_deref(), 96)?;
    permit(service, Operation::TerminateSession, &service.session_arn(id))?;
    // The model has no error for a session that does not exist.
    service.end_session(id, String::new());
    Ok(json!({ "SessionId": id }))
}

/// Returns a required member that has from 1 to `longest` characters.
fn member<'a>(name: &str, value: Option<&'a str>, longest: usize) -> Result<&'a str, ApiError> {
    match value {
        None => Err(ApiError::validation(name, None, "Member must not be null")),
        Some("") => {
            let constraint = "Member must have length greater than or equal to 1";
            Err(ApiError::validation(name, Some(""), constraint))
        }
        Some(value) if value.chars().count() > longest => {
            let constraint = format!("Member must have length less than or equal to {longest}");
            Err(ApiError::validation(name, Some(value), &constraint))
        }
        Some(value) => Ok(value),
    }
}
