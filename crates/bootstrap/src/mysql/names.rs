//! Validated identifiers and their quoting. Every identifier in generated SQL comes from this module.

use std::fmt;

use crate::plan::Login;
pub(crate) use crate::text::visible;

/// MySQL's limit for user names, in characters ("Identifier Length Limits").
const USER_LENGTH: usize = 32;
/// MySQL's limit for host names of accounts, in characters.
const HOST_LENGTH: usize = 255;

/// Users that RDS or MySQL reserves for itself, as well as `mysql.*`. Changing one can cut AWS off from the instance.
/// Source: "Reserved words" of the RDS and Aurora user guides; `rdsproxyadmin` is RDS Proxy's.
const RESERVED: [&str; 7] = [
    "root",
    "rdsadmin",
    "rdsproxyadmin",
    "rdsrepladmin",
    "rdstopmgr",
    "rdswriteforwarduser",
    "rds_superuser_role",
];

/// A MySQL account: a user name and a pattern of client hosts, in lower case as MySQL stores them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Account {
    user: String,
    host: String,
}

impl Account {
    /// Creates an account that this program may create and change.
    ///
    /// # Errors
    /// Returns [`AccountError`] if the name is too long, has a character other than IAM's names have, or belongs to RDS
    /// or MySQL, or if the host is invalid.
    pub(crate) fn new(user: &str, host: &str) -> Result<Self, AccountError> {
        let given = || user.to_owned();
        if user.is_empty() {
            return Err(AccountError::Empty);
        }
        if let Some(character) = user.chars().find(|c| !is_user_character(*c)) {
            return Err(AccountError::Character { given: given(), character });
        }
        if user.len() > USER_LENGTH {
            return Err(AccountError::Length { given: given(), length: user.len() });
        }
        if !is_host(host) || matches_no_client(host) {
            return Err(AccountError::Host { given: host.to_owned() });
        }
        let account = Self { user: user.to_owned(), host: host.to_ascii_lowercase() };
        if account.is_reserved() {
            return Err(AccountError::Reserved { given: given() });
        }
        Ok(account)
    }

    /// Returns whether the account belongs to RDS or MySQL.
    pub(crate) fn is_reserved(&self) -> bool {
        let lower = self.user.to_ascii_lowercase();
        RESERVED.contains(&lower.as_str()) || lower.starts_with("mysql.")
    }

    /// Creates an account from the catalog, which may have any name.
    pub(crate) fn observed(user: impl Into<String>, host: impl Into<String>) -> Self {
        Self { user: user.into(), host: host.into() }
    }

    /// Returns the user name.
    #[must_use]
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Returns the pattern of client hosts.
    #[must_use]
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the account in SQL: both parts between backticks, where no `sql_mode` gives a character a meaning.
    #[must_use]
    pub(crate) fn sql(&self) -> String {
        format!("{}@{}", identifier(&self.user), identifier(&self.host))
    }

    /// Returns the account with the name that it logs in by.
    pub(crate) fn login(&self) -> Login {
        let user = self.user.parse().expect("a checked name is neither empty nor has control characters");
        Login { account: self.to_string(), user }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", visible(&self.user), visible(&self.host))
    }
}

/// Returns whether the name of a user that logs in by IAM may have this character: the rule for such names.
///
/// These are the characters of IAM's own names, which people's database users often have (`jane.doe@example.com`).
/// MySQL and RDS allow more, but IAM reads `*`, `?` and `${` in a policy's resource as patterns, its policies have
/// no character beyond U+00FF, and clients differ in quoting spaces, quotes and backslashes.
fn is_user_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// Returns whether a text is a pattern of client hosts without characters that clients quote differently. MySQL's column
/// for hosts is ASCII.
fn is_host(host: &str) -> bool {
    let is_unsafe = |c: char| c.is_ascii_control() || c.is_ascii_whitespace() || "'\"`\\@".contains(c);
    !host.is_empty() && host.len() <= HOST_LENGTH && host.is_ascii() && !host.contains(is_unsafe)
}

/// The error of an account's name. The remedy is to declare another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccountError {
    /// The name is empty.
    #[error("the user name is empty: name the database user")]
    Empty,
    /// A character that is not in IAM's names either.
    #[error(
        "the user name {given:?} has the character {character:?}: use letters A to Z, digits and _ + = , . @ - only, as in names of IAM users"
    )]
    Character {
        /// The user name.
        given: String,
        /// The character.
        character: char,
    },
    /// The name is longer than MySQL allows.
    #[error("the user name {given:?} has {length} characters: MySQL allows {USER_LENGTH}")]
    Length {
        /// The user name.
        given: String,
        /// The length in characters.
        length: usize,
    },
    /// The host is empty or invalid.
    #[error(
        "{given:?} is not the host of an account: write \"%\" for any, or an address or pattern such as \"10.0.%\""
    )]
    Host {
        /// The host.
        given: String,
    },
    /// The name belongs to RDS or MySQL.
    #[error("{given} belongs to RDS or MySQL and is never changed: name another user")]
    Reserved {
        /// The user name.
        given: String,
    },
}

/// Returns whether no client has that host: `*` is not a wildcard of MySQL, and not in a host's name.
pub(crate) fn matches_no_client(host: &str) -> bool {
    host.contains('*')
}

/// Returns an identifier between backticks.
pub(crate) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Returns a database's name for a database-level grant. There `_` and `%` are wildcards, even between backticks, and
/// `\` escapes them: `GRANT … ON node_db.*` also covers `nodexdb`.
///
/// With `partial_revokes=ON` (the default of RDS's newer parameter groups, and needed by its master's own
/// restrictions) all three are plain characters instead, and an escaped name matches nothing at all.
pub(crate) fn database_pattern(name: &str, partial_revokes: bool) -> String {
    if partial_revokes {
        return name.to_owned();
    }
    name.replace('\\', r"\\").replace('_', r"\_").replace('%', r"\%")
}

/// Returns whether a database-level grant on `pattern` covers more than one database.
pub(crate) fn is_wildcard(pattern: &str, partial_revokes: bool) -> bool {
    let mut escaped = false;
    !partial_revokes
        && pattern.chars().any(|c| {
            let wild = !escaped && (c == '_' || c == '%');
            escaped = !escaped && c == '\\';
            wild
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_names() {
        for (name, quoted) in [
            ("plain", "`plain`"),
            ("back`tick", "`back``tick`"),
            ("`; DROP TABLE t; -- ", "```; DROP TABLE t; -- `"),
            ("quote'\"", "`quote'\"`"),
            ("back\\slash", "`back\\slash`"),
            ("``", "``````"),
        ] {
            assert_eq!(identifier(name), quoted);
        }
        assert_eq!(Account::observed("a`b", "%`").sql(), "`a``b`@`%```");
        assert_eq!(Account::observed("a\nb", "\0").to_string(), "a\\nb@\\0");
    }

    #[test]
    fn wildcards_of_database_names_are_escaped_unless_they_are_plain() {
        for (name, pattern) in
            [("node_db", r"node\_db"), ("a%b", r"a\%b"), (r"a\b", r"a\\b"), ("plain", "plain")]
        {
            assert_eq!(database_pattern(name, false), pattern);
            assert_eq!(database_pattern(name, true), name);
            assert!(!is_wildcard(&database_pattern(name, false), false), "{name}");
            assert!(!is_wildcard(name, true), "{name}");
        }
        assert!(is_wildcard("node_db", false));
        assert!(is_wildcard("%", false));
        assert!(is_wildcard(r"a\\_b", false));
    }

    #[test]
    fn hosts_are_as_mysql_stores_them() {
        let account = |user, host| Account::new(user, host).unwrap();
        assert_eq!(account("App", "LOCALHOST").to_string(), "App@localhost");
        assert_eq!(account("App", "Db-1.Example.COM"), account("App", "db-1.example.com"));
        assert_ne!(account("App", "%"), account("app", "%"), "user names differ by case");
    }

    /// The stack's list has the same users, since a declared user of that name would fail late.
    #[test]
    fn the_stack_refuses_the_reserved_users() {
        let stack = include_str!("../../../../terraform/stacks/service/main.tf");
        for user in RESERVED {
            assert!(stack.contains(&format!("\"{user}\"")), "{user}");
        }
    }

    #[test]
    fn accounts_that_are_refused() {
        let refusal = |user: &str| Account::new(user, "%").unwrap_err().to_string();
        insta::assert_snapshot!(refusal(""), @"the user name is empty: name the database user");
        insta::assert_snapshot!(refusal("o'neil"), @r#"the user name "o'neil" has the character '\'': use letters A to Z, digits and _ + = , . @ - only, as in names of IAM users"#);
        insta::assert_snapshot!(refusal("nul\0"), @r#"the user name "nul\0" has the character '\0': use letters A to Z, digits and _ + = , . @ - only, as in names of IAM users"#);
        insta::assert_snapshot!(refusal(&"x".repeat(33)), @r#"the user name "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" has 33 characters: MySQL allows 32"#);
        insta::assert_snapshot!(refusal("rdsadmin"), @"rdsadmin belongs to RDS or MySQL and is never changed: name another user");
        insta::assert_snapshot!(Account::new("app", "").unwrap_err(), @r#""" is not the host of an account: write "%" for any, or an address or pattern such as "10.0.%""#);
        for user in ["root", "ROOT", "rdsproxyadmin", "mysql.sys", "mysql.anything"] {
            assert!(matches!(Account::new(user, "%"), Err(AccountError::Reserved { .. })), "{user}");
        }
        for character in " /!%*?$:;#&'\"`\\|<>()[]{}~^\n\tëЖ\u{a0}\u{1f600}".chars() {
            let user = format!("a{character}b");
            assert_eq!(Account::new(&user, "%"), Err(AccountError::Character { given: user, character }));
        }
        for host in ["ho`st", "ho'st", "ho st", "hôst", "a@b", "nul\0", "*", "10.0.*", &"h".repeat(256)] {
            assert!(Account::new("app", host).is_err(), "{host}");
        }
        for user in ["node_app", "Node-App", "jane.doe@example.com", "a+b=c,d", &"9".repeat(32)] {
            assert_eq!(Account::new(user, "10.0.%").unwrap().login().user.as_str(), user);
        }
    }
}
