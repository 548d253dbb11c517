//! Validated text values of `rds.conf`: `SecretId`, `DatabaseName` and `CaBundle`, the path of a PEM file.

use std::fmt;
use std::str::FromStr;

use crate::Engine;
use crate::file_value::FileValue;

/// The error of an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct ValueError {
    /// The reason and the fix, without the value itself.
    pub reason: &'static str,
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let reason = if text.is_empty() {
                    Some("empty: set a value")
                } else if text.chars().any(char::is_control) {
                    Some("it has a control character: remove it")
                } else {
                    $check(text)
                };
                reason.map_or_else(|| Ok(Self(text.to_owned())), |reason| Err(ValueError { reason }))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_type! {
    /// The name or the ARN of a secret in Secrets Manager.
    SecretId, secret_id
}

text_type! {
    /// The name of a database: at most 64 characters, MySQL's limit. PostgreSQL's is 63 bytes, which
    /// [`DatabaseName::validate_for`] checks where the engine is known.
    DatabaseName, database_name
}

impl DatabaseName {
    /// The longest name of PostgreSQL, in bytes. The server cuts a longer one without an error.
    const POSTGRES_BYTES: usize = 63;

    /// Checks the name against the limits of an engine.
    ///
    /// # Errors
    /// Returns an error if the engine has no database of this name.
    ///
    /// ```
    /// use rds_iam_infra::{Engine, rds_conf::DatabaseName};
    ///
    /// let name: DatabaseName = "d".repeat(64).parse()?;
    /// assert!(name.validate_for(Engine::MySql).is_ok());
    /// assert!(name.validate_for(Engine::Postgres).is_err());
    /// # Ok::<(), rds_iam_infra::rds_conf::ValueError>(())
    /// ```
    pub fn validate_for(&self, engine: Engine) -> Result<(), ValueError> {
        match engine {
            Engine::Postgres if self.0.len() > Self::POSTGRES_BYTES => Err(ValueError {
                reason: "not a database name of PostgreSQL: at most 63 bytes (a character outside ASCII has several)",
            }),
            Engine::MySql | Engine::Postgres => Ok(()),
        }
    }
}

text_type! {
    /// The path of a PEM file with trust roots. A relative path starts at the working directory.
    CaBundle, ca_bundle
}

fn secret_id(text: &str) -> Option<&'static str> {
    if text.starts_with("arn:") && !(text.contains(":secretsmanager:") && text.contains(":secret:")) {
        return Some("not the ARN of a secret: use the name or ARN of a Secrets Manager secret");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-!:".contains(c);
    let refusal =
        "not the name of a secret: use the name or ARN that Secrets Manager shows, never the secret itself";
    (!text.chars().all(allowed)).then_some(refusal)
}

fn database_name(text: &str) -> Option<&'static str> {
    (text.chars().count() > 64 || text.ends_with(' '))
        .then_some("not a database name: at most 64 characters, without a space at the end")
}

fn ca_bundle(text: &str) -> Option<&'static str> {
    text.starts_with("-----BEGIN").then_some("a certificate itself: use the path of a PEM file")
}

impl FileValue for CaBundle {
    const ERROR: &'static str = "not a path: use the path of a PEM file, not the certificate itself";
}

impl FileValue for DatabaseName {
    const ERROR: &'static str = "not a database name: at most 64 characters, without a space at the end";
}

impl FileValue for SecretId {
    const ERROR: &'static str =
        "not the name of a secret: use the name or ARN that Secrets Manager shows, never the secret itself";
}
