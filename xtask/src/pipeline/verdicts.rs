//! `gates.json`: what each gate said of a commit. It travels with the plan and the image, so that nothing is
//! applied, pushed or promoted that no gate has passed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bundle::{FRESH_SECONDS, SKEW_SECONDS};
use super::context::{Commit, Context};
use crate::clock;
use crate::error::Error;
use crate::file;

/// What the gates said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdicts {
    /// What was judged.
    commit: String,
    /// The digest of the app's image, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// Who judged: the run's address on GitHub, or user and machine.
    run: String,
    /// When the last of them did, RFC 3339.
    at: String,
    gates: Vec<Verdict>,
}

/// What one gate said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    name: String,
    result: Judged,
    /// Of one that was skipped, why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
}

/// How a gate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Judged {
    Passed,
    Failed,
    /// Somebody named it in `--skip`.
    Skipped,
}

impl Verdicts {
    /// What is known of this commit since yesterday; what was said of another one, or long ago, is nothing: new
    /// weaknesses come to light every day.
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

    /// Notes what a gate said now.
    pub(crate) fn set(&mut self, gate: &str, result: Judged, reason: &str, now: i64) {
        self.gates.retain(|verdict| verdict.name != gate);
        self.gates.push(Verdict { name: gate.to_owned(), result, reason: reason.to_owned() });
        self.run = who();
        self.at = clock::rfc3339(now);
    }

    /// Notes which image the verdicts go with.
    pub(crate) fn of_image(mut self, digest: &str) -> Self {
        self.image = Some(digest.to_owned());
        self
    }

    /// Whether a gate let this commit through, or was skipped by name.
    pub(crate) fn allows(&self, gate: &str) -> bool {
        self.gates.iter().any(|verdict| verdict.name == gate && verdict.result != Judged::Failed)
    }

    /// Writes them.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(crate) fn write(&self, to: &Path) -> Result<(), Error> {
        file::replace(to, format!("{}\n", serde_json::to_string_pretty(self).unwrap_or_default()))
    }
}

/// Where they are kept.
pub(crate) fn path(context: &Context<'_>) -> PathBuf {
    context.bundle("gates.json")
}

/// Who runs this: the run on GitHub, or user and machine.
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

    #[test]
    fn a_gate_allows_once_it_passed_or_was_skipped() {
        let commit = Commit { id: "a".repeat(40), time: String::new(), changes: None, source: String::new() };
        let mut verdicts = Verdicts::empty(&commit);
        assert!(!verdicts.allows("trivy"));
        verdicts.set("trivy", Judged::Failed, "", 0);
        assert!(!verdicts.allows("trivy"));
        verdicts.set("trivy", Judged::Skipped, "by name", 0);
        assert!(verdicts.allows("trivy"));
        assert_eq!(verdicts.gates.len(), 1);
    }
}
