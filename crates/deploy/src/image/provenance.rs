//! The provenance statements attached to an image, and the checks of a promotion.
//!
//! No statement is signed: each is a claim by a caller with permission to push. The checks reject mistakes and
//! statements about other images; signatures are GitHub's attestations, which `xtask` verifies
//! (docs/adr/0014-promotion.md).

use serde_json::Value;

use super::Digest;

/// The artifact type of an in-toto statement.
pub(super) const PROVENANCE: &str = "application/vnd.in-toto+json";
/// The types of a statement and of the predicate that builds write.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// The parts of a statement that are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Provenance {
    is_provenance: bool,
    /// The SHA-256 digests of all subjects, in hex; `None` for a subject without one.
    subjects: Vec<Option<String>>,
    /// The commit that the image was built from.
    pub(super) commit: Option<String>,
    bases: Option<String>,
    modified: bool,
}

impl From<&Value> for Provenance {
    fn from(statement: &Value) -> Self {
        let text = |value: &Value, pointer: &str| value.pointer(pointer)?.as_str().map(str::to_owned);
        let definition = &statement["predicate"]["buildDefinition"];
        let sources = definition["resolvedDependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let subjects = statement["subject"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            is_provenance: statement["_type"] == STATEMENT && statement["predicateType"] == PREDICATE,
            subjects: subjects.iter().map(|subject| text(subject, "/digest/sha256")).collect(),
            commit: sources.first().and_then(|source| text(source, "/digest/gitCommit")),
            bases: text(definition, "/externalParameters/bases"),
            // Anything but an explicit `false` counts, on every source.
            modified: sources.iter().any(|source| {
                source.pointer("/annotations/modified").is_some_and(|modified| *modified != false)
            }),
        }
    }
}

impl Provenance {
    /// Returns whether the statement is about this image and no other.
    pub(super) fn is_about(&self, image: &Digest) -> bool {
        self.is_provenance
            && matches!(self.subjects.as_slice(), [Some(subject)] if subject.as_str() == image.hex())
    }

    /// Returns the reason not to promote an image with this statement. `accept_local` accepts builds of this machine.
    pub(super) fn problem(&self, image: &Digest, accept_local: bool) -> Option<String> {
        if !self.is_about(image) {
            return Some("an attached provenance statement is about another image".to_owned());
        }
        if accept_local {
            return None;
        }
        if self.modified {
            return Some("it was built from files that differ from its commit".to_owned());
        }
        match self.bases.as_deref() {
            Some("pinned") => None,
            Some(bases) => Some(format!("it was built on {bases} bases, not on pinned ones")),
            None => Some("its provenance does not state its bases".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statement() -> Value {
        json!({
            "_type": STATEMENT, "predicateType": PREDICATE,
            "subject": [{ "name": "rds-iam-app", "digest": { "sha256": Digest::sha256(b"image").hex() } }],
            "predicate": { "buildDefinition": {
                "externalParameters": { "bases": "pinned" },
                "resolvedDependencies": [{ "digest": { "gitCommit": "c" } }, { "uri": "docker://base" }],
            }}
        })
    }

    fn problem(change: impl Fn(&mut Value), accept_local: bool) -> Option<String> {
        let mut statement = statement();
        change(&mut statement);
        Provenance::from(&statement).problem(&Digest::sha256(b"image"), accept_local)
    }

    #[test]
    fn a_statement_must_be_about_the_image_alone() {
        assert_eq!(problem(|_| (), false), None);
        let other = json!({ "digest": { "sha256": Digest::sha256(b"other").hex() } });
        for change in [
            &|statement: &mut Value| statement["subject"][0] = other.clone(),
            &|statement: &mut Value| statement["subject"].as_array_mut().unwrap().push(other.clone()),
            &|statement: &mut Value| statement["subject"] = json!([]),
            &|statement: &mut Value| statement["subject"] = Value::Null,
            &|statement: &mut Value| statement["subject"][0]["digest"] = json!({ "sha512": "0" }),
            &|statement: &mut Value| statement["predicateType"] = json!("https://example.com/other"),
            &|statement: &mut Value| statement["_type"] = json!("https://example.com/other"),
        ] as [&dyn Fn(&mut Value); 7]
        {
            assert!(problem(change, true).unwrap().ends_with("is about another image"));
        }
    }

    #[test]
    fn builds_of_a_workstation_are_accepted_in_its_own_account_only() {
        let bases = "/predicate/buildDefinition/externalParameters/bases";
        let sources = "/predicate/buildDefinition/resolvedDependencies";
        for (pointer, value, expected) in [
            (bases, json!("local"), "it was built on local bases, not on pinned ones"),
            (bases, json!("LOCAL"), "it was built on LOCAL bases, not on pinned ones"),
            (bases, Value::Null, "its provenance does not state its bases"),
            (
                sources,
                json!([{ "annotations": { "modified": true } }]),
                "it was built from files that differ",
            ),
            (
                sources,
                json!([{ "annotations": { "modified": "no" } }]),
                "it was built from files that differ",
            ),
            (
                sources,
                json!([{}, { "annotations": { "modified": true } }]),
                "it was built from files that differ",
            ),
        ] {
            let change = |statement: &mut Value| *statement.pointer_mut(pointer).unwrap() = value.clone();
            let found = problem(change, false).unwrap();
            assert!(found.starts_with(expected), "{value}: {found}");
            assert_eq!(problem(change, true), None, "{value}");
        }
        let unchanged = json!([{ "annotations": { "modified": false } }]);
        assert_eq!(
            problem(|statement| *statement.pointer_mut(sources).unwrap() = unchanged.clone(), false),
            None
        );
    }
}
