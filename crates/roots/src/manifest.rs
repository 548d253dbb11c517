//! `trust/manifest.json`: what each shipped certificate is and where it came from.
//!
//! The PEM files are what the program trusts; the manifest is what a reviewer reads. A test fails when
//! they disagree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::certificate::rfc3339;
use super::{Certificate, Roots};

/// The shipped manifest's text.
pub const SHIPPED: &str = include_str!("../certificates/manifest.json");

/// The manifest of the shipped PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Where certificates were taken from, by the id that an [`Entry`] refers to.
    pub sources: BTreeMap<String, Source>,
    /// The certificates of each PEM file, in its order.
    pub files: BTreeMap<String, Vec<Entry>>,
}

impl Manifest {
    /// The shipped manifest.
    ///
    /// # Panics
    /// Never: a unit test parses it.
    pub fn shipped() -> Self {
        serde_json::from_str(SHIPPED).expect("the shipped manifest is parsed by a unit test")
    }

    /// Records `roots` as the content of the PEM file `file`. A certificate that was in the file keeps the
    /// source it had; one that is new gets `source`. Sources that nothing refers to any more are dropped.
    pub fn record(&mut self, file: &str, roots: &Roots, source: (&str, Source)) {
        let (source_id, source) = source;
        let before = self.files.remove(file).unwrap_or_default();
        let entries = roots
            .iter()
            .map(|certificate| {
                let sha256 = certificate.fingerprint().to_string();
                let known = before.iter().find(|entry| entry.sha256 == sha256);
                known.cloned().unwrap_or_else(|| Entry::new(certificate, source_id))
            })
            .collect();
        self.files.insert(file.to_owned(), entries);
        self.sources.insert(source_id.to_owned(), source);
        let used: Vec<&str> = self.files.values().flatten().map(|entry| entry.source.as_str()).collect();
        self.sources.retain(|id, _| used.contains(&id.as_str()));
    }

    /// The manifest as the text of its file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and maps of strings always serialise") + "\n"
    }
}

/// Where certificates were taken from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The package or file.
    pub name: String,
    /// Its version; for a file, its SHA-256.
    pub version: String,
    /// The licence it comes under.
    pub licence: String,
}

/// One certificate. Dates are RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The whole subject.
    pub subject: String,
    /// Fingerprint, as [`super::Fingerprint`] displays it.
    pub sha256: String,
    /// First moment of validity.
    pub not_before: String,
    /// Last moment of validity.
    pub not_after: String,
    /// Which of [`Manifest::sources`].
    pub source: String,
}

impl Entry {
    /// What the manifest says of a certificate that came from `source`.
    pub fn new(certificate: &Certificate, source: &str) -> Self {
        Self {
            subject: certificate.subject().to_owned(),
            sha256: certificate.fingerprint().to_string(),
            not_before: rfc3339(certificate.not_before()),
            not_after: rfc3339(certificate.not_after()),
            source: source.to_owned(),
        }
    }
}
