//! What the gates of the pipeline found about an image, before it was pushed.

use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Digest, ImageError};
use rds_iam_report::file;

/// The type of the artifact that carries them.
pub(super) const GATES: &str = "application/vnd.rds-iam.gates.v1+json";

/// The largest file that is read: 1 MiB.
const MAX_BYTES: u64 = 1024 * 1024;

/// The results of all gates, for one image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Gates {
    /// The commit that it was built from, 40 hex digits.
    pub commit: String,
    /// The image.
    pub image: Digest,
    /// The run they were part of: its address, or who ran it where.
    pub run: String,
    /// When, as in RFC 3339.
    pub at: String,
    /// Each gate's result.
    pub gates: Vec<Gate>,
}

/// One gate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// How it went.
    pub result: GateResult,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a gate went. A gate that fails ends the run, so that none is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GateResult {
    /// It found nothing.
    Passed,
    /// It was left out, by name.
    Skipped,
}

impl Gates {
    /// Reads a file: its text as it is, and what it says.
    pub(super) fn read(path: &Path, image: &Digest) -> Result<(String, Self), ImageError> {
        let text = file::read_text(path, MAX_BYTES)
            .map_err(|source| ImageError::Read { path: path.to_owned(), source })?;
        let wrong = |problem: String| ImageError::Gates { path: path.to_owned(), problem };
        let gates: Self = serde_json::from_str(&text)
            .map_err(|error| wrong(format!("is not of the form that is due (line {})", error.line())))?;
        if gates.image != *image {
            return Err(wrong(format!("is about {}, and the image is {image}", gates.image)));
        }
        if gates.gates.is_empty() {
            return Err(wrong("tells of no gate".to_owned()));
        }
        Ok((text, gates))
    }

    /// Merges the results of several runs over one image. They have to agree: a gate counts as passed only if every
    /// run names it as passed, so that no later document can overrule an earlier one. Everything but the gates is
    /// the oldest run's. `None` without a document.
    pub(super) fn agreed(documents: &[Self]) -> Option<Self> {
        let oldest = documents.iter().min_by_key(|document| document.time())?;
        let mut gates: Vec<Gate> = Vec::new();
        for gate in std::iter::once(oldest).chain(documents).flat_map(|document| &document.gates) {
            if gates.iter().any(|known| known.name == gate.name) {
                continue;
            }
            let found = documents.iter().map(|document| document.gate(&gate.name));
            let doubt =
                found.clone().find(|found| found.is_none_or(|gate| gate.result != GateResult::Passed));
            gates.push(match doubt {
                None => gate.clone(),
                Some(Some(skipped)) => skipped.clone(),
                Some(None) => Gate {
                    name: gate.name.clone(),
                    result: GateResult::Skipped,
                    reason: Some("not every run names it".to_owned()),
                },
            });
        }
        Some(Self { gates, ..oldest.clone() })
    }

    /// A gate that is named twice counts as skipped if it was skipped once.
    fn gate(&self, name: &str) -> Option<&Gate> {
        let named = || self.gates.iter().filter(|gate| gate.name == name);
        named().find(|gate| gate.result != GateResult::Passed).or_else(|| named().next())
    }

    /// The time of the run; of a text that is no time, none, which comes before all others.
    pub(super) fn time(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(&self.at, &Rfc3339).ok()
    }

    /// The names of the skipped gates that are not in `accepted`.
    pub(super) fn skipped_but(&self, accepted: &[String]) -> Vec<String> {
        let skipped = self.gates.iter().filter(|gate| gate.result != GateResult::Passed);
        skipped.map(|gate| gate.name.clone()).filter(|name| !accepted.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(at: &str, gates: &[(&str, GateResult)]) -> Gates {
        let gate = |(name, result): &(&str, GateResult)| Gate {
            name: (*name).to_owned(),
            result: *result,
            reason: None,
        };
        Gates {
            commit: "c".to_owned(),
            image: Digest::sha256(b"image"),
            run: at.to_owned(),
            at: at.to_owned(),
            gates: gates.iter().map(gate).collect(),
        }
    }

    #[test]
    fn a_gate_passed_only_where_every_run_says_so() {
        use GateResult::{Passed, Skipped};
        let first = run("2026-01-01T00:00:00Z", &[("checkov", Passed), ("trivy", Skipped)]);
        // Sorted as text, the year 9999 is the newest and " 2026" the oldest.
        for at in ["9999-12-31T23:59:59Z", "2025-01-01T00:00:00Z", " 2026", "2026-01-01T00:00:00+14:00"] {
            let second = run(at, &[("trivy", Passed), ("checkov", Passed), ("tflint", Passed)]);
            for documents in [[first.clone(), second.clone()], [second, first.clone()]] {
                let agreed = Gates::agreed(&documents).unwrap();
                let mut skipped = agreed.skipped_but(&[]);
                skipped.sort();
                assert_eq!(skipped, ["tflint", "trivy"], "{at}");
                assert_eq!(agreed.skipped_but(&["trivy".to_owned(), "tflint".to_owned()]), [""; 0]);
            }
        }
        let twice = run("2026-01-01T00:00:00Z", &[("trivy", Passed), ("trivy", Skipped)]);
        assert_eq!(Gates::agreed(&[twice]).unwrap().skipped_but(&[]), ["trivy"]);
        let same = run(
            "2026-01-02T00:00:00Z",
            &first.gates.iter().map(|gate| (gate.name.as_str(), gate.result)).collect::<Vec<_>>(),
        );
        assert_eq!(Gates::agreed(&[same, first.clone()]).unwrap(), first);
        assert_eq!(Gates::agreed(&[]), None);
    }
}
