//! `cargo xtask doctor`: checks all requirements of the workspace on this machine, and prints the command
//! that installs each missing one. Tasks check their part of the same list before they begin.

mod checks;
mod list;
mod machine;
mod needs;
mod oldest;
mod preflight;

use serde_json::{Value, json};

use list::{Met, Need, Wanted};
use machine::ThisMachine;
use needs::needs;
use rds_iam_process::console::{Console, Style};
use rds_iam_process::engine::Engine;
use rds_iam_process::runner::{self, Runner};
use rds_iam_process::workspace::Workspace;

pub(crate) use list::Task;
pub(crate) use preflight::{NOT_BEGUN, preflight, require};

/// Prints all requirements; returns true if no required one is missing.
pub(crate) fn run(json: bool, workspace: &Workspace, console: Console, runner: Runner) -> bool {
    let engine = Engine::from_env().unwrap_or(Engine::Auto);
    let needs = needs(&ThisMachine { workspace, runner }, Wanted::All, engine);
    // A check that was interrupted has no result.
    if runner::interrupted() {
        return false;
    }
    if json {
        console.line(&format!("{:#}", as_json(&needs)));
    } else {
        for line in lines(&needs) {
            let style = match line.split_whitespace().next() {
                Some("present" | "fetched") => Style::Good,
                Some("MISSING") => Style::Bad,
                Some("optional") => Style::Warning,
                _ => Style::Quiet,
            };
            console.line(&console.paint(style, &line));
        }
    }
    !needs.iter().any(Need::missing)
}

fn state(need: &Need) -> &'static str {
    match (&need.met, need.required()) {
        (Met::Present(_), _) => "present",
        (Met::Fetched(_), _) => "fetched",
        (Met::Missing(_), true) => "missing",
        (Met::Missing(_), false) => "optional",
    }
}

fn lines(needs: &[Need]) -> Vec<String> {
    let width = needs.iter().map(|need| need.name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for need in needs {
        let state = if need.missing() { "MISSING" } else { state(need) };
        let what = match &need.met {
            Met::Present(what) => what.clone(),
            Met::Fetched(from) => format!("at its first use: {from}"),
            Met::Missing(why) => why.clone().unwrap_or_else(|| need.purpose.to_owned()),
        };
        lines.push(format!("{state:<8}  {:<width$}  {what}", need.name));
        if need.unmet() {
            lines.push(format!("{:<8}  {:<width$}  help: {}", "", "", need.help));
        }
    }
    lines.push(String::new());
    let names = |is: fn(&Need) -> bool| {
        needs.iter().filter(|need| is(need)).map(|need| need.name).collect::<Vec<_>>().join(", ")
    };
    let missing = names(Need::missing);
    lines.push(if missing.is_empty() {
        "Enough for demo and test.".to_owned()
    } else {
        format!("Missing: {missing}.")
    });
    let pipeline = names(|need| need.pipeline && need.unmet());
    if !pipeline.is_empty() {
        lines.push(format!("`cargo xtask ci` and `deploy` also need: {pipeline}."));
    }
    lines
}

fn as_json(needs: &[Need]) -> Value {
    let needs_json: Vec<Value> = needs
        .iter()
        .map(|need| {
            let (found, fetched, why) = match &need.met {
                Met::Present(found) => (Some(found), None, None),
                Met::Fetched(from) => (None, Some(from), None),
                Met::Missing(why) => (None, None, why.as_ref()),
            };
            json!({
                "name": need.name,
                "purpose": need.purpose,
                "required": need.required(),
                "pipeline": need.pipeline,
                "state": state(need),
                "found": found,
                "fetched": fetched,
                "why": why,
                "help": need.help,
            })
        })
        .collect();
    json!({ "ok": !needs.iter().any(Need::missing), "needs": needs_json })
}

#[cfg(test)]
mod tests;
