//! The text of the SQL that lets a PostgreSQL role log in by IAM, and that grants it privileges on a database and its
//! schema `public`; the SQLSTATEs of the errors that they help against.
//!
//! Only PostgreSQL: a role is a member of `rds_iam`, and an error has an SQLSTATE.

use rds_iam_token::DbUser;

use super::missing::Missing;
use crate::rds_conf::DatabaseName;

/// Returns what a SQLSTATE says is missing.
pub(super) fn missing(code: [u8; 5]) -> Option<Missing> {
    match &code {
        // 28P01: an unknown role, or one that is not in rds_iam. 28000: the token was refused, or the role may not log in.
        b"28P01" | b"28000" => Some(Missing::Login),
        b"42501" => Some(Missing::Privileges),
        _ => None,
    }
}

pub(super) fn user_statements(user: &DbUser) -> String {
    let name = quoted(user.as_str());
    format!(
        "CREATE ROLE {name}; -- unless it exists\n\
         ALTER ROLE {name} LOGIN;\n\
         GRANT rds_iam TO {name};"
    )
}

pub(super) fn grant_statement(user: &DbUser, privileges: &[&str], database: &DatabaseName) -> String {
    let privileges = privileges.join(", ");
    let (name, database) = (quoted(user.as_str()), quoted(database.as_str()));
    format!(
        "GRANT CONNECT ON DATABASE {database} TO {name};\n\
         -- In that database:\n\
         GRANT USAGE ON SCHEMA public TO {name};\n\
         GRANT {privileges} ON ALL TABLES IN SCHEMA public TO {name};"
    )
}

/// Returns an identifier between double quotes, where no other character has a meaning.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
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
        CREATE ROLE "node_app"; -- unless it exists
        ALTER ROLE "node_app" LOGIN;
        GRANT rds_iam TO "node_app";
        "#);
        let hostile = user_statements(&user(r#"o'n\e"; DROP ROLE "il"#));
        assert!(hostile.ends_with(r#"GRANT rds_iam TO "o'n\e""; DROP ROLE ""il";"#), "{hostile}");
    }

    #[test]
    fn a_grant_is_on_one_database() {
        let sql = |database: &str| {
            grant_statement(&user("node_app"), &["SELECT", "INSERT"], &database.parse().unwrap())
        };
        insta::assert_snapshot!(sql("my_db"), @r#"
        GRANT CONNECT ON DATABASE "my_db" TO "node_app";
        -- In that database:
        GRANT USAGE ON SCHEMA public TO "node_app";
        GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO "node_app";
        "#);
        let hostile = sql("a\" TO x; --");
        assert!(
            hostile.starts_with(r#"GRANT CONNECT ON DATABASE "a"" TO x; --" TO "node_app";"#),
            "{hostile}"
        );
    }
}
