//! What would mend a refused login, ready to paste: the policy statement for the caller's role, and the
//! SQL for the database user. For the hints of errors; nothing here changes anything.

use rds_iam_token::{DbUser, Region};

use crate::arn::{AccountId, ResourceId, user_is_pattern};
use crate::policy::{Statement, to_json};
use crate::rds_conf::DatabaseName;

/// The policy statement that lets a role log in as `user`, as JSON. What is not known shows as a
/// placeholder in angle brackets that says what to put there.
///
/// ```
/// # use rds_iam_infra::remedy;
/// let statement = remedy::policy_statement(&"eu-west-1".parse()?, None, None, &"node_app".parse()?);
/// assert!(statement.contains("rds-db:connect"));
/// assert!(statement.contains("<resource-id: db-… of the instance"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn policy_statement(
    region: &Region,
    account: Option<&AccountId>,
    resource: Option<&ResourceId>,
    user: &DbUser,
) -> String {
    let partition = region.partition();
    let account = account.map_or("<account: 12 digits>", AccountId::as_str);
    let resource = resource.map_or(
        "<resource-id: db-… of the instance, cluster-… of the Aurora cluster, prx-… of the proxy>",
        ResourceId::as_str,
    );
    let user = if user_is_pattern(user) {
        "<db-user: one without *, ? and ${, which IAM reads as a pattern>"
    } else {
        user.as_str()
    };
    let arn = format!("arn:{partition}:rds-db:{region}:{account}:dbuser:{resource}/{user}");
    to_json(&Statement::connect(vec![arn]))
}

/// The SQL that makes `user` log in by IAM and over TLS only, whether it exists or not. It takes an
/// existing user's password away, so it is never right for the master user.
///
/// ```
/// # use rds_iam_infra::remedy;
/// let sql = remedy::user_statements(&"node_app".parse()?);
/// assert!(sql.contains("IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'"));
/// # Ok::<(), rds_iam_token::DbUserError>(())
/// ```
pub fn user_statements(user: &DbUser) -> String {
    let name = account_name(user);
    let plugin = "IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'";
    format!(
        "CREATE USER IF NOT EXISTS {name} {plugin};\n\
         ALTER USER {name} {plugin} REQUIRE SSL ACCOUNT UNLOCK;"
    )
}

/// The SQL that grants `user` some privileges (`SELECT`, `INSERT`, …) on every table of a database.
///
/// ```
/// # use rds_iam_infra::remedy;
/// let sql = remedy::grant_statement(&"node_app".parse()?, &["SELECT", "INSERT"], &"orders".parse()?);
/// assert_eq!(sql, "GRANT SELECT, INSERT ON `orders`.* TO 'node_app'@'%';");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn grant_statement(user: &DbUser, privileges: &[&str], database: &DatabaseName) -> String {
    // `_` and `%` are wildcards in the database name of a GRANT, even between backticks.
    let pattern = database.as_str().replace('\\', r"\\").replace('_', r"\_").replace('%', r"\%");
    let (privileges, pattern, name) = (privileges.join(", "), backticks(&pattern), account_name(user));
    format!("GRANT {privileges} ON {pattern}.* TO {name};")
}

/// An account at any host. Plain names in quotes, as AWS's documentation has them; the others between
/// backticks, where no `sql_mode` gives a backslash or a quote a meaning.
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
    fn a_statement_with_everything_known() {
        let (region, account) = ("cn-north-1".parse().unwrap(), "123456789012".parse().unwrap());
        let resource = "prx-0a1b2c3d4e5f67890".parse().unwrap();
        insta::assert_snapshot!(policy_statement(&region, Some(&account), Some(&resource), &user("node_app")), @r#"
        {
          "Sid": "ConnectToDatabase",
          "Effect": "Allow",
          "Action": "rds-db:connect",
          "Resource": [
            "arn:aws-cn:rds-db:cn-north-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/node_app"
          ]
        }
        "#);
    }

    #[test]
    fn a_statement_with_gaps() {
        let region = "eu-west-1".parse().unwrap();
        insta::assert_snapshot!(policy_statement(&region, None, None, &user("app*")), @r#"
        {
          "Sid": "ConnectToDatabase",
          "Effect": "Allow",
          "Action": "rds-db:connect",
          "Resource": [
            "arn:aws:rds-db:eu-west-1:<account: 12 digits>:dbuser:<resource-id: db-… of the instance, cluster-… of the Aurora cluster, prx-… of the proxy>/<db-user: one without *, ? and ${, which IAM reads as a pattern>"
          ]
        }
        "#);
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
