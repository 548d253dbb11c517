//! The documents of sessions: their parameters, checked as AWS does, and the plugin of the agent that each starts.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Value, json};

use crate::answer::ApiError;

/// A parameter of a document.
struct Parameter {
    name: &'static str,
    /// The default; a parameter without one is required.
    default: Option<&'static str>,
    pattern: Option<&'static str>,
}

const PORT: &str =
    "^([1-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$";
const LOCAL_PORT: &str =
    "^([0-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$";
const HOST: &str = r##"^[^,$^&\(\)!;'"<>\`{}\[\]\|#=]{3,}$"##;
const BOOLEAN: &str = "^(True|False|true|false)$";

const PORT_NUMBER: Parameter = Parameter { name: "portNumber", default: Some("80"), pattern: Some(PORT) };
const LOCAL_PORT_NUMBER: Parameter =
    Parameter { name: "localPortNumber", default: Some("0"), pattern: Some(LOCAL_PORT) };
const REMOTE_HOST: Parameter = Parameter { name: "host", default: Some("localhost"), pattern: Some(HOST) };
const COMMAND: Parameter = Parameter { name: "command", default: None, pattern: None };
const SEPARATE: Parameter =
    Parameter { name: "separateOutputStream", default: Some("False"), pattern: Some(BOOLEAN) };

/// The part of the agent that a session uses, with its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plugin {
    /// Forwards a port of `host`, or of the instance itself.
    Port { host: Option<String>, port: u16, properties: Value },
    /// Runs a command in a terminal.
    Interactive { command: String },
    /// Runs a command without a terminal, with both outputs as one or apart.
    NonInteractive { command: String, is_separate: bool },
}

impl Plugin {
    /// Returns whether it runs a command.
    pub(crate) fn is_command(&self) -> bool {
        !matches!(self, Self::Port { .. })
    }

    /// Returns the session type in the handshake.
    pub(crate) fn session_type(&self) -> &'static str {
        match self {
            Self::Port { .. } => "Port",
            Self::Interactive { .. } => "InteractiveCommands",
            Self::NonInteractive { .. } => "NonInteractiveCommands",
        }
    }

    /// Returns the properties in the handshake.
    pub(crate) fn properties(&self) -> Value {
        match self {
            Self::Port { properties, .. } => properties.clone(),
            // The agent keeps a command to itself.
            Self::Interactive { .. } | Self::NonInteractive { .. } => Value::Null,
        }
    }
}

/// Returns the plugin that `document` starts with `parameters`.
pub(crate) fn plugin(document: &str, parameters: &BTreeMap<String, Vec<String>>) -> Result<Plugin, ApiError> {
    let known: &[Parameter] = match document {
        "AWS-StartPortForwardingSession" => &[PORT_NUMBER, LOCAL_PORT_NUMBER],
        "AWS-StartPortForwardingSessionToRemoteHost" => &[REMOTE_HOST, PORT_NUMBER, LOCAL_PORT_NUMBER],
        "AWS-StartInteractiveCommand" => &[COMMAND],
        "AWS-StartNonInteractiveCommand" => &[COMMAND, SEPARATE],
        "AWS-RunShellScript" => {
            return Err(ApiError::new(
                "InvalidDocument",
                "Document type: 'Command' is not supported. Only type: 'Session' is supported for Session Manager.",
            ));
        }
        _ => return Err(ApiError::no_document(document)),
    };
    let values = values(document, known, parameters)?;
    let value = |name: &str| values.get(name).cloned().unwrap_or_default();
    Ok(match document {
        "AWS-StartInteractiveCommand" => Plugin::Interactive { command: value("command") },
        "AWS-StartNonInteractiveCommand" => Plugin::NonInteractive {
            command: value("command"),
            is_separate: value("separateOutputStream").eq_ignore_ascii_case("true"),
        },
        _ => {
            let mut properties = json!(values);
            properties["type"] = "LocalPortForwarding".into();
            // The pattern allows ports only.
            let port = value("portNumber").parse().unwrap_or_default();
            Plugin::Port { host: values.get("host").cloned(), port, properties }
        }
    })
}

/// Returns the values of all parameters of a document, after checking them.
fn values(
    document: &str,
    known: &[Parameter],
    given: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<&'static str, String>, ApiError> {
    if let Some(unknown) = given.keys().find(|name| !known.iter().any(|parameter| parameter.name == **name)) {
        let message = format!("Parameter \"{unknown}\" is not a parameter of document {document}.");
        return Err(ApiError::new("InvalidParameters", message));
    }
    known
        .iter()
        .map(|parameter| {
            let value = match (given.get(parameter.name), parameter.default) {
                (Some(list), _) => match list.as_slice() {
                    [value] => value.clone(),
                    list => {
                        let message = format!(
                            "Parameter \"{}\" is of type String, but has {} values.",
                            parameter.name,
                            list.len()
                        );
                        return Err(ApiError::new("InvalidParameters", message));
                    }
                },
                (None, Some(default)) => default.to_owned(),
                (None, None) => {
                    let message = format!("Parameter \"{}\" requires a value.", parameter.name);
                    return Err(ApiError::new("InvalidParameters", message));
                }
            };
            let pattern = parameter.pattern.unwrap_or_default();
            // No pattern is made at run time: a test compiles each of them.
            if Regex::new(pattern).is_ok_and(|regex| regex.is_match(&value)) {
                Ok((parameter.name, value))
            } else {
                Err(ApiError::not_matching(parameter.name, &value, pattern))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: &str = "AWS-StartPortForwardingSessionToRemoteHost";

    fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect()
    }

    fn refusal(document: &str, pairs: &[(&str, &str)]) -> ApiError {
        plugin(document, &parameters(pairs)).unwrap_err()
    }

    #[test]
    fn a_document_gives_its_plugin_all_parameters_as_strings() {
        let found = plugin(REMOTE, &parameters(&[("host", "db.internal"), ("portNumber", "5432")])).unwrap();
        let properties = json!({
            "host": "db.internal",
            "portNumber": "5432",
            "localPortNumber": "0",
            "type": "LocalPortForwarding",
        });
        assert_eq!(found, Plugin::Port { host: Some("db.internal".into()), port: 5432, properties });
        let Plugin::Port { host, port, .. } =
            plugin("AWS-StartPortForwardingSession", &parameters(&[])).unwrap()
        else {
            panic!("another plugin");
        };
        assert_eq!((host, port), (None, 80));
    }

    #[test]
    fn a_value_has_to_match_the_pattern_of_its_parameter() {
        for (name, value, pattern) in [
            ("portNumber", "0", PORT),
            ("portNumber", "05432", PORT),
            ("portNumber", "65536", PORT),
            ("portNumber", "", PORT),
            ("localPortNumber", "-1", LOCAL_PORT),
            ("host", "a;b.internal", HOST),
            ("host", "[fd00::1]", HOST),
            ("host", "ab", HOST),
        ] {
            let expected = ApiError::not_matching(name, value, pattern);
            assert_eq!(refusal(REMOTE, &[(name, value)]), expected, "{name}={value}");
        }
        for (name, value) in [
            ("portNumber", "65535"),
            ("localPortNumber", "0"),
            ("host", "fd00::1"),
            ("host", "10.0.0.1"),
            ("host", "shop.c0ffee123456.us-east-1.rds.amazonaws.com"),
        ] {
            assert!(plugin(REMOTE, &parameters(&[(name, value)])).is_ok(), "{name}={value}");
        }
    }

    #[test]
    fn unknown_documents_and_parameters_are_refused() {
        assert_eq!(refusal("Nothing", &[]), ApiError::no_document("Nothing"));
        assert!(format!("{:?}", refusal("AWS-RunShellScript", &[])).contains("Document type: 'Command'"));
        assert!(format!("{:?}", refusal(REMOTE, &[("command", "id")])).contains("InvalidParameters"));
        assert!(format!("{:?}", refusal("AWS-StartInteractiveCommand", &[])).contains("requires a value"));
        let twice = BTreeMap::from([("command".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
        assert!(plugin("AWS-StartInteractiveCommand", &twice).is_err());
    }
}
