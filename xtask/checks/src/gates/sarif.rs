//! Reads the findings from a tool's SARIF 2.1.0 file, and rewrites the file for GitHub code scanning: with a
//! category for each run, and paths from the repository's root.

use std::path::Path;

use serde_json::Value;
use serde_sarif::sarif::{self, ResultKind, Run};

use rds_iam_process::error::Error;
use rds_iam_process::file::{read, replace};
use rds_iam_process::tools::Tool;

/// The findings of one scan.
#[derive(Debug)]
pub struct Sarif {
    pub(super) findings: Vec<Finding>,
    /// The number of further findings that are suppressed in the code, each with a reason there.
    pub(super) suppressed: usize,
}

/// One finding of a tool.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Finding {
    /// The path from the repository's root, or inside the image.
    pub(super) path: String,
    pub(super) line: i64,
    pub(super) rule: String,
    /// The package, for a finding about a package.
    pub(super) package: Option<String>,
    /// The tool's message, in one line.
    pub(super) says: String,
}

impl Sarif {
    /// Reads the file that `tool` wrote. It is rewritten for code scanning: its runs get the category `name`,
    /// and if the tool reports paths from the folder `base` below the root, they become paths from the root.
    ///
    /// # Errors
    /// Returns an error if there is no file, it is not SARIF 2.1.0 of this tool, or it reports that the tool
    /// could not scan.
    pub(super) fn read(file: &Path, tool: Tool, name: &str, base: &str) -> Result<Self, Error> {
        let wrong = |what: String| Error::Found {
            found: format!("{tool} succeeded, but its output {} is unusable: {what}", file.display()),
            help: format!(
                "run it again; if the error stays, the format of {tool} {} is not supported",
                tool.version()
            ),
        };
        if !file.is_file() {
            return Err(wrong("there is no file".to_owned()));
        }
        let written = read(file)?;
        if written.trim().is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        let mut json: Value =
            serde_json::from_str(&written).map_err(|error| wrong(format!("it is not JSON: {error}")))?;
        if !base.is_empty() {
            rebase(&mut json, base);
        }
        categorise(&mut json, name);
        replace(file, format!("{json:#}\n"))?;
        let log: sarif::Sarif =
            serde_json::from_value(json).map_err(|error| wrong(format!("it is not SARIF: {error}")))?;
        if log.version != "2.1.0" {
            return Err(wrong(format!(
                "it is SARIF {}, not 2.1.0",
                log.version.as_str().unwrap_or("of no version")
            )));
        }
        let of_tool = |run: &Run| run.tool.driver.name.eq_ignore_ascii_case(tool.name());
        if !log.runs.iter().any(of_tool) {
            return Err(wrong(format!("it has no run of {tool}")));
        }
        let mut read = Self { findings: Vec::new(), suppressed: 0 };
        for run in log.runs {
            let of_tool = of_tool(&run);
            let failed = run.invocations.iter().flatten().any(|invocation| !invocation.execution_successful);
            let Some(results) = run.results else {
                return Err(wrong("a run without results".to_owned()));
            };
            // tflint writes its own errors to a run with another tool's name.
            if let Some(error) = results.first().filter(|_| !of_tool || failed) {
                return Err(wrong(format!("it reports an error: {}", in_a_line(text(&error.message)))));
            }
            if failed {
                return Err(wrong("it reports that the run did not succeed".to_owned()));
            }
            for result in &results {
                read.add(result).map_err(&wrong)?;
            }
        }
        Ok(read)
    }

    fn add(&mut self, result: &sarif::Result) -> Result<(), String> {
        if result.kind.as_ref().is_some_and(|kind| *kind != ResultKind::Fail) {
            return Ok(());
        }
        if result.suppressions.as_ref().is_some_and(|suppressions| !suppressions.is_empty()) {
            self.suppressed += 1;
            return Ok(());
        }
        let mut locations = result.locations.iter().flatten();
        let location = locations.find_map(|location| location.physical_location.as_ref());
        let path = location.and_then(|found| found.artifact_location.as_ref()?.uri.clone());
        let line = location.and_then(|found| found.region.as_ref()?.start_line);
        let message = text(&result.message);
        let package = message.lines().find_map(|line| line.strip_prefix("Package: "));
        self.findings.push(Finding {
            path: path.unwrap_or_default(),
            line: line.unwrap_or_default(),
            rule: result.rule_id.clone().ok_or("a result without a rule")?,
            package: package.map(|name| name.trim().to_owned()),
            says: in_a_line(message),
        });
        Ok(())
    }
}

fn text(message: &sarif::Message) -> &str {
    message.text.as_deref().unwrap_or_default()
}

/// Returns a message in one line. trivy's message about a secret contains the masked text around it, which is
/// left out.
fn in_a_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Match:"));
    lines.collect::<Vec<_>>().join(", ")
}

/// Gives each run its category. GitHub's `upload-sarif` rejects several runs of one tool and category, and
/// uses everything before the last slash as the category.
fn categorise(json: &mut Value, name: &str) {
    let runs = json.get_mut("runs").and_then(Value::as_array_mut);
    for run in runs.into_iter().flatten().filter_map(Value::as_object_mut) {
        run.insert("automationDetails".to_owned(), serde_json::json!({ "id": format!("{name}/") }));
    }
}

fn rebase(json: &mut Value, base: &str) {
    match json {
        Value::Object(object) => {
            if let Some(Value::String(uri)) =
                object.get_mut("artifactLocation").and_then(|location| location.get_mut("uri"))
            {
                *uri = format!("{base}/{uri}");
            }
            object.values_mut().for_each(|value| rebase(value, base));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rebase(value, base)),
        _ => {}
    }
}
