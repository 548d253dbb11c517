//! What an expression of the configuration leads to, through variables and outputs of modules. It answers
//! whose value an attribute has when that is known only after apply.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Plan;
use super::address::{Step, module_steps, parts};
use super::document::{Block, Mode, Module, ResourceChange};

/// The end of a reference: a block, in a module without keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    module: Vec<String>,
    mode_is_data: bool,
    kind: String,
    name: String,
}

/// Where following an expression has come by.
#[derive(Default)]
struct Trail {
    visited: BTreeSet<(Vec<String>, String)>,
    found: BTreeSet<Target>,
    /// Whether the key of an instance was used.
    by_key: bool,
}

impl Plan {
    /// The module's configuration at the end of `path`.
    pub(super) fn module<'a>(&'a self, path: &[String]) -> Option<&'a Module> {
        let root = &self.document.configuration.root_module;
        path.iter().try_fold(root, |module, name| Some(&module.module_calls.get(name)?.module))
    }

    /// The block that a resource comes from; none where it is no longer in the configuration.
    pub(super) fn block(&self, resource: &ResourceChange) -> Option<&Block> {
        let path = names(&module_steps(&resource.module_address));
        let module = self.module(&path)?;
        module.resources.iter().find(|block| {
            block.mode == resource.mode && block.kind == resource.kind && block.name == resource.name
        })
    }

    /// Whether a block of the configuration sets an attribute.
    pub(super) fn sets(&self, resource: &ResourceChange, attribute: &str) -> bool {
        self.block(resource).is_some_and(|block| block.expressions.contains_key(attribute))
    }

    /// The resources and data sources of the plan that an attribute's value is made from.
    pub(super) fn sources(&self, resource: &ResourceChange, attribute: &str) -> Vec<&ResourceChange> {
        let Some(expression) = self.block(resource).and_then(|block| block.expressions.get(attribute)) else {
            return Vec::new();
        };
        let steps = module_steps(&resource.module_address);
        let mut trail = Trail::default();
        self.follow(&names(&steps), expression, &mut trail);
        let mut sources: Vec<_> = self
            .document
            .resource_changes
            .iter()
            .filter(|other| other.deposed.is_none() && trail.found.iter().any(|target| target.is(other)))
            .collect();
        // One of several instances of a module uses its own.
        let near = |other: &ResourceChange| same_instance(&steps, &module_steps(&other.module_address));
        if sources.iter().any(|other| near(other)) {
            sources.retain(|other| near(other));
        }
        // So does one of several that passes its own key on.
        let keys = |steps: &[Step]| steps.iter().filter_map(|step| step.key.clone()).collect::<Vec<_>>();
        let alike = |other: &ResourceChange| keys(&module_steps(&other.module_address)) == keys(&steps);
        if trail.by_key && sources.iter().any(|other| alike(other)) {
            sources.retain(|other| alike(other));
        }
        sources
    }

    /// A variable of the module that a resource stands in, where its value is written in the configuration
    /// or is a variable of the root.
    pub(super) fn variable(&self, resource: &ResourceChange, name: &str) -> Option<&Value> {
        let mut path = names(&module_steps(&resource.module_address));
        let mut name = name.to_owned();
        loop {
            let Some(call) = path.pop() else {
                return self.document.variables.get(&name).map(|variable| &variable.value);
            };
            let call = self.module(&path)?.module_calls.get(&call)?;
            let Some(expression) = call.expressions.get(&name) else {
                return call.module.variables.get(&name).map(|declared| &declared.default);
            };
            if let Some(constant) = expression.get("constant_value") {
                return Some(constant);
            }
            // The whole is the value of one variable, or not to be told from here.
            let references = references(expression);
            let outer: Vec<_> = references.iter().filter_map(|text| text.strip_prefix("var.")).collect();
            // `var.proxy.authentication` is listed as itself and as `var.proxy`.
            let longest = *outer.iter().max_by_key(|text| text.len())?;
            if outer.len() != references.len() || !outer.iter().all(|text| longest.starts_with(text)) {
                return None;
            }
            match longest.split_once('.') {
                None => longest.clone_into(&mut name),
                Some((variable, attribute)) if path.is_empty() => {
                    return self.document.variables.get(variable)?.value.get(attribute);
                }
                Some(_) => return None,
            }
        }
    }

    fn follow(&self, path: &[String], expression: &Value, trail: &mut Trail) {
        let references = references(expression);
        for reference in &references {
            let reference = *reference;
            if !trail.visited.insert((path.to_vec(), reference.to_owned())) {
                continue;
            }
            let steps = parts(reference);
            let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
            match names[..] {
                ["var", variable, ..] => {
                    let Some((call, parent)) = path.split_last() else { continue };
                    let argument = self
                        .module(parent)
                        .and_then(|module| module.module_calls.get(call)?.expressions.get(variable));
                    if let Some(argument) = argument {
                        self.follow(parent, argument, trail);
                    }
                }
                ["module", call, ref output @ ..] => {
                    let specific = format!("{reference}.");
                    if output.is_empty() && references.iter().any(|other| other.starts_with(&specific)) {
                        continue;
                    }
                    let inner: Vec<_> = path.iter().cloned().chain([call.to_owned()]).collect();
                    let Some(module) = self.module(&inner) else { continue };
                    // `module.x[each.key].y` is listed as `module.x` alone, so any output may be meant.
                    let meant = |name: &str| output.first().is_none_or(|output| *output == name);
                    for (_, output) in module.outputs.iter().filter(|(name, _)| meant(name)) {
                        self.follow(&inner, &output.expression, trail);
                    }
                }
                ["data", kind, name, ..] => drop(trail.found.insert(Target::new(path, true, kind, name))),
                ["each" | "count", ..] => trail.by_key = true,
                ["local" | "path" | "terraform" | "self" | "module" | "data", ..] => {}
                [kind, name, ..] => drop(trail.found.insert(Target::new(path, false, kind, name))),
                _ => {}
            }
        }
    }
}

impl Target {
    fn new(module: &[String], mode_is_data: bool, kind: &str, name: &str) -> Self {
        Self { module: module.to_vec(), mode_is_data, kind: kind.to_owned(), name: name.to_owned() }
    }

    fn is(&self, resource: &ResourceChange) -> bool {
        self.mode_is_data == (resource.mode == Mode::Data)
            && self.kind == resource.kind
            && self.name == resource.name
            && self.module == names(&module_steps(&resource.module_address))
    }
}

pub(super) fn names(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.name.clone()).collect()
}

/// Whether two modules lie in the same instance of each call that they share.
fn same_instance(one: &[Step], other: &[Step]) -> bool {
    one.iter().zip(other).take_while(|(a, b)| a.name == b.name).all(|(a, b)| a.key == b.key)
}

/// Every reference of an expression, or of the blocks of expressions that stand for one.
fn references(expression: &Value) -> Vec<&str> {
    match expression {
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Object(fields) => match fields.get("references") {
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
            _ => fields.values().flat_map(references).collect(),
        },
        _ => Vec::new(),
    }
}
