//! Counts the tests of each database engine, of all kinds but doc tests: integration tests, and unit tests of libraries and
//! programs.
//!
//! A test is about an engine if a module in its path is named `mysql` or `postgres` (`on_each_engine!` and `only!` of
//! `rds-iam-emulator-server` make such modules), or has documentation with a paragraph `Only MySQL: REASON` or `Only
//! PostgreSQL: REASON`; the innermost such module decides. It must exist for the other engine, with the same name but for that
//! module, or have a reason: in `only!`, or in such a paragraph of a module around it.
//!
//! An integration test outside such modules is refused if it is asynchronous, as all that contact a server, and its function
//! names types of one engine alone, such as `MySqlPool`. Types that only its helpers name are not found.

mod sources;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
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
use sources::Sources;

/// The engines' names in prose.
const TITLES: [&str; 2] = ["MySQL", "PostgreSQL"];
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
    is_integration: bool,
    executable: String,
    /// The file of its root module.
    source: PathBuf,
}

/// A test program with its tests and its sources.
#[derive(Debug, Default)]
struct Listed {
    name: String,
    tests: Vec<String>,
    sources: Sources,
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
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests of both engines: `on_each_engine!` registers one function for each.
    one_source: usize,
    /// Tests of both engines: each has a function of that name.
    two_sources: usize,
    only: Vec<Only>,
    /// Tests about no engine.
    neither: usize,
}

/// Lists the tests of all programs that `build` builds, a cargo command with `--no-run --message-format=json`; prints the
/// counts and writes them to a file for the report.
pub(crate) fn check(
    build: &Cmd,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<Outcome, Error> {
    forget(workspace)?;
    let messages = runner.capture(build, LISTED_WITHIN)?;
    let mut listed = Vec::new();
    for Program { name, is_integration, executable, source } in programs(&messages, &workspace.root) {
        let list = Cmd::new(executable, &workspace.root, "cargo has just built it");
        let tests = tests_in(&runner.ask(&list.args(["--list", "--format", "terse"]))?);
        let mut sources = Sources::read(&source)?;
        if !is_integration {
            // A unit test may use one engine's types as an example.
            sources.naming_one.clear();
        }
        listed.push(Listed { name, tests, sources });
    }
    let counts = count(&listed)?;
    for line in counts.lines() {
        console.line(&line);
    }
    counts.write(workspace)?;
    Ok(Outcome::Passed)
}

/// Removes the counts of an earlier run, which a report would take for this run's.
pub(crate) fn forget(workspace: &Workspace) -> Result<(), Error> {
    file::remove(&file_of(workspace))
}

/// Returns the counts that the tests wrote since [`forget`].
pub(crate) fn counted(workspace: &Workspace) -> Option<Value> {
    serde_json::from_str(&file::read(&file_of(workspace)).ok()?).ok()
}

fn file_of(workspace: &Workspace) -> PathBuf {
    context::folder(workspace).join("engines.json")
}

/// Returns the test programs among cargo's messages: integration tests, and unit tests of libraries and programs.
fn programs(messages: &str, root: &Path) -> Vec<Program> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |message: Value| {
        let target = &message["target"];
        let is_of = |kind: &str| target["kind"].as_array().is_some_and(|kinds| kinds.contains(&kind.into()));
        // A benchmark would run, instead of being listed.
        if message["profile"]["test"] != true || is_of("bench") || is_of("example") {
            return None;
        }
        let manifest = Path::new(message["manifest_path"].as_str()?);
        let package = manifest.parent()?.strip_prefix(root).unwrap_or(manifest);
        Some(Program {
            name: format!("{} {}", package.display(), target["name"].as_str()?),
            is_integration: is_of("test"),
            executable: message["executable"].as_str()?.to_owned(),
            source: target["src_path"].as_str()?.into(),
        })
    };
    let mut programs: Vec<_> = messages.filter_map(program).collect();
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    programs
}

/// Returns the names of tests in the answer to `--list --format terse`.
fn tests_in(answer: &str) -> Vec<String> {
    answer.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// A test about an engine.
struct Place<'s> {
    engine: usize,
    /// The test's name without the modules that are named for an engine: the same for each engine.
    key: String,
    /// The reason in the sources, if there is one.
    reason: Option<&'s str>,
}

/// Returns the engine of a test: that of the innermost module that is named for one, or whose documentation says so.
fn place<'s>(test: &str, sources: &'s Sources) -> Option<Place<'s>> {
    let mut names: Vec<&str> = test.split("::").collect();
    let modules = names.len() - 1;
    let tags =
        || (0..=modules).rev().map(|length| (length, sources.modules.get(&names[..length].join("::"))));
    let engine = tags().find_map(|(length, tag)| {
        let named = length.checked_sub(1).and_then(|last| engine_named(names[last]));
        named.or(tag.map(|tag| tag.engine))
    })?;
    let tag =
        sources.only.get(test).or_else(|| tags().find_map(|(_, tag)| tag.filter(|tag| tag.engine == engine)));
    let reason = tag.map(|tag| tag.reason.as_str());
    let name = names.pop()?;
    names.retain(|module| engine_named(module).is_none());
    names.push(name);
    Some(Place { engine, key: names.join("::"), reason })
}

/// Returns the engine that a module is named for.
fn engine_named(module: &str) -> Option<usize> {
    [ENGINES, ONLY].iter().find_map(|names| names.iter().position(|name| *name == module))
}

/// Counts the tests.
///
/// # Errors
/// Returns an error if a test exists for one engine only, without a reason.
fn count(programs: &[Listed]) -> Result<Counts, Error> {
    let (mut counts, mut problems) = (Counts::default(), Vec::new());
    for Listed { name: program, tests, sources } in programs {
        let mut of_engine = [BTreeMap::new(), BTreeMap::new()];
        for test in tests {
            if let Some(Place { engine, key, reason }) = place(test, sources) {
                if let Some((other, _)) = of_engine[engine].insert(key, (test, reason)) {
                    problems
                        .push(format!("{program}: {other} and {test} differ in the engine's module alone"));
                }
            } else if let Some(engine) = sources.naming_one.get(test) {
                let title = TITLES[*engine];
                problems.push(format!(
                    "{program}: {test} names types of {title} alone, and is in no module of it"
                ));
            } else {
                counts.neither += 1;
            }
        }
        for (engine, other) in [(0, 1), (1, 0)] {
            for (key, (test, reason)) in &of_engine[engine] {
                match (of_engine[other].contains_key(key), reason) {
                    (true, _) if engine == 1 => {}
                    (true, _) if sources.both.contains(key) => counts.one_source += 1,
                    (true, _) => counts.two_sources += 1,
                    (false, Some(reason)) => counts.add_only(engine, program, reason, test),
                    (false, None) => problems.push(format!(
                        "{program}: {test} is a test of {}, has no reason, and is not a test of {}",
                        TITLES[engine], TITLES[other]
                    )),
                }
            }
        }
    }
    if counts.one_source == 0 {
        problems.push("no test runs on both engines: the tests were not found".to_owned());
    }
    if problems.is_empty() {
        return Ok(counts);
    }
    Err(Error::Found {
        found: format!("the engines do not have the same tests:\n  {}", problems.join("\n  ")),
        help: "register a test with `on_each_engine!`, or with `only!` and the reason; or write the reason into its module's \
               documentation, as a paragraph `Only MySQL: …` or `Only PostgreSQL: …`"
            .to_owned(),
    })
}

impl Counts {
    fn add_only(&mut self, engine: usize, program: &str, reason: &str, test: &str) {
        let same =
            |only: &&mut Only| (only.engine, &*only.program, &*only.reason) == (engine, program, reason);
        match self.only.iter_mut().find(same) {
            Some(only) => only.tests.push(test.to_owned()),
            None => self.only.push(Only {
                engine,
                program: program.to_owned(),
                reason: reason.to_owned(),
                tests: vec![test.to_owned()],
            }),
        }
    }

    /// Returns the number of tests about one engine.
    fn only(&self, engine: usize) -> usize {
        self.only.iter().filter(|only| only.engine == engine).map(|only| only.tests.len()).sum()
    }

    /// Returns the number of tests that run on an engine, or test its code.
    fn all(&self, engine: usize) -> usize {
        self.one_source + self.two_sources + self.only(engine)
    }

    /// Returns the counts and the reasons, for people.
    fn lines(&self) -> Vec<String> {
        let Self { one_source, two_sources, neither, .. } = self;
        let mut lines = vec![
            format!("tests: {} of mysql, {} of postgres, {neither} of no engine", self.all(0), self.all(1)),
            format!("  engine-neutral, one source for both: {one_source} on mysql, {one_source} on postgres"),
            format!(
                "  the same test with a source for each: {two_sources} of mysql, {two_sources} of postgres"
            ),
            format!("  with a reason: {} of mysql alone, {} of postgres alone", self.only(0), self.only(1)),
        ];
        lines.extend(self.only.iter().map(|only| {
            let (engine, count) = (ENGINES[only.engine], only.tests.len());
            format!("  only {engine}, {count} in {}: {}", only.program, only.reason)
        }));
        lines
    }

    /// Writes the counts for the report.
    fn write(&self, workspace: &Workspace) -> Result<(), Error> {
        file::make_folder(&context::folder(workspace))?;
        file::replace(&file_of(workspace), format!("{:#}\n", self.json()))
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
            "all": { "mysql": self.all(0), "postgres": self.all(1), "neither": self.neither },
            "neutral": { "mysql": self.one_source, "postgres": self.one_source },
            "two_sources": { "mysql": self.two_sources, "postgres": self.two_sources },
            "only_mysql": only(0),
            "only_postgres": only(1),
        })
    }
}
