//! Validated names of roles, schemas and objects, and their quoting. Every name in generated SQL comes from this module.

use std::fmt;

use crate::plan::Login;
pub(crate) use crate::text::visible;

/// PostgreSQL's limit for names, in bytes (`NAMEDATALEN - 1`). A longer one is cut off, so that two names could become
/// one.
pub(crate) const NAME_LENGTH: usize = 63;

/// Roles that RDS or PostgreSQL reserves for itself, as well as `rds*` and `pg_*`. Changing one can cut AWS off from the
/// server. Source: "Understanding the rds_superuser role" of the RDS user guide, and `CREATE ROLE` of PostgreSQL, which
/// refuses the words.
const RESERVED: [&str; 6] =
    ["public", "none", "current_user", "current_role", "session_user", "postgres_fdw"];

/// A role that this program may create and change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Role(String);

impl Role {
    /// Creates a role that this program may create and change.
    ///
    /// # Errors
    /// Returns [`RoleError`] if the name is too long, has a character other than IAM's names have, or belongs to RDS or
    /// PostgreSQL.
    pub(crate) fn new(name: &str) -> Result<Self, RoleError> {
        let given = || name.to_owned();
        if name.is_empty() {
            return Err(RoleError::Empty);
        }
        if let Some(character) = name.chars().find(|c| !is_role_character(*c)) {
            return Err(RoleError::Character { given: given(), character });
        }
        if name.len() > NAME_LENGTH {
            return Err(RoleError::Length { given: given(), length: name.len() });
        }
        if is_reserved(name) {
            return Err(RoleError::Reserved { given: given() });
        }
        Ok(Self(given()))
    }

    /// Returns the name.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Returns the role in SQL: between double quotes, where case and no character have a meaning.
    #[must_use]
    pub(crate) fn sql(&self) -> String {
        identifier(&self.0)
    }

    /// Returns the role with the name that it logs in by.
    pub(crate) fn login(&self) -> Login {
        let user = self.0.parse().expect("a checked name is neither empty nor has control characters");
        Login { account: self.to_string(), user }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether a role belongs to RDS or PostgreSQL.
pub(crate) fn is_reserved(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    RESERVED.contains(&lower.as_str()) || lower.starts_with("rds") || lower.starts_with("pg_")
}

/// Returns whether a schema belongs to the server.
pub(crate) fn is_system_schema(name: &str) -> bool {
    name == "information_schema" || name.starts_with("pg_")
}

/// Returns whether the name of a role that logs in by IAM may have this character: as in names of IAM users, which
/// people's database users often have. Others are patterns in a policy, or clients quote them differently.
fn is_role_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// Returns why a text can't be the name of a schema, table, sequence, function or extension.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name is empty".into());
    }
    if let Some(character) = name.chars().find(|c| c.is_control()) {
        return Err(format!("the name has the character {character:?}"));
    }
    if name.len() > NAME_LENGTH {
        return Err(format!("the name has {} bytes: PostgreSQL allows {NAME_LENGTH}", name.len()));
    }
    Ok(())
}

/// The error of a role's name. The remedy is to declare another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RoleError {
    /// The name is empty.
    #[error("the user name is empty: name the database user")]
    Empty,
    /// A character that is not in IAM's names either.
    #[error(
        "the user name {given:?} has the character {character:?}: use letters A to Z, digits and _ + = , . @ - only, as in names of IAM users"
    )]
    Character {
        /// The name.
        given: String,
        /// The character.
        character: char,
    },
    /// The name is longer than PostgreSQL allows.
    #[error("the user name {given:?} has {length} characters: PostgreSQL allows {NAME_LENGTH}")]
    Length {
        /// The name.
        given: String,
        /// The length in characters.
        length: usize,
    },
    /// The name belongs to RDS or PostgreSQL.
    #[error("{given} belongs to RDS or PostgreSQL and is never changed: name another role")]
    Reserved {
        /// The name.
        given: String,
    },
}

/// Returns a name between double quotes.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a text between single quotes. Sessions of this program have `standard_conforming_strings` on, so that a
/// backslash is a plain character.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_names() {
        for (name, quoted) in [
            ("plain", "\"plain\""),
            ("quo\"te", "\"quo\"\"te\""),
            ("\"; DROP TABLE t; -- ", "\"\"\"; DROP TABLE t; -- \""),
            ("back\\slash'", "\"back\\slash'\""),
            ("$canary$", "\"$canary$\""),
        ] {
            assert_eq!(identifier(name), quoted);
        }
        assert_eq!(literal("it's \\"), "'it''s \\'");
        assert_eq!(visible("a\nb"), "a\\nb");
    }

    /// The stack refuses the same users, since one of them would fail late.
    #[test]
    fn the_stack_refuses_the_reserved_users() {
        let stack = include_str!("../../../../terraform/stacks/service/main.tf");
        for user in RESERVED {
            assert!(stack.contains(&format!("\"{user}\"")), "{user}");
        }
        assert!(stack.contains(r#"postgresql = "^(pg_|rds)""#));
        assert!(is_reserved("pg_x") && is_reserved("rdsx") && !is_reserved("prds"));
    }

    #[test]
    fn roles_that_are_refused() {
        let refusal = |name: &str| Role::new(name).unwrap_err().to_string();
        insta::assert_snapshot!(refusal(""), @"the user name is empty: name the database user");
        insta::assert_snapshot!(refusal("o'neil"), @r#"the user name "o'neil" has the character '\'': use letters A to Z, digits and _ + = , . @ - only, as in names of IAM users"#);
        insta::assert_snapshot!(refusal("$canary$"), @r#"the user name "$canary$" has the character '$': use letters A to Z, digits and _ + = , . @ - only, as in names of IAM users"#);
        assert_eq!(Role::new(&"x".repeat(64)), Err(RoleError::Length { given: "x".repeat(64), length: 64 }));
        insta::assert_snapshot!(refusal("rdsadmin"), @"rdsadmin belongs to RDS or PostgreSQL and is never changed: name another role");
        for name in ["rds_iam", "RDSproxyadmin", "pg_monitor", "PG_x", "Public", "none", "current_user"] {
            assert!(matches!(Role::new(name), Err(RoleError::Reserved { .. })), "{name}");
        }
        for character in " /!%*?$:;#&'\"`\\|<>()[]{}~^\n\tëЖ\u{a0}\u{1f600}".chars() {
            let given = format!("a{character}b");
            assert_eq!(Role::new(&given), Err(RoleError::Character { given, character }));
        }
        for name in ["node_app", "Node-App", "jane.doe@example.com", "a+b=c,d", &"9".repeat(63)] {
            assert_eq!(Role::new(name).unwrap().login().user.as_str(), name);
        }
    }

    #[test]
    fn names_of_objects() {
        for name in ["a", "Or ders", "t\"; --", &"é".repeat(31)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a\nb", "a\0", &"é".repeat(32)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(is_system_schema("pg_toast") && is_system_schema("information_schema"));
        assert!(!is_system_schema("public"));
    }
}
