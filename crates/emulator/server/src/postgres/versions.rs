//! The versions of PostgreSQL that the emulator runs, and the settings of its servers alone.

use std::env;
use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::server::Builder;

/// The environment variable that selects the version, unless the program sets one.
const VARIABLE: &str = "RDS_IAM_EMULATOR_POSTGRES";

/// A version of PostgreSQL that the emulator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PostgresVersion {
    /// PostgreSQL 15, of Debian 12.
    V15,
    /// PostgreSQL 17, of Debian 13.
    V17,
    /// PostgreSQL 18, of Debian unstable.
    V18,
}

impl PostgresVersion {
    /// The newest version, which is the default.
    pub const NEWEST: Self = Self::V18;

    /// Returns the major version, such as 18.
    #[must_use]
    pub fn major(self) -> u32 {
        match self {
            Self::V15 => 15,
            Self::V17 => 17,
            Self::V18 => 18,
        }
    }

    /// Returns the suite of Debian that has this version.
    pub(crate) fn suite(self) -> &'static str {
        match self {
            Self::V15 => "bookworm",
            Self::V17 => "trixie",
            Self::V18 => "sid",
        }
    }

    /// Returns whether the creator of a role becomes a member of it.
    pub(crate) fn has_creator_edges(self) -> bool {
        self.major() >= 16
    }

    /// Reads the version from `RDS_IAM_EMULATOR_POSTGRES`, or returns the newest.
    ///
    /// # Errors
    /// Returns [`Error::Setting`] if it has another value.
    pub fn from_env() -> Result<Self, Error> {
        env::var_os(VARIABLE).map_or(Ok(Self::NEWEST), |value| value.to_string_lossy().parse())
    }
}

impl fmt::Display for PostgresVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.major())
    }
}

impl FromStr for PostgresVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = [Self::V15, Self::V17, Self::V18];
        known.into_iter().find(|version| version.to_string() == text).ok_or_else(|| Error::Setting {
            setting: VARIABLE,
            value: text.into(),
            problem: "it may be 15, 17 or 18".into(),
        })
    }
}

/// The effect of the memberships that PostgreSQL 16 and later give the creator of a role (with ADMIN, without INHERIT
/// and SET). The master gets one in each role that it creates, and through a role in `rds_iam` also one in that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a membership counts or does not")]
pub enum CreatorEdges {
    /// The master's password stays valid: AWS documents `CREATE USER` and `GRANT rds_iam` for it.
    #[default]
    DoNotCount,
    /// The master is a member of `rds_iam`, as on a plain PostgreSQL: its password is refused.
    Count,
}

/// The settings of a PostgreSQL server alone.
#[derive(Clone, Debug)]
#[expect(unnameable_types, reason = "part of a sealed trait")]
pub struct Settings {
    version: Option<PostgresVersion>,
    pub(crate) creator_edges: CreatorEdges,
    pub(crate) force_ssl: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { version: None, creator_edges: CreatorEdges::default(), force_ssl: true }
    }
}

impl Settings {
    /// Returns the settings with the version of the environment, unless one is set.
    pub(crate) fn with_version(self) -> Result<Self, Error> {
        let version = self.version.map_or_else(PostgresVersion::from_env, Ok)?;
        Ok(Self { version: Some(version), ..self })
    }

    pub(crate) fn version(&self) -> PostgresVersion {
        self.version.unwrap_or(PostgresVersion::NEWEST)
    }
}

impl Builder<sqlx::Postgres> {
    /// Sets the version of the server. The default is that of the environment variable `RDS_IAM_EMULATOR_POSTGRES`, or
    /// else [`PostgresVersion::NEWEST`].
    pub fn version(mut self, version: PostgresVersion) -> Self {
        self.settings.version = Some(version);
        self
    }

    /// Sets whether the memberships that PostgreSQL 16 and later give the creator of a role count for `rds_iam`.
    pub fn creator_edges(mut self, way: CreatorEdges) -> Self {
        self.settings.creator_edges = way;
        self
    }

    /// Sets the parameter `rds.force_ssl`, which is on by default: off, users with passwords are let in without TLS.
    pub fn force_ssl(mut self, on: bool) -> Self {
        self.settings.force_ssl = on;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_names() {
        for version in [PostgresVersion::V15, PostgresVersion::V17, PostgresVersion::V18] {
            assert_eq!(version.to_string().parse::<PostgresVersion>().unwrap(), version);
        }
        insta::assert_snapshot!("16".parse::<PostgresVersion>().unwrap_err(), @r#"RDS_IAM_EMULATOR_POSTGRES is "16", but it may be 15, 17 or 18"#);
    }
}
