//! The text of the SQL that lets a MySQL user log in by IAM, and that grants it privileges on a database; the numbers of
//! the errors that they help against.
//!
//! Only MySQL: an account has a plugin and a host, and an error a number.

use rds_iam_token::DbUser;

use super::missing::Missing;
use crate::rds_conf::DatabaseName;

/// Returns what an error's number says is missing.
pub(super) fn missing(number: u16) -> Option<Missing> {
    match number {
        1045 => Some(Missing::Login),
        // No account for this host, one without a password, locked, blocked after failed logins.
        1130 | 1698 | 3118 | 3955 => Some(Missing::User),
        // Denied: a database (3879: by name of a role or user), a table, a column.
        1044 | 1142 | 1143 | 3879 => Some(Missing::Privileges),
        _ => None,
    }
}

pub(super) fn user_statements(user: &DbUser) -> String {
    let name = account_name(user);
    let plugin = "IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'";
    format!(
        "CREATE USER IF NOT EXISTS {name} {plugin};\n\
         ALTER USER {name} {plugin} REQUIRE SSL ACCOUNT UNLOCK;"
    )
}

pub(super) fn grant_statement(user: &DbUser, privileges: &[&str], database: &DatabaseName) -> String {
    // `_` and `%` are wildcards in the database name of a GRANT, even between backticks.
    let pattern = database.as_str().replace('\\', r"\\").replace('_', r"\_").replace('%', r"\%");
    let (privileges, pattern, name) = (privileges.join(", "), backticks(&pattern), account_name(user));
    format!("GRANT {privileges} ON {pattern}.* TO {name};")
}

/// Returns the account at any host. Plain names are in quotes, in the style of AWS's documentation; the others are
/// between backticks, where no `sql_mode` gives a backslash or a quote a meaning.
fn account_name(user: &DbUser) -> String {
    let name = user.as_str();
    if name.contains(['\'', '\\']) { format!("{}@'%'", backticks(name)) } else { format!("'{name}'@'%'") }
}

fn backticks(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> DbUser {
        name.parse().unwrap()
    }

    #[test]
    fn statements_for_a_user() {
        insta::assert_snapshot!(user_statements(&user("node_app")), @r#"
        CREATE USER IF NOT EXISTS 'node_app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';
        ALTER USER 'node_app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL ACCOUNT UNLOCK;
        "#);
        let hostile = user_statements(&user(r"o'n\e`il"));
        assert!(hostile.starts_with(r"CREATE USER IF NOT EXISTS `o'n\e``il`@'%' IDENTIFIED"), "{hostile}");
    }

    #[test]
    fn a_grant_is_on_one_database() {
        let sql =
            |database: &str| grant_statement(&user("node_app"), &["SELECT"], &database.parse().unwrap());
        assert_eq!(sql("my_db"), r"GRANT SELECT ON `my\_db`.* TO 'node_app'@'%';");
        assert_eq!(sql("a%b`c"), r"GRANT SELECT ON `a\%b``c`.* TO 'node_app'@'%';");
    }
}
