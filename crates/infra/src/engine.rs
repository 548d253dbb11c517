//! The database engines that a deployment can have.

use std::fmt;
use std::str::FromStr;

/// A database engine.
///
/// Another engine is another variant; the compiler then reports every match without it.
///
/// ```
/// use rds_iam_infra::Engine;
///
/// let engine: Engine = "mysql".parse()?;
/// assert_eq!(engine.default_port(), 3306);
/// # Ok::<(), rds_iam_infra::UnknownEngine>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// RDS for MySQL, or Aurora MySQL.
    #[default]
    MySql,
    /// RDS for PostgreSQL, or Aurora PostgreSQL.
    Postgres,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 2] = [Self::MySql, Self::Postgres];

    /// Returns the engine's name in `rds.conf`, and in Terraform's variables and outputs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Postgres => "postgresql",
        }
    }

    /// Returns the port that servers listen on unless configured otherwise; RDS Proxy listens on no other.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::MySql => 3306,
            Self::Postgres => 5432,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let engine = Self::ALL.into_iter().find(|engine| engine.as_str() == name);
        engine.ok_or_else(|| UnknownEngine { name: name.to_owned() })
    }
}

/// The error of an unsupported engine's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a supported engine: expected mysql or postgresql")]
pub struct UnknownEngine {
    /// The given name.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_exactly() {
        for engine in Engine::ALL {
            assert_eq!(engine.as_str().parse(), Ok(engine));
        }
        for name in ["", "MySQL", "mysql ", "PostgreSQL", "aurora-mysql"] {
            let error = name.parse::<Engine>().unwrap_err();
            assert_eq!(error.name, name);
            assert!(Engine::ALL.iter().all(|engine| error.to_string().contains(engine.as_str())), "{error}");
        }
    }
}
