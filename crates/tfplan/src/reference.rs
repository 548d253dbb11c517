//! Resolves the origin of a configuration expression through variables and outputs of modules: the source of
//! an attribute's value that is known only after apply.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Plan;
use super::address::{Step, module_steps, parts};
use super::document::{Block, Call, Mode, Module, ResourceChange};

/// The target of a reference: a block, in a module without keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    module: Vec<String>,
    mode_is_data: bool,
    kind: String,
    name: String,
    /// The key of the instance, if the reference names one: `0` or `"a"`, quotes included.
    key: Option<String>,
}

/// The state while an expression is resolved.
#[derive(Default)]
struct Trail {
    visited: BTreeSet<(Vec<String>, String)>,
    found: BTreeSet<Target>,
    /// The used attributes of the target.
    attributes: BTreeSet<String>,
    /// Whether the key of an instance was used.
    by_key: bool,
    /// Whether an expression on the path has more than one source.
    mixed: bool,
    /// Whether it ends at a reference that a plan does not resolve: a `local`, `each.value` or a variable of
    /// the root.
    open: bool,
}

/// The origin of an attribute's value.
#[derive(Default)]
pub(super) struct Origin<'a> {
    /// Resources and data sources of the plan.
    pub(super) sources: Vec<&'a ResourceChange>,
    /// The used attributes of the sources; empty if the plan does not show them.
    pub(super) attributes: BTreeSet<String>,
    /// Whether every expression on the path has a single reference. A plan does not show how functions and
    /// literals change it.
    pub(super) alone: bool,
    /// Whether there may be sources that the plan does not show.
    pub(super) open: bool,
    /// The types of the used data sources. One that was read for the plan is not in `sources`.
    pub(super) data: BTreeSet<String>,
}

impl Origin<'_> {
    /// Returns whether the value has only sources of one type that the plan manages, so that the rules check
    /// each of them.
    pub(super) fn is_managed(&self, kind: &str) -> bool {
        let managed = |source: &&ResourceChange| source.stays() && source.kind == kind;
        !self.open && self.data.is_empty() && !self.sources.is_empty() && self.sources.iter().all(managed)
    }
}

impl Plan {
    /// Returns the configuration of the module at `path`.
    pub(super) fn module<'a>(&'a self, path: &[String]) -> Option<&'a Module> {
        let root = &self.document.configuration.root_module;
        path.iter().try_fold(root, |module, name| Some(&module.module_calls.get(name)?.module))
    }

    /// Returns the block of a resource; `None` if it is no longer in the configuration.
    pub(super) fn block(&self, resource: &ResourceChange) -> Option<&Block> {
        let path = names(&module_steps(&resource.module_address));
        let module = self.module(&path)?;
        module.resources.iter().find(|block| {
            block.mode == resource.mode && block.kind == resource.kind && block.name == resource.name
        })
    }

    /// Returns whether a block of the configuration sets an attribute.
    pub(super) fn sets(&self, resource: &ResourceChange, attribute: &str) -> bool {
        self.block(resource).is_some_and(|block| block.expressions.contains_key(attribute))
    }

    /// Returns the origin of an attribute's value.
    pub(super) fn origin(&self, resource: &ResourceChange, attribute: &str) -> Origin<'_> {
        match self.expression(resource, attribute) {
            Some(expression) => self.origin_of(resource, expression),
            None => Origin { open: true, ..Origin::default() },
        }
    }

    /// Returns the origin of some arguments in the nested blocks of an attribute, or of the whole attribute
    /// if the configuration does not show its blocks.
    pub(super) fn origin_in_blocks(
        &self,
        resource: &ResourceChange,
        attribute: &str,
        arguments: &[&str],
    ) -> Origin<'_> {
        let Some(Value::Array(blocks)) = self.expression(resource, attribute) else {
            return self.origin(resource, attribute);
        };
        let given = blocks.iter().flat_map(|block| arguments.iter().filter_map(|name| block.get(name)));
        self.origin_of(resource, &Value::Array(given.cloned().collect()))
    }

    fn expression(&self, resource: &ResourceChange, attribute: &str) -> Option<&Value> {
        self.block(resource)?.expressions.get(attribute)
    }

    fn origin_of(&self, resource: &ResourceChange, expression: &Value) -> Origin<'_> {
        let steps = module_steps(&resource.module_address);
        let mut trail = Trail::default();
        self.follow(&names(&steps), expression, &mut trail);
        let mut sources: Vec<_> = self
            .document
            .resource_changes
            .iter()
            .filter(|other| other.deposed.is_none() && trail.found.iter().any(|target| target.is(other)))
            .collect();
        // A resource in one of several instances of a module uses that instance's own.
        let near = |other: &ResourceChange| same_instance(&steps, &module_steps(&other.module_address));
        if sources.iter().any(|other| near(other)) {
            sources.retain(|other| near(other));
        }
        // The same applies to an instance that passes its own key on.
        let keys = |steps: &[Step]| steps.iter().filter_map(|step| step.key.clone()).collect::<Vec<_>>();
        let alike = |other: &ResourceChange| keys(&module_steps(&other.module_address)) == keys(&steps);
        if trail.by_key && sources.iter().any(|other| alike(other)) {
            sources.retain(|other| alike(other));
        }
        let alone = !trail.mixed && trail.found.len() == 1;
        let data = trail.found.iter().filter(|target| target.mode_is_data).map(|target| target.kind.clone());
        let data = data.collect();
        Origin { sources, attributes: trail.attributes, alone, open: trail.open, data }
    }

    /// Returns a variable of the module that a resource is in, where its value is written in the configuration,
    /// is a variable of the root, or is the key of the module's instance.
    pub(super) fn variable(&self, resource: &ResourceChange, name: &str) -> Option<Value> {
        let mut steps = module_steps(&resource.module_address);
        let mut name = name.to_owned();
        loop {
            let Some(call) = steps.pop() else {
                return self.document.variables.get(&name).map(|variable| variable.value.clone());
            };
            let Call { expressions, module, .. } =
                self.module(&names(&steps))?.module_calls.get(&call.name)?;
            let Some(expression) = expressions.get(&name) else {
                return module.variables.get(&name).map(|declared| declared.default.clone());
            };
            if let Some(constant) = expression.get("constant_value") {
                return Some(constant.clone());
            }
            // The expression has to be the value of one variable; anything else can't be determined here.
            let references = references(expression);
            if references == ["each.key"] {
                return serde_json::from_str(call.key.as_deref()?).ok();
            }
            let outer: Vec<_> = references.iter().filter_map(|text| text.strip_prefix("var.")).collect();
            // `var.proxy.authentication` is listed as itself and as `var.proxy`.
            let longest = *outer.iter().max_by_key(|text| text.len())?;
            if outer.len() != references.len() || !outer.iter().all(|text| longest.starts_with(text)) {
                return None;
            }
            match longest.split_once('.') {
                None => longest.clone_into(&mut name),
                Some((variable, attribute)) if steps.is_empty() => {
                    return self.document.variables.get(variable)?.value.get(attribute).cloned();
                }
                Some(_) => return None,
            }
        }
    }

    fn follow(&self, path: &[String], expression: &Value, trail: &mut Trail) {
        let references = references(expression);
        // `x.y.z` is listed as itself and as `x.y`.
        let longest = references.iter().filter(|text| !is_key(text)).max_by_key(|text| text.len());
        let is_part = |text: &str| {
            longest
                .and_then(|longest| longest.strip_prefix(text))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        trail.mixed |= longest.is_none() || !references.iter().all(|text| is_key(text) || is_part(text));
        for reference in &references {
            let reference = *reference;
            if !trail.visited.insert((path.to_vec(), reference.to_owned())) {
                continue;
            }
            let steps = parts(reference);
            let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
            match names[..] {
                ["var", variable, ..] => {
                    let argument = path.split_last().and_then(|(call, parent)| {
                        let call = self.module(parent)?.module_calls.get(call)?;
                        Some((parent, call.expressions.get(variable)?))
                    });
                    match argument {
                        Some((parent, argument)) => self.follow(parent, argument, trail),
                        None => trail.open = true,
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
                    let outputs: Vec<_> = module.outputs.iter().filter(|(name, _)| meant(name)).collect();
                    trail.mixed |= outputs.len() > 1;
                    for (_, output) in outputs {
                        self.follow(&inner, &output.expression, trail);
                    }
                }
                ["each" | "count", ..] => {
                    trail.by_key = true;
                    trail.open |= !is_key(reference);
                }
                ["path" | "terraform", ..] => {}
                ["local" | "self" | "module" | "data"] | ["local" | "self", ..] => trail.open = true,
                // `x.y["a"].z` is listed as itself, as `x.y["a"]` and as `x.y`, which would be every instance.
                _ if references.iter().any(|other| is_instance_of(other, reference)) => {}
                ["data", _, _, ref rest @ ..] => {
                    trail.find(Target::new(path, true, &steps[1], &steps[2]), rest);
                }
                [_, _, ref rest @ ..] => trail.find(Target::new(path, false, &steps[0], &steps[1]), rest),
                _ => {}
            }
        }
    }
}

impl Trail {
    fn find(&mut self, target: Target, attributes: &[&str]) {
        self.found.insert(target);
        self.attributes.extend(attributes.first().map(|&name| name.to_owned()));
    }
}

impl Target {
    fn new(module: &[String], mode_is_data: bool, kind: &Step, name: &Step) -> Self {
        let (kind, name, key) = (kind.name.clone(), name.name.clone(), name.key.clone());
        Self { module: module.to_vec(), mode_is_data, kind, name, key }
    }

    fn is(&self, resource: &ResourceChange) -> bool {
        self.mode_is_data == (resource.mode == Mode::Data)
            && self.kind == resource.kind
            && self.name == resource.name
            && self.module == names(&module_steps(&resource.module_address))
            && (self.key.is_none() || self.key == parts(&resource.address).pop().and_then(|step| step.key))
    }
}

pub(super) fn names(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.name.clone()).collect()
}

/// Returns whether two modules are in the same instance of each call that they share.
fn same_instance(one: &[Step], other: &[Step]) -> bool {
    one.iter().zip(other).take_while(|(a, b)| a.name == b.name).all(|(a, b)| a.key == b.key)
}

/// Returns whether a reference names one instance of the resource that another names.
fn is_instance_of(reference: &str, resource: &str) -> bool {
    reference.strip_prefix(resource).is_some_and(|rest| rest.starts_with('['))
}

/// Returns whether a reference only selects an instance.
fn is_key(reference: &str) -> bool {
    matches!(reference, "each.key" | "count.index")
}

/// Returns every reference of an expression, or of the blocks of expressions in its place.
pub(super) fn references(expression: &Value) -> Vec<&str> {
    match expression {
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Object(fields) => match fields.get("references") {
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
            _ => fields.values().flat_map(references).collect(),
        },
        _ => Vec::new(),
    }
}
