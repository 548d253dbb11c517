//! Counts the tests of each database engine. A test that is the same for both must exist for both; one about a single engine has
//! its reason in the sources (`on_each_engine!` and `only!` of `rds-iam-emulator-server`).

mod reasons;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::context;
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::steps::Outcome;
use rds_iam_process::workspace::Workspace;
use reasons::Reason;

/// The engines, and the modules of their tests.
const ENGINES: [&str; 2] = ["mysql", "postgres"];
const ONLY: [&str; 2] = ["only_mysql", "only_postgres"];

/// The time limit for cargo's list of programs, all of which the step before has built.
const LISTED_WITHIN: Duration = Duration::from_secs(20 * 60);

/// A test program of the workspace.
#[derive(Debug)]
struct Program {
    /// Its package's folder and its name, for people.
    name: String,
    executable: String,
    /// The file of its root module.
    source: PathBuf,
}

/// A test program with its tests and the reasons in its sources.
#[derive(Debug, Default)]
struct Listed {
    name: String,
    tests: Vec<String>,
    reasons: Vec<Reason>,
}

/// The tests of one program about one engine, and the reason.
#[derive(Debug, PartialEq, Eq)]
struct Only {
    engine: usize,
    program: String,
    reason: String,
    tests: Vec<String>,
}

/// The numbers of tests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    neutral: usize,
    only: Vec<Only>,
}

/// Lists the tests of all programs that `build` builds, a cargo command with `--no-run --message-format=json`; prints the counts
/// and writes them to a file for the report.
pub(crate) fn check(
    build: &Cmd,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<Outcome, Error> {
    let path = file_of(workspace);
    file::remove(&path)?;
    let messages = runner.capture(build, LISTED_WITHIN)?;
    let mut listed = Vec::new();
    for Program { name, executable, source } in programs(&messages, &workspace.root) {
        let list = Cmd::new(executable, &workspace.root, "cargo has just built it");
        let tests = tests_in(&runner.ask(&list.args(["--list", "--format", "terse"]))?);
        listed.push(Listed { name, tests, reasons: reasons::of(&source)? });
    }
    let counts = count(&listed)?;
    for line in counts.lines() {
        console.line(&line);
    }
    file::make_folder(&context::folder(workspace))?;
    file::replace(&path, format!("{:#}\n", counts.json()))?;
    Ok(Outcome::Passed)
}

/// Returns the counts that the last run of the tests wrote.
pub(crate) fn last(workspace: &Workspace) -> Option<Value> {
    serde_json::from_str(&file::read(&file_of(workspace)).ok()?).ok()
}

fn file_of(workspace: &Workspace) -> PathBuf {
    context::folder(workspace).join("engines.json")
}

/// Returns the integration tests among cargo's messages.
fn programs(messages: &str, root: &Path) -> Vec<Program> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let tests = messages.filter(|message| {
        let kinds = message["target"]["kind"].as_array();
        message["profile"]["test"] == true && kinds.is_some_and(|kinds| kinds.contains(&"test".into()))
    });
    let program = |message: Value| {
        let manifest = Path::new(message["manifest_path"].as_str()?);
        let package = manifest.parent()?.strip_prefix(root).unwrap_or(manifest);
        Some(Program {
            name: format!("{} {}", package.display(), message["target"]["name"].as_str()?),
            executable: message["executable"].as_str()?.to_owned(),
            source: message["target"]["src_path"].as_str()?.into(),
        })
    };
    let mut programs: Vec<_> = tests.filter_map(program).collect();
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    programs
}

/// Returns the names of tests in the answer to `--list --format terse`.
fn tests_in(answer: &str) -> Vec<String> {
    answer.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Splits the name of a test in a module of `modules` into that module's number, and the name without it.
fn split(test: &str, modules: [&str; 2]) -> Option<(usize, String)> {
    let (path, name) = test.rsplit_once("::")?;
    let (parent, module) = path.rsplit_once("::").map_or(("", path), |(parent, module)| (parent, module));
    let engine = modules.iter().position(|known| *known == module)?;
    Some((engine, if parent.is_empty() { name.to_owned() } else { format!("{parent}::{name}") }))
}

/// Counts the tests.
///
/// # Errors
/// Returns an error if a test exists for one engine only, without a reason.
fn count(programs: &[Listed]) -> Result<Counts, Error> {
    let (mut neutral, mut only, mut problems) = (0, Vec::<Only>::new(), Vec::new());
    for program in programs {
        let mut of_engine = [BTreeSet::new(), BTreeSet::new()];
        for test in &program.tests {
            if let Some((engine, name)) = split(test, ENGINES) {
                of_engine[engine].insert(name);
            } else if let Some((engine, name)) = split(test, ONLY) {
                let Some(reason) = reason_of(&name, engine, &program.reasons) else {
                    problems.push(format!("{}: {test} has no reason in the sources", program.name));
                    continue;
                };
                match only.iter_mut().find(|only| only.is_of(engine, &program.name, reason)) {
                    Some(only) => only.tests.push(name),
                    None => only.push(Only {
                        engine,
                        program: program.name.clone(),
                        reason: reason.to_owned(),
                        tests: vec![name],
                    }),
                }
            }
        }
        for (engine, other) in [(0, 1), (1, 0)] {
            for name in of_engine[engine].difference(&of_engine[other]) {
                problems.push(format!(
                    "{}: {name} is a test of {}, and not of {}",
                    program.name, ENGINES[engine], ENGINES[other]
                ));
            }
        }
        neutral += of_engine[0].len();
    }
    if neutral == 0 {
        problems.push("no test runs on both engines: the tests were not found".to_owned());
    }
    if problems.is_empty() {
        return Ok(Counts { neutral, only });
    }
    Err(Error::Found {
        found: format!("the engines do not have the same tests:\n  {}", problems.join("\n  ")),
        help: "register a test with `on_each_engine!`, or with `only!` and the reason".to_owned(),
    })
}

/// Returns the reason of a test; `name` has its modules.
fn reason_of<'r>(name: &str, engine: usize, reasons: &'r [Reason]) -> Option<&'r str> {
    let name = name.rsplit_once("::").map_or(name, |(_, name)| name);
    let found = reasons
        .iter()
        .find(|reason| reason.engine == ENGINES[engine] && reason.tests.iter().any(|test| test == name));
    found.map(|reason| reason.text.as_str())
}

impl Only {
    fn is_of(&self, engine: usize, program: &str, reason: &str) -> bool {
        (self.engine, self.program.as_str(), self.reason.as_str()) == (engine, program, reason)
    }
}

impl Counts {
    /// Returns the number of tests about one engine.
    fn only(&self, engine: usize) -> usize {
        self.only.iter().filter(|only| only.engine == engine).map(|only| only.tests.len()).sum()
    }

    /// Returns the counts and the reasons, for people.
    fn lines(&self) -> Vec<String> {
        let neutral = self.neutral;
        let mut lines = vec![format!(
            "engine-neutral tests: {neutral} on mysql, {neutral} on postgres; only mysql: {}, only postgres: {}",
            self.only(0),
            self.only(1)
        )];
        lines.extend(self.only.iter().map(|only| {
            let (engine, count) = (ENGINES[only.engine], only.tests.len());
            format!("  only {engine}, {count} in {}: {}", only.program, only.reason)
        }));
        lines
    }

    /// Returns the counts and the reasons, for the report.
    fn json(&self) -> Value {
        let only = |engine| {
            let lists = self.only.iter().filter(|only| only.engine == engine);
            let lists: Vec<Value> = lists
                .map(|only| json!({ "program": only.program, "reason": only.reason, "tests": only.tests }))
                .collect();
            json!({ "tests": self.only(engine), "reasons": lists })
        };
        json!({
            "neutral": { "mysql": self.neutral, "postgres": self.neutral },
            "only_mysql": only(0),
            "only_postgres": only(1),
        })
    }
}
