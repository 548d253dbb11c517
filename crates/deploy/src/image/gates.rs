//! `Gates`: the results of the pipeline's gates for an image. Reads the file of one run, and merges the results
//! of several runs: a gate counts as passed only if it passed in each.

use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::record::{Gate, GateResult};
use super::{Digest, ImageError};
use rds_iam_report::file;

/// The artifact type of gate results.
pub(super) const GATES: &str = "application/vnd.rds-iam.gates.v1+json";

/// The largest file that is read: 1 MiB.
const MAX_BYTES: u64 = 1024 * 1024;

/// The results of all gates for one image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Gates {
    /// The commit that the image was built from, 40 hex digits.
    pub commit: String,
    /// The image's manifest digest.
    pub image: Digest,
    /// The pipeline run: its URL, or user and host.
    pub run: String,
    /// The time of the run, in RFC 3339 format.
    pub at: String,
    /// The result of each gate.
    pub gates: Vec<Gate>,
}

impl Gates {
    /// Reads a gates file. Returns its text and its parsed contents.
    pub(super) fn read(path: &Path, image: &Digest) -> Result<(String, Self), ImageError> {
        let text = file::read_text(path, MAX_BYTES)
            .map_err(|source| ImageError::Read { path: path.to_owned(), source })?;
        let invalid = |problem: String| ImageError::Gates { path: path.to_owned(), problem };
        let gates: Self = serde_json::from_str(&text)
            .map_err(|error| invalid(format!("has an unexpected format at line {}", error.line())))?;
        if gates.image != *image {
            return Err(invalid(format!("is about {}, not about the image {image}", gates.image)));
        }
        if gates.gates.is_empty() {
            return Err(invalid("contains no gate results".to_owned()));
        }
        Ok((text, gates))
    }

    /// Merges the results of several runs over one image. A gate counts as passed only if it passed in every run, so
    /// that no later document can overrule an earlier one. The other fields are the oldest run's. Returns `None`
    /// without documents.
    pub(super) fn agreed(documents: &[Self]) -> Option<Self> {
        let oldest = documents.iter().min_by_key(|document| document.time())?;
        let mut gates: Vec<Gate> = Vec::new();
        for gate in std::iter::once(oldest).chain(documents).flat_map(|document| &document.gates) {
            if gates.iter().any(|merged| merged.name == gate.name) {
                continue;
            }
            let found = documents.iter().map(|document| document.gate(&gate.name));
            let not_passed =
                found.clone().find(|found| found.is_none_or(|gate| gate.result != GateResult::Passed));
            gates.push(match not_passed {
                None => gate.clone(),
                Some(Some(skipped)) => skipped.clone(),
                Some(None) => Gate {
                    name: gate.name.clone(),
                    result: GateResult::Skipped,
                    reason: Some("it has no result in at least one run".to_owned()),
                },
            });
        }
        Some(Self { gates, ..oldest.clone() })
    }

    /// Returns the gate of that name. One that is listed twice counts as skipped if it was skipped once.
    fn gate(&self, name: &str) -> Option<&Gate> {
        let named = || self.gates.iter().filter(|gate| gate.name == name);
        named().find(|gate| gate.result != GateResult::Passed).or_else(|| named().next())
    }

    /// Returns the time of the run; `None`, which sorts first, if it is invalid.
    pub(super) fn time(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(&self.at, &Rfc3339).ok()
    }

    /// Returns the names of the skipped gates that are not in `accepted`.
    pub(super) fn skipped_except(&self, accepted: &[String]) -> Vec<String> {
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
    fn a_gate_has_passed_only_if_it_passed_in_every_run() {
        use GateResult::{Passed, Skipped};
        let first = run("2026-01-01T00:00:00Z", &[("checkov", Passed), ("trivy", Skipped)]);
        // Sorted as text, the year 9999 is the newest and " 2026" the oldest.
        for at in ["9999-12-31T23:59:59Z", "2025-01-01T00:00:00Z", " 2026", "2026-01-01T00:00:00+14:00"] {
            let second = run(at, &[("trivy", Passed), ("checkov", Passed), ("tflint", Passed)]);
            for documents in [[first.clone(), second.clone()], [second, first.clone()]] {
                let agreed = Gates::agreed(&documents).unwrap();
                let mut skipped = agreed.skipped_except(&[]);
                skipped.sort();
                assert_eq!(skipped, ["tflint", "trivy"], "{at}");
                assert_eq!(agreed.skipped_except(&["trivy".to_owned(), "tflint".to_owned()]), [""; 0]);
            }
        }
        let twice = run("2026-01-01T00:00:00Z", &[("trivy", Passed), ("trivy", Skipped)]);
        assert_eq!(Gates::agreed(&[twice]).unwrap().skipped_except(&[]), ["trivy"]);
        let same = run(
            "2026-01-02T00:00:00Z",
            &first.gates.iter().map(|gate| (gate.name.as_str(), gate.result)).collect::<Vec<_>>(),
        );
        assert_eq!(Gates::agreed(&[same, first.clone()]).unwrap(), first);
        assert_eq!(Gates::agreed(&[]), None);
    }
}
