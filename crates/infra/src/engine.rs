//! The database engines that a deployment can have.

use std::fmt;
use std::str::FromStr;

/// A database engine.
///
/// Another engine is another variant; the compiler then reports every match without it. An Aurora cluster has the engine
/// whose protocol it speaks.
///
/// ```
/// use rds_iam_infra::Engine;
///
/// let engine: Engine = "mysql".parse()?;
/// assert_eq!(engine.default_port(), 3306);
/// assert_eq!("postgres".parse(), Ok(Engine::Postgres));
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

    /// Returns the engine's name in `rds.conf`, in Parameter Store, and in Terraform's variables and outputs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Postgres => "postgresql",
        }
    }

    /// Returns the name of an instance's engine in the API of RDS, such as `engine` of Terraform's `aws_db_instance`.
    /// That of a cluster is `aurora-` and [`as_str`](Self::as_str).
    #[must_use]
    pub const fn rds_engine(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// Returns the engine family of an RDS Proxy, such as `engine_family` of Terraform's `aws_db_proxy`.
    #[must_use]
    pub const fn family(self) -> &'static str {
        match self {
            Self::MySql => "MYSQL",
            Self::Postgres => "POSTGRESQL",
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

    /// Parses [`as_str`](Self::as_str) or [`rds_engine`](Self::rds_engine).
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let engine =
            Self::ALL.into_iter().find(|engine| [engine.as_str(), engine.rds_engine()].contains(&name));
        engine.ok_or_else(|| UnknownEngine { name: name.to_owned() })
    }
}

/// The error of an unsupported engine's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a supported engine: {}", expected(name))]
pub struct UnknownEngine {
    /// The given name.
    pub name: String,
}

/// Returns what is expected in place of an unsupported name, which is not repeated.
pub(crate) fn expected(name: &str) -> &'static str {
    if name == "aurora" || name.starts_with("aurora-") {
        "expected mysql or postgresql. Aurora is a kind of deployment, not an engine: write mysql for Aurora MySQL and \
         postgresql for Aurora PostgreSQL"
    } else {
        "expected mysql or postgresql"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_exactly() {
        for engine in Engine::ALL {
            assert_eq!(engine.as_str().parse(), Ok(engine));
            assert_eq!(engine.rds_engine().parse(), Ok(engine));
        }
        for name in ["", "MySQL", "mysql ", "PostgreSQL", "postgres ", "pgx", "aurora-mysql"] {
            let error = name.parse::<Engine>().unwrap_err();
            assert_eq!(error.name, name);
            assert!(Engine::ALL.iter().all(|engine| error.to_string().contains(engine.as_str())), "{error}");
        }
    }

    #[test]
    fn the_name_of_a_cluster_s_engine_says_what_to_write() {
        insta::assert_snapshot!("aurora-postgresql".parse::<Engine>().unwrap_err(), @r#""aurora-postgresql" is not a supported engine: expected mysql or postgresql. Aurora is a kind of deployment, not an engine: write mysql for Aurora MySQL and postgresql for Aurora PostgreSQL"#);
        insta::assert_snapshot!("sqlserver".parse::<Engine>().unwrap_err(), @r#""sqlserver" is not a supported engine: expected mysql or postgresql"#);
    }
}
