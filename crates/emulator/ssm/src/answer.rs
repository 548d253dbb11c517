//! Answers of the API, and AWS's errors.

use serde_json::{Value, json};

/// An answer of the API, for the caller's HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body: JSON 1.1.
    pub body: String,
}

impl Answer {
    /// The content type of every answer.
    pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
}

/// An error of the API, with AWS's name and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: u16,
    code: String,
    message: String,
    /// The name of the field with the message: `Message` for the errors in the model of SSM, except a few.
    field: &'static str,
}

impl ApiError {
    /// Returns an error of the model of SSM: status 400, and its text in the field `Message`.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into(), field: "Message" }
    }

    /// Returns AWS's answer to too many calls.
    #[must_use]
    pub fn throttled() -> Self {
        Self { field: "message", ..Self::new("ThrottlingException", "Rate exceeded") }
    }

    /// Returns AWS's answer to a request that was signed with a token that has expired.
    #[must_use]
    pub fn expired() -> Self {
        let message = "The security token included in the request is expired";
        Self { field: "message", ..Self::new("ExpiredTokenException", message) }
    }

    /// Returns AWS's answer if the service fails.
    #[must_use]
    pub fn internal() -> Self {
        Self { status: 500, ..Self::new("InternalServerError", "An error occurred on the server side.") }
    }

    pub(crate) fn target_not_connected(target: &str) -> Self {
        Self::new("TargetNotConnected", format!("{target} is not connected."))
    }

    pub(crate) fn no_document(name: &str) -> Self {
        Self::new("InvalidDocument", format!("Document with name {name} does not exist."))
    }

    pub(crate) fn not_matching(parameter: &str, value: &str, pattern: &str) -> Self {
        let message = format!("Parameter \"{parameter}\" has value \"{value}\" not matching \"{pattern}\".");
        Self::new("InvalidParameters", message)
    }

    pub(crate) fn denied(caller: &str, action: &str, resource: &str) -> Self {
        let message = format!(
            "User: {caller} is not authorized to perform: {action} on resource: {resource} because no identity-based \
             policy allows the {action} action"
        );
        Self::new("AccessDeniedException", message)
    }

    /// A value that the model of the API does not allow.
    pub(crate) fn validation(member: &str, value: Option<&str>, constraint: &str) -> Self {
        let value = value.map_or_else(|| "Value null".to_owned(), |value| format!("Value '{value}'"));
        let message = format!(
            "1 validation error detected: {value} at '{member}' failed to satisfy constraint: {constraint}"
        );
        Self { field: "message", ..Self::new("ValidationException", message) }
    }

    pub(crate) fn serialization() -> Self {
        Self {
            field: "Message",
            ..Self::new("SerializationException", "Start of structure or map found where not expected.")
        }
    }

    pub(crate) fn unknown_operation() -> Self {
        Self::new("UnknownOperationException", "")
    }
}

impl From<Result<Value, ApiError>> for Answer {
    fn from(result: Result<Value, ApiError>) -> Self {
        match result {
            Ok(value) => Self { status: 200, body: value.to_string() },
            Err(ApiError { status, code, message, field }) => {
                let mut body = json!({ "__type": code });
                if !message.is_empty() {
                    body[field] = message.into();
                }
                Self { status, body: body.to_string() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_shapes_of_aws() {
        let cases = [
            (
                ApiError::target_not_connected("i-1"),
                400,
                r#"{"Message":"i-1 is not connected.","__type":"TargetNotConnected"}"#,
            ),
            (ApiError::throttled(), 400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#),
            (ApiError::unknown_operation(), 400, r#"{"__type":"UnknownOperationException"}"#),
            (
                ApiError::internal(),
                500,
                r#"{"Message":"An error occurred on the server side.","__type":"InternalServerError"}"#,
            ),
        ];
        for (error, status, body) in cases {
            assert_eq!(Answer::from(Err(error)), Answer { status, body: body.into() });
        }
    }
}
