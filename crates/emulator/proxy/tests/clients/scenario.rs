//! The scenario, and the part of it that one client runs.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Result;
use super::sites::{Target, is_mysql};

/// The number of rows in the file that clients load.
const ROWS: usize = 20_000;

/// The steps in `scenario.json`.
pub(super) struct Scenario(Vec<Value>);

/// The steps of one client, in files that last as long as this.
pub(super) struct Plan {
    folder: tempfile::TempDir,
    pub(super) steps: Value,
    /// The names of the steps, and the results of their actions.
    expected: Vec<(String, Vec<Value>)>,
}

/// The choices and replacements for one client.
struct Choices<'a> {
    client: &'a str,
    engine: &'a str,
    replacements: [(&'static str, String); 3],
}

impl Scenario {
    pub(super) fn read() -> Result<Self> {
        Ok(Self(serde_json::from_str(include_str!("scenario.json"))?))
    }

    /// Returns the steps that clients do not do, each with the client and the reason.
    pub(super) fn exceptions(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().flat_map(|step| {
            let not = step["not"].as_object().into_iter().flatten();
            not.map(|(client, reason)| (name(step), client.as_str(), reason.as_str().unwrap_or_default()))
        })
    }

    /// Returns the steps of a client.
    pub(super) fn plan(&self, client: &str, target: Target) -> Result<Plan> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("rows.tsv");
        let rows: String = (1..=ROWS).map(|n| format!("{n}\trow {n} ✓\n")).collect();
        std::fs::write(&file, rows)?;
        let choices = Choices {
            client,
            engine: if is_mysql(client) { "mysql" } else { "postgres" },
            replacements: [
                ("{user}", target.database_user(client)),
                ("{table}", format!("of_{}", target.database_user(client))),
                ("{file}", file.display().to_string()),
            ],
        };
        let (mut steps, mut expected) = (Vec::new(), Vec::new());
        for step in self.0.iter().filter(|step| !choices.leaves_out(step, target)) {
            let mut actions = choices.apply(&step["do"]);
            let list = actions.as_array_mut().ok_or("a step has no actions")?;
            let results = list.iter_mut().filter_map(Value::as_object_mut);
            let results = results.map(|action| action.remove("expect").unwrap_or_default()).collect();
            expected.push((name(step).to_owned(), results));
            steps.push(serde_json::json!({ "step": name(step), "do": actions }));
        }
        Plan::new(folder, steps.into(), expected)
    }
}

impl Plan {
    fn new(folder: tempfile::TempDir, steps: Value, expected: Vec<(String, Vec<Value>)>) -> Result<Self> {
        let plan = Self { folder, steps, expected };
        std::fs::write(plan.file(), plan.steps.to_string())?;
        Ok(plan)
    }

    /// Returns a plan without steps: a client logs in, and ends.
    pub(super) fn empty() -> Result<Self> {
        Self::new(tempfile::tempdir()?, Value::Array(Vec::new()), Vec::new())
    }

    /// Returns the file with the steps.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("steps.json")
    }

    /// Returns the folder for more files of the client.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Panics unless the client printed each step with its results, and no other.
    pub(super) fn check(&self, printed: &str) {
        let mut expected = self.expected.iter();
        for line in printed.lines() {
            let report: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            let (step, results) = expected.next().unwrap_or_else(|| panic!("an unknown step: {line}"));
            assert_eq!(name(&report), step, "another step was expected");
            assert_eq!(report["results"], Value::from(results.clone()), "the results of the step {step:?}");
        }
        assert_eq!(expected.next(), None, "the client did not report a step");
    }
}

impl Choices<'_> {
    /// Returns whether the client does not do a step.
    fn leaves_out(&self, step: &Value, target: Target) -> bool {
        let is_of_another = step["engine"].as_str().is_some_and(|engine| engine != self.engine);
        let of_target = format!("{}/{}", target.name(), self.client);
        is_of_another || step["not"].get(self.client).is_some() || step["not"].get(of_target).is_some()
    }

    /// Returns the value with choices decided, and names replaced.
    fn apply(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => match self.choose(fields) {
                Some(chosen) => self.apply(chosen),
                None => fields.iter().map(|(name, value)| (name.clone(), self.apply(value))).collect(),
            },
            Value::Array(values) => values.iter().map(|value| self.apply(value)).collect(),
            Value::String(text) => {
                let replace = |text: String, (name, value): &(&str, String)| text.replace(name, value);
                self.replacements.iter().fold(text.clone(), replace).into()
            }
            other => other.clone(),
        }
    }

    /// Returns the value for the client, if the object is a choice.
    fn choose<'v>(&self, fields: &'v Map<String, Value>) -> Option<&'v Value> {
        let is_choice =
            fields.contains_key("else") || ["mysql", "postgres"].iter().all(|e| fields.contains_key(*e));
        let keys = [self.client, self.engine, "else"];
        is_choice.then(|| keys.iter().find_map(|key| fields.get(*key)))?
    }
}

fn name(step: &Value) -> &str {
    step["step"].as_str().unwrap_or_default()
}
