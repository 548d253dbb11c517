//! The text of the SQL that lets a PostgreSQL role log in by IAM, and that grants it privileges on the schema `public`.

use rds_iam_token::DbUser;

pub(super) fn user_statements(user: &DbUser) -> String {
    let name = quoted(user);
    format!("CREATE ROLE {name} LOGIN;\nGRANT rds_iam TO {name};")
}

pub(super) fn grant_statement(user: &DbUser, privileges: &[&str]) -> String {
    let (privileges, name) = (privileges.join(", "), quoted(user));
    format!(
        "GRANT USAGE ON SCHEMA public TO {name};\n\
         GRANT {privileges} ON ALL TABLES IN SCHEMA public TO {name};"
    )
}

fn quoted(user: &DbUser) -> String {
    format!("\"{}\"", user.as_str().replace('"', "\"\""))
}
