//! What the gates of the pipeline found about an image, before it was pushed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Digest, ImageError};
use crate::file;

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

    /// The names of those that were skipped, but these.
    pub(super) fn skipped_but(&self, accepted: &[String]) -> Vec<String> {
        let skipped = self.gates.iter().filter(|gate| gate.result != GateResult::Passed);
        skipped.map(|gate| gate.name.clone()).filter(|name| !accepted.contains(name)).collect()
    }
}
