//! Parses the Lambda function's event, `{"mode": "apply"}` with the mode `apply`, `plan` or `check`. Refuses any
//! other key.

use rds_iam_bootstrap::Mode;
use serde_json::Value;

/// Parses an event, strictly: an unknown key requests a feature that this function does not have.
pub(crate) fn mode(event: &Value) -> Result<Mode, EventError> {
    let fields = event.as_object().ok_or(EventError::NoObject)?;
    // Terraform's aws_lambda_invocation adds this if it also invokes the function on update and destroy.
    if fields.contains_key("tf") {
        return Err(EventError::Terraform);
    }
    if let Some(name) = fields.keys().find(|name| *name != "mode") {
        return Err(EventError::Unknown { name: name.clone() });
    }
    match fields.get("mode").ok_or(EventError::NoMode)?.as_str() {
        Some("apply") => Ok(Mode::Apply),
        Some("plan") => Ok(Mode::Plan),
        Some("check") => Ok(Mode::Check),
        _ => Err(EventError::Mode),
    }
}

/// The error of an event. It names keys, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventError {
    #[error("the event is not a JSON object")]
    NoObject,
    #[error("the event has no \"mode\"")]
    NoMode,
    #[error("the event's \"mode\" is unknown")]
    Mode,
    #[error("the event has the unknown key {name:?}")]
    Unknown { name: String },
    #[error(
        "the event has \"tf\", which Terraform's aws_lambda_invocation adds with lifecycle_scope = \"CRUD\""
    )]
    Terraform,
}

impl EventError {
    /// Returns what to do.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Terraform => {
                "Use lifecycle_scope = \"CREATE_ONLY\": with CRUD a destroy would also invoke this function, and there is nothing to undo."
            }
            _ => "Send {\"mode\": \"apply\"}, \"plan\" or \"check\", and no other key.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mode_and_no_other_key() {
        for (event, expected) in [
            (json!({"mode": "apply"}), Ok(Mode::Apply)),
            (json!({"mode": "plan"}), Ok(Mode::Plan)),
            (json!({"mode": "check"}), Ok(Mode::Check)),
            (json!(null), Err(EventError::NoObject)),
            (json!("apply"), Err(EventError::NoObject)),
            (json!({}), Err(EventError::NoMode)),
            (json!({"mode": "Apply"}), Err(EventError::Mode)),
            (json!({"mode": ""}), Err(EventError::Mode)),
            (json!({"mode": null}), Err(EventError::Mode)),
            (json!({"mode": ["apply"]}), Err(EventError::Mode)),
            (json!({"mode": "apply", "force": true}), Err(EventError::Unknown { name: "force".into() })),
            (json!({"mode": "apply", "tf": {"action": "delete"}}), Err(EventError::Terraform)),
        ] {
            assert_eq!(mode(&event), expected, "{event}");
        }
    }
}
