//! `Manifest` binds a Terraform plan to its sources (commit, provider lock file, variables, package): a plan
//! that differs or is too old is refused. `sensitive` finds a plan's sensitive values.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::context::Context;
use rds_iam_process::clock;
use rds_iam_process::error::Error;
use rds_iam_process::file;

/// The maximum age of a plan. Terraform refuses a plan if the state has changed since; this limit covers an
/// outdated decision, which Terraform can't detect.
pub(crate) const FRESH_SECONDS: i64 = 24 * 60 * 60;
/// The maximum difference between the clocks of two machines.
pub(crate) const SKEW_SECONDS: i64 = 5 * 60;

/// The manifest beside a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    environment: String,
    commit: String,
    /// The SHA-256 of the plan.
    plan: String,
    /// The SHA-256 of `.terraform.lock.hcl`.
    lock: String,
    /// The SHA-256 of all variable files, in their order.
    variables: String,
    /// The SHA-256 of bootstrap's Lambda package; empty if there is none.
    package: String,
    /// The creation time, RFC 3339.
    made: String,
}

/// The source files of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) lock: PathBuf,
    pub(crate) variables: Vec<PathBuf>,
    pub(crate) package: PathBuf,
}

impl Manifest {
    /// Creates the manifest of the plan at `plan` and of its current sources.
    ///
    /// # Errors
    /// Returns an error if a file can't be read.
    pub(crate) fn new(plan: &Path, sources: &Sources, context: &Context<'_>) -> Result<Self, Error> {
        let mut variables = Sha256::new();
        for path in &sources.variables {
            variables.update(file::sha256(path)?);
        }
        Ok(Self {
            environment: context.environment()?.name.clone(),
            commit: context.commit.identity(),
            plan: file::sha256(plan)?,
            lock: file::sha256(&sources.lock)?,
            variables: hex::encode(variables.finalize()),
            package: if sources.package.is_file() { file::sha256(&sources.package)? } else { String::new() },
            made: clock::rfc3339(context.now),
        })
    }

    /// Returns the plan's digest, which identifies it to the operator.
    pub(crate) fn digest(&self) -> &str {
        &self.plan
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// Returns an error if it can't be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        file::replace(path, format!("{}\n", serde_json::to_string_pretty(self).unwrap_or_default()))
    }

    /// Checks that this manifest, found beside a plan, matches the current one, `here`, at the time `now`.
    ///
    /// # Errors
    /// Returns an error with all differences, or if the plan is too old.
    pub(crate) fn check(&self, here: &Self, now: i64) -> Result<(), Error> {
        let mut differences = Vec::new();
        let mut differs = |what: &str, planned: &str, is: &str| {
            if planned != is {
                let short =
                    |text: &str| if text.len() > 20 { text[..12].to_owned() } else { text.to_owned() };
                differences.push(format!("{what}: planned {}, here {}", short(planned), short(is)));
            }
        };
        differs("environment", &self.environment, &here.environment);
        differs("commit", &self.commit, &here.commit);
        differs("the plan itself", &self.plan, &here.plan);
        differs(".terraform.lock.hcl", &self.lock, &here.lock);
        differs("variables", &self.variables, &here.variables);
        differs("bootstrap's package", &self.package, &here.package);
        match clock::parse(&self.made) {
            Some(made) if made > now + SKEW_SECONDS => {
                differences.push(format!("it was made at {}, which is still to come", self.made));
            }
            Some(made) if now - made > FRESH_SECONDS => {
                differences.push(format!("it was made at {}, more than 24 hours ago", self.made));
            }
            Some(_) => {}
            None => differences.push(format!("it does not say when it was made, but {:?}", self.made)),
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::Found {
            found: format!("this is not the plan of what is here:\n  {}", differences.join("\n  ")),
            help: "plan again, read the plan, and apply that: nothing was changed".to_owned(),
        })
    }
}

/// Returns the addresses of the sensitive values in a plan's JSON.
pub(crate) fn sensitive(plan: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, variable) in
        plan["configuration"]["root_module"]["variables"].as_object().into_iter().flatten()
    {
        collect(
            &plan["variables"][name]["value"],
            &variable["sensitive"],
            &format!("var.{name}"),
            &mut found,
        );
    }
    let changes = [&plan["resource_changes"], &plan["resource_drift"]];
    for change in changes.into_iter().filter_map(Value::as_array).flatten() {
        if is_public(change, &change["change"]["after"]) {
            continue;
        }
        let address = change["address"].as_str().unwrap_or_default();
        for side in ["before", "after"] {
            let marks = &change["change"][format!("{side}_sensitive")];
            collect(&change["change"][side], marks, address, &mut found);
        }
    }
    for (name, change) in plan["output_changes"].as_object().into_iter().flatten() {
        for side in ["before", "after"] {
            collect(
                &change[side],
                &change[format!("{side}_sensitive")],
                &format!("output.{name}"),
                &mut found,
            );
        }
    }
    for values in [&plan["planned_values"], &plan["prior_state"]["values"]] {
        modules(&values["root_module"], &mut found);
        for (name, output) in values["outputs"].as_object().into_iter().flatten() {
            collect(&output["value"], &output["sensitive"], &format!("output.{name}"), &mut found);
        }
    }
    found.sort();
    found.dedup();
    found
}

fn modules(module: &Value, found: &mut Vec<String>) {
    for resource in module["resources"].as_array().into_iter().flatten() {
        if is_public(resource, &resource["values"]) {
            continue;
        }
        let address = resource["address"].as_str().unwrap_or_default();
        collect(&resource["values"], &resource["sensitive_values"], address, found);
    }
    for child in module["child_modules"].as_array().into_iter().flatten() {
        modules(child, found);
    }
}

/// Returns whether this is a parameter that AWS publishes, such as the newest machine image: the provider
/// marks every parameter's value as sensitive, but these are public.
fn is_public(resource: &Value, values: &Value) -> bool {
    resource["mode"] == "data"
        && resource["type"] == "aws_ssm_parameter"
        && values["name"].as_str().is_some_and(|name| name.starts_with("/aws/service/"))
}

/// Collects the paths of marked values. Marks have the same structure as the values; `true` covers everything
/// below.
fn collect(value: &Value, marks: &Value, path: &str, found: &mut Vec<String>) {
    match marks {
        Value::Bool(true) if !is_nothing(value) => found.push(path.to_owned()),
        Value::Object(marks) => {
            for (name, marks) in marks {
                collect(&value[name], marks, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(marks) => {
            for (index, marks) in marks.iter().enumerate() {
                collect(&value[index], marks, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.iter().all(is_nothing),
        Value::Object(values) => values.values().all(is_nothing),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest() -> Manifest {
        Manifest {
            environment: "dev".into(),
            commit: "a".repeat(40),
            plan: "1".repeat(64),
            lock: "2".repeat(64),
            variables: "3".repeat(64),
            package: String::new(),
            made: "2026-01-01T00:00:00Z".into(),
        }
    }

    const MADE: i64 = 1_767_225_600;

    #[test]
    fn the_same_is_applied_for_a_day() {
        manifest().check(&manifest(), MADE).unwrap();
        manifest().check(&manifest(), MADE + FRESH_SECONDS).unwrap();
    }

    #[test]
    fn every_difference_is_told() {
        let here = Manifest {
            environment: "prod".into(),
            commit: "b".repeat(40),
            plan: "9".repeat(64),
            lock: "8".repeat(64),
            variables: "7".repeat(64),
            package: "6".repeat(64),
            made: String::new(),
        };
        let error = manifest().check(&here, MADE + FRESH_SECONDS + 1).unwrap_err();
        insta::assert_snapshot!(error.report(), @"
        error: this is not the plan of what is here:
          environment: planned dev, here prod
          commit: planned aaaaaaaaaaaa, here bbbbbbbbbbbb
          the plan itself: planned 111111111111, here 999999999999
          .terraform.lock.hcl: planned 222222222222, here 888888888888
          variables: planned 333333333333, here 777777777777
          bootstrap's package: planned , here 666666666666
          it was made at 2026-01-01T00:00:00Z, more than 24 hours ago
          help: plan again, read the plan, and apply that: nothing was changed
        ");
    }

    #[test]
    fn a_sensitive_value_is_found_wherever_it_stands() {
        let plan = json!({
            "resource_changes": [{
                "address": "aws_db_instance.this",
                "change": {
                    "before": null, "after": { "password": "hunter2", "tags": { "a": "b" }, "list": [{ "key": "k" }] },
                    "before_sensitive": false,
                    "after_sensitive": { "password": true, "tags": {}, "list": [{ "key": true }] },
                },
            }],
            "output_changes": { "token": { "before": null, "after": "t", "before_sensitive": false, "after_sensitive": true } },
            "planned_values": { "root_module": { "child_modules": [{ "resources": [
                { "address": "module.a.x.y", "values": { "s": "v" }, "sensitive_values": { "s": true } },
            ] }] } },
            "prior_state": { "values": { "outputs": { "old": { "sensitive": true, "value": "o" } } } },
            "variables": { "key": { "value": "k" }, "open": { "value": "o" } },
            "configuration": { "root_module": { "variables": { "key": { "sensitive": true }, "open": {} } } },
            "resource_drift": [{
                "address": "aws_x.drifted",
                "change": { "before": { "s": "v" }, "after": null, "before_sensitive": { "s": true } },
            }],
        });
        assert_eq!(
            sensitive(&plan),
            [
                "aws_db_instance.this.list[0].key",
                "aws_db_instance.this.password",
                "aws_x.drifted.s",
                "module.a.x.y.s",
                "output.old",
                "output.token",
                "var.key",
            ]
        );
    }

    #[test]
    fn what_aws_publishes_is_no_secret() {
        let parameter = |name: &str| {
            json!({ "prior_state": { "values": { "root_module": { "resources": [{
                "address": "data.aws_ssm_parameter.a", "mode": "data", "type": "aws_ssm_parameter",
                "values": { "name": name, "value": "ami-1" }, "sensitive_values": { "value": true },
            }] } } } })
        };
        assert!(sensitive(&parameter("/aws/service/ami-amazon-linux-latest/x")).is_empty());
        assert_eq!(sensitive(&parameter("/dev/database/password")), ["data.aws_ssm_parameter.a.value"]);
    }

    #[test]
    fn a_mark_without_a_value_is_no_secret() {
        let plan = json!({
            "resource_changes": [{
                "address": "aws_db_instance.this",
                "change": { "before": null, "after": { "password": null, "empty": "" }, "after_sensitive": { "password": true, "empty": true } },
            }],
        });
        assert!(sensitive(&plan).is_empty());
    }
}
