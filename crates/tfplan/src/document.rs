//! The deserialized parts of `terraform show -json PLANFILE`, in the format of Terraform's "JSON Output
//! Format". Unlisted parts are ignored, as that page requires of readers.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    pub(super) errored: bool,
    /// Whether nothing is left to do after the apply; absent before Terraform 1.8.
    pub(super) complete: Option<bool>,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Variable>,
    #[serde(default)]
    pub(super) resource_changes: Vec<ResourceChange>,
    #[serde(default)]
    pub(super) resource_drift: Vec<ResourceChange>,
    #[serde(default)]
    pub(super) output_changes: BTreeMap<String, Change>,
    #[serde(default)]
    pub(super) configuration: Configuration,
}

#[derive(Debug, Deserialize)]
pub(super) struct Variable {
    #[serde(default)]
    pub(super) value: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct ResourceChange {
    pub(super) address: String,
    #[serde(default)]
    pub(super) previous_address: Option<String>,
    #[serde(default)]
    pub(super) module_address: String,
    pub(super) mode: Mode,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    /// The key of an object that a failed replacement left behind.
    #[serde(default)]
    pub(super) deposed: Option<String>,
    pub(super) change: Change,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Managed,
    Data,
    /// Kinds of a later Terraform, which the rules do not support.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    #[serde(rename = "actions")]
    pub(super) action: Action,
    #[serde(default)]
    pub(super) before: Value,
    #[serde(default)]
    pub(super) after: Value,
    #[serde(default)]
    pub(super) after_unknown: Value,
    #[serde(default)]
    pub(super) before_sensitive: Value,
    #[serde(default)]
    pub(super) after_sensitive: Value,
    #[serde(default)]
    pub(super) replace_paths: Vec<Vec<Value>>,
    #[serde(default)]
    pub(super) importing: Option<Value>,
}

/// A plan's action on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// No action.
    NoOp,
    /// A data source is read during the apply.
    Read,
    /// The resource is created.
    Create,
    /// The resource is changed in place.
    Update,
    /// The resource is destroyed and created again.
    Replace,
    /// The resource is destroyed.
    Destroy,
    /// The resource stays, and leaves Terraform's state.
    Forget,
}

impl Action {
    /// Returns whether the existing resource is destroyed.
    pub fn destroys(self) -> bool {
        matches!(self, Self::Replace | Self::Destroy)
    }
}

impl<'de> Deserialize<'de> for Action {
    /// Rejects an unknown action as an error, because its effect is unknown too.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let actions = Vec::<String>::deserialize(deserializer)?;
        match actions.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["no-op"] => Ok(Self::NoOp),
            ["read"] => Ok(Self::Read),
            ["create"] => Ok(Self::Create),
            ["update"] => Ok(Self::Update),
            ["delete"] => Ok(Self::Destroy),
            ["forget"] => Ok(Self::Forget),
            ["delete", "create"] | ["create", "delete"] => Ok(Self::Replace),
            _ => Err(serde::de::Error::custom("actions that this program does not know; use a newer one")),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Configuration {
    #[serde(default)]
    pub(super) root_module: Module,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Module {
    #[serde(default)]
    pub(super) resources: Vec<Block>,
    #[serde(default)]
    pub(super) module_calls: BTreeMap<String, Call>,
    #[serde(default)]
    pub(super) outputs: BTreeMap<String, Output>,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Declared>,
}

/// A `resource` or `data` block.
#[derive(Debug, Deserialize)]
pub(super) struct Block {
    pub(super) mode: Mode,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) expressions: Map<String, Value>,
}

/// A `module` block, with the called module.
#[derive(Debug, Deserialize)]
pub(super) struct Call {
    #[serde(default)]
    pub(super) source: String,
    #[serde(default)]
    pub(super) expressions: Map<String, Value>,
    #[serde(default)]
    pub(super) module: Module,
}

#[derive(Debug, Deserialize)]
pub(super) struct Output {
    #[serde(default)]
    pub(super) expression: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Declared {
    #[serde(default)]
    pub(super) default: Value,
}
