//! `certificates/manifest.json`: the identity and source of each bundled certificate.
//!
//! The program trusts the PEM files; the manifest is for reviewers. A test fails if they disagree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::certificate::rfc3339;
use super::{Certificate, Roots};

/// The text of the bundled manifest.
pub const SHIPPED: &str = include_str!("../certificates/manifest.json");

/// The manifest of the bundled PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The sources of certificates, by the id in [`Entry::source`].
    pub sources: BTreeMap<String, Source>,
    /// The certificates of each PEM file, in file order.
    pub files: BTreeMap<String, Vec<Entry>>,
}

impl Manifest {
    /// Returns the bundled manifest.
    ///
    /// # Panics
    /// Never: a unit test parses it.
    #[must_use]
    pub fn shipped() -> Self {
        serde_json::from_str(SHIPPED).expect("the bundled manifest is parsed by a unit test")
    }

    /// Records `roots` as the content of the PEM file `file`. A certificate that was in the file keeps its
    /// source; a new one gets `source`. Unused sources are removed.
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

    /// Returns the text of the manifest's file.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and maps of strings always serialise") + "\n"
    }
}

/// A source of certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The package or file.
    pub name: String,
    /// The version of a package, or the SHA-256 of a file.
    pub version: String,
    /// The licence.
    pub licence: String,
}

/// A certificate. Dates are in RFC 3339 format, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The whole subject.
    pub subject: String,
    /// The fingerprint, in the format of [`super::Fingerprint`].
    pub sha256: String,
    /// The start of validity.
    pub not_before: String,
    /// The end of validity.
    pub not_after: String,
    /// The id of one of [`Manifest::sources`].
    pub source: String,
}

impl Entry {
    /// Creates the entry of a certificate from `source`.
    #[must_use]
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
