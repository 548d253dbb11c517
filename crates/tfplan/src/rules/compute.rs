//! Rules for machines: no secret in their user data. checkov checks for IMDSv1: docs/adr/0018.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Plan, Rule, Verdicts, secrets};
use crate::document::ResourceChange;
use crate::node::Node;
use crate::reference::references;

pub(super) const SECRET: Rule = Rule {
    id: "RDSIAM010",
    name: "secret-in-user-data",
    description: "User data contains a value that resembles a secret.",
    help: "A principal that may describe a launch template or an instance reads its user data, as does every \
           program on the machine. Fetch a secret from Secrets Manager when it is needed, by the machine's role; the \
           database wants none, it takes a token. A name is no secret: \
           MASTER_SECRET_NAME=… is fine, and so is a value that a command or a variable gives ($…).",
    severity: "8.0",
    check: secret,
};

const FETCH: &str = "take it out, replace it wherever it is valid, and let the machine's role fetch it";

const MACHINES: [&str; 4] =
    ["aws_launch_template", "aws_launch_configuration", "aws_instance", "aws_spot_instance_request"];

/// The type of a request whose machines are described in blocks, which have no setting for IMDS.
const FLEET: [&str; 1] = ["aws_spot_fleet_request"];

fn secret<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    for machine in plan.resources(&MACHINES) {
        let expressions = plan.block(machine).map(|block| &block.expressions);
        for attribute in ["user_data", "user_data_base64"] {
            let expression = expressions.and_then(|expressions| expressions.get(attribute));
            user_data(machine, attribute, machine.after().get(attribute), expression, verdicts);
        }
    }
    for fleet in plan.resources(&FLEET) {
        let specifications =
            plan.block(fleet).and_then(|block| block.expressions.get("launch_specification"));
        // The provider stores them as a set: an expression can be matched only if there is one.
        let one = specifications.and_then(|blocks| match blocks.as_array().map(Vec::as_slice) {
            Some([one]) => one.get("user_data"),
            Some(_) => None,
            None => Some(blocks),
        });
        for machine in fleet.after().get("launch_specification").items() {
            user_data(fleet, "user_data", machine.get("user_data"), one, verdicts);
        }
    }
}

/// Attributes of resources and data sources that are secrets, even if `nonsensitive` removes the mark.
const SECRET_ATTRIBUTES: [(&str, &[&str]); 5] = [
    ("random_password", &["result", "bcrypt_hash"]),
    ("tls_private_key", &["private_key_pem", "private_key_openssh", "private_key_pem_pkcs8"]),
    ("aws_secretsmanager_secret_version", &["secret_string", "secret_binary"]),
    ("aws_secretsmanager_random_password", &["random_password"]),
    ("aws_iam_access_key", &["secret", "ses_smtp_password_v4"]),
];

/// Returns whether a reference is to a secret.
fn is_secret(reference: &str) -> bool {
    let parts: Vec<_> = reference.strip_prefix("data.").unwrap_or(reference).split(['.', '[']).collect();
    SECRET_ATTRIBUTES.iter().any(|(kind, attributes)| {
        parts.first() == Some(kind) && parts.iter().skip(2).any(|part| attributes.contains(part))
    })
}

/// Searches for secrets in the value of an attribute, which its expression in the configuration may contain.
fn user_data<'a>(
    machine: &'a ResourceChange,
    attribute: &str,
    node: Node<'a>,
    expression: Option<&'a serde_json::Value>,
    verdicts: &mut Verdicts<'a>,
) {
    if node.is_sensitive() {
        let problem = format!("its {attribute} holds a value that Terraform marks as sensitive");
        return verdicts.refuse(machine, problem, FETCH);
    }
    if let Some(secret) =
        expression.map(references).unwrap_or_default().into_iter().find(|text| is_secret(text))
    {
        return verdicts.refuse(machine, format!("its {attribute} is made from {secret}"), FETCH);
    }
    if node.is_unknown() && expression.is_some() {
        verdicts.unchecked(machine, format!("{attribute} is known only after apply"));
    }
    let Some(given) = node.str() else { return };
    // Before provider 6, instances and launch configurations store only a hash of it.
    let constant = expression.and_then(|expression| expression.get("constant_value")?.as_str());
    let text = match constant {
        Some(text) if is_hash(given) => text,
        _ if is_hash(given) => {
            return verdicts.unchecked(machine, format!("the provider shows a hash of {attribute} only"));
        }
        _ => given,
    };
    let Some(text) = decoded(text) else {
        return verdicts.unchecked(machine, format!("{attribute} is not text (compressed, perhaps)"));
    };
    for (line, kind) in secrets::find(&text) {
        let problem = format!("line {line} of its {attribute} holds {kind}");
        verdicts.refuse(machine, problem, FETCH);
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Returns the text itself, or its base64-decoded form; `None` if that is not text.
fn decoded(text: &str) -> Option<String> {
    let compact: String = text.split_whitespace().collect();
    match STANDARD.decode(&compact) {
        // Base64 and plain words are not distinguished: both are searched.
        Ok(bytes) => String::from_utf8(bytes).ok(),
        Err(_) => Some(text.to_owned()),
    }
}
