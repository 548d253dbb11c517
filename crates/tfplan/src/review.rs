//! Reviews a plan against every rule.

use super::Plan;
use super::address::module_steps;
use super::document::ResourceChange;
use super::finding::{Finding, Note, Review, Verdicts};
use super::reference::names;
use super::rules::RULES;

impl Plan {
    /// Summarises the plan and checks it against [`RULES`].
    pub fn review(&self) -> Review {
        let (mut findings, mut notes) = (Vec::new(), Vec::new());
        for rule in &RULES {
            let mut verdicts = Verdicts::default();
            (rule.check)(self, &mut verdicts);
            for (resource, problem, remedy) in verdicts.refused {
                let (address, folder) = (resource.address.clone(), self.folder(resource));
                findings.push(Finding { rule, address, problem, remedy, folder });
            }
            let unchecked = verdicts.unchecked.into_iter();
            notes.extend(unchecked.map(|(resource, reason)| Note {
                rule,
                address: resource.address.clone(),
                reason,
            }));
        }
        findings
            .sort_by(|a, b| (a.rule.id, &a.address, &a.problem).cmp(&(b.rule.id, &b.address, &b.problem)));
        findings.dedup_by(|a, b| (a.rule.id, &a.address, &a.problem) == (b.rule.id, &b.address, &b.problem));
        notes.sort_by(|a, b| (a.rule.id, &a.address, &a.reason).cmp(&(b.rule.id, &b.address, &b.reason)));
        notes.dedup_by(|a, b| (a.rule.id, &a.address, &a.reason) == (b.rule.id, &b.address, &b.reason));
        Review { summary: self.summary(), findings, notes }
    }

    /// Returns the folder of a resource's module, relative to the root module's; for a module from another
    /// source, the nearest parent with a folder.
    fn folder(&self, resource: &ResourceChange) -> String {
        let path = names(&module_steps(&resource.module_address));
        let mut folder = Vec::new();
        for depth in 0..path.len() {
            let call = self.module(&path[..depth]).and_then(|module| module.module_calls.get(&path[depth]));
            let source = call.map(|call| call.source.as_str()).unwrap_or_default();
            if !(source.starts_with("./") || source.starts_with("../")) {
                break;
            }
            join(&mut folder, source);
        }
        if folder.is_empty() { ".".to_owned() } else { folder.join("/") }
    }
}

/// Appends a relative path to a folder.
pub(super) fn join<'a>(folder: &mut Vec<&'a str>, path: &'a str) {
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if folder.last().is_some_and(|last| *last != "..") => drop(folder.pop()),
            part => folder.push(part),
        }
    }
}
