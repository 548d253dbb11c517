//! `gates.json`: records whether each gate passed, failed or was skipped for a commit and its images, and
//! decides whether a later stage may rely on it. Also an image layout's digest and a run's identity.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::{FRESH_SECONDS, SKEW_SECONDS};
use crate::context::{Commit, Context};
use rds_iam_images::image::Which;
use rds_iam_process::clock;
use rds_iam_process::error::Error;
use rds_iam_process::file;

/// The gate whose result applies to images, and not only to a commit.
const OF_IMAGES: &str = "trivy";

/// The results of the gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GateResults {
    /// The checked commit.
    commit: String,
    /// The digest of the app's image, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// The identity of the run: its URL on GitHub, or user and machine.
    run: String,
    /// The time when the last gate ended, RFC 3339.
    at: String,
    gates: Vec<GateResult>,
}

/// The result of one gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct GateResult {
    name: String,
    #[serde(rename = "result")]
    outcome: GateOutcome,
    /// The reason of a skip.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    /// The digests of the images that the result applies to; empty if it applies only to the commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    images: Vec<String>,
}

/// The outcome of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GateOutcome {
    Passed,
    Failed,
    /// Skipped by the operator with `--skip`.
    Skipped,
}

impl GateResults {
    /// Loads the results of this commit that are less than a day old. Older ones do not count: new
    /// vulnerabilities are published every day.
    pub(crate) fn load(context: &Context<'_>) -> Self {
        let known =
            std::fs::read_to_string(path(context)).ok().and_then(|text| serde_json::from_str(&text).ok());
        let age = |known: &Self| clock::parse(&known.at).map(|at| context.now - at);
        let is_of_today =
            |known: &Self| age(known).is_some_and(|age| (-SKEW_SECONDS..=FRESH_SECONDS).contains(&age));
        known
            .filter(|known: &Self| known.commit == context.commit.identity() && is_of_today(known))
            .unwrap_or_else(|| Self::empty(&context.commit))
    }

    fn empty(commit: &Commit) -> Self {
        Self { commit: commit.identity(), image: None, run: who(), at: String::new(), gates: Vec::new() }
    }

    /// Records the outcome of a gate, at the start of the run: [`load`](Self::load) compares with that time too, and takes
    /// a later one for another machine's wrong clock.
    pub(crate) fn set(&mut self, gate: &str, outcome: GateOutcome, reason: &str, context: &Context<'_>) {
        let images = if gate == OF_IMAGES { digests(context) } else { Vec::new() };
        self.gates.retain(|result| result.name != gate);
        self.gates.push(GateResult { name: gate.to_owned(), outcome, reason: reason.to_owned(), images });
        self.run = who();
        self.at = clock::rfc3339(context.now);
    }

    /// Records the image that the results belong to.
    ///
    /// # Errors
    /// Returns an error if a gate passed other images than this one.
    pub(crate) fn of_image(mut self, digest: &str) -> Result<Self, Error> {
        let other = |result: &&GateResult| {
            result.name == OF_IMAGES
                && result.outcome == GateOutcome::Passed
                && !result.images.iter().any(|image| image == digest)
        };
        if let Some(result) = self.gates.iter().find(other) {
            return Err(Error::Found {
                found: format!(
                    "{} passed {}, and this image is {digest}",
                    result.name,
                    result.images.join(", ")
                ),
                help: format!("run {} again: the images were built again since", result.name),
            });
        }
        self.image = Some(digest.to_owned());
        Ok(self)
    }

    /// Returns whether a gate passed for this commit and the images that are in `context`'s folder now, or
    /// was skipped by the operator. A skip of a gate that no deployment to AWS may skip does not count there.
    pub(crate) fn allows(&self, gate: &str, context: &Context<'_>) -> bool {
        self.gates.iter().any(|result| {
            let is_of_these = || gate != OF_IMAGES || result.images == digests(context);
            result.name == gate
                && match result.outcome {
                    GateOutcome::Passed => is_of_these(),
                    GateOutcome::Skipped => context.may_skip(gate),
                    GateOutcome::Failed => false,
                }
        })
    }

    /// Writes the results.
    ///
    /// # Errors
    /// Returns an error if the file can't be written.
    pub(crate) fn write(&self, to: &Path) -> Result<(), Error> {
        file::replace(to, format!("{}\n", serde_json::to_string_pretty(self).unwrap_or_default()))
    }
}

/// Returns the digests of the images in a run's folder; missing images are left out.
fn digests(context: &Context<'_>) -> Vec<String> {
    let images = Which::ALL.into_iter().map(|which| digest(&context.images().join(which.name())));
    images.filter_map(Result::ok).collect()
}

/// Returns the digest of a layout's image: the first in its index.
///
/// # Errors
/// Returns an error if there is no layout, or it contains no image.
pub(crate) fn digest(layout: &Path) -> Result<String, Error> {
    let index: Value = file::json(&layout.join("index.json"), "cargo xtask docker-build")?;
    index["manifests"][0]["digest"].as_str().map(str::to_owned).ok_or_else(|| Error::Found {
        found: format!("{} names no image", layout.join("index.json").display()),
        help: "build it again: cargo xtask docker-build".to_owned(),
    })
}

/// Returns the path of the file.
pub(crate) fn path(context: &Context<'_>) -> PathBuf {
    context.bundle("gates.json")
}

/// Returns the identity of this run: its URL on GitHub, or user and machine.
pub(crate) fn who() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(server), Some(repository), Some(run)) =
        (variable("GITHUB_SERVER_URL"), variable("GITHUB_REPOSITORY"), variable("GITHUB_RUN_ID"))
    {
        return format!("{server}/{repository}/actions/runs/{run}");
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let user = variable("USER")
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    format!("{user}@{}", host.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rds_iam_images::image::Bases;
    use rds_iam_process::workspace::Workspace;

    fn workspace(folder: &Path) -> Workspace {
        let at = |name: &str| folder.join(name);
        Workspace { root: at("root"), target: at("target"), cache: at("cache") }
    }

    fn context(workspace: &Workspace) -> Context<'_> {
        Context {
            workspace,
            commit: Commit { id: "a".repeat(40), time: String::new(), changes: None, source: String::new() },
            environment: None,
            promotion: None,
            bases: Bases::Pinned,
            accept_scan: Vec::new(),
            skipped: Vec::new(),
            plans: false,
            applies: false,
            destroys: false,
            no_snapshot: false,
            now: 0,
        }
    }

    #[test]
    fn a_gate_allows_once_it_passed_or_was_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(folder.path());
        let context = context(&workspace);
        let images = |digest: &str| {
            for which in Which::ALL {
                let index =
                    serde_json::json!({ "manifests": [{ "digest": format!("{digest}-{}", which.name()) }] });
                file::replace(&context.images().join(which.name()).join("index.json"), index.to_string())
                    .unwrap();
            }
        };
        let mut results = GateResults::empty(&context.commit);
        assert!(!results.allows("trivy", &context));
        images("one");
        results.set("trivy", GateOutcome::Passed, "", &context);
        assert!(results.allows("trivy", &context));
        let of_image = |digest| results.clone().of_image(digest).map(|of| of.image);
        assert_eq!(of_image("one-app").unwrap().as_deref(), Some("one-app"));
        // Other images of the same commit were not scanned.
        images("two");
        assert!(!results.allows("trivy", &context));
        insta::assert_snapshot!(of_image("two-app").unwrap_err().report(), @r"
        error: trivy passed one-app, one-bootstrap, and this image is two-app
          help: run trivy again: the images were built again since
        ");
        results.set("trivy", GateOutcome::Failed, "", &context);
        assert!(!results.allows("trivy", &context));
        results.set("trivy", GateOutcome::Skipped, "by name", &context);
        assert!(results.allows("trivy", &context));
        assert_eq!(results.gates.len(), 1);
    }

    /// A run may last longer than the difference of clocks that is accepted.
    #[test]
    fn results_of_a_run_count_until_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(folder.path());
        let mut context = context(&workspace);
        let mut results = GateResults::empty(&context.commit);
        results.set("validate", GateOutcome::Passed, "", &context);
        results.write(&path(&context)).unwrap();
        assert!(GateResults::load(&context).allows("validate", &context));
        // A later run reads them for a day, and none of the future.
        for (now, expected) in [(FRESH_SECONDS, true), (FRESH_SECONDS + 1, false), (-SKEW_SECONDS - 1, false)]
        {
            context.now = now;
            assert_eq!(GateResults::load(&context).allows("validate", &context), expected, "{now}");
        }
    }

    #[test]
    fn a_recorded_skip_of_checkov_does_not_count_on_aws() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = workspace(folder.path());
        let context = context(&workspace);
        let mut results = GateResults::empty(&context.commit);
        results.set("checkov", GateOutcome::Skipped, "by name", &context);
        assert!(!results.allows("checkov", &context));
        results.set("checkov", GateOutcome::Passed, "", &context);
        assert!(results.allows("checkov", &context));
    }
}
