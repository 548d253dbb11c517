//! Copy-paste fixes for a refused login or statement: the policy statement for the caller's role, and the SQL for the
//! database user. Text for the help of errors; nothing here changes anything.

mod missing;
mod mysql;
mod postgres;
mod refusal;

use rds_iam_token::{DbUser, Region};

use crate::Engine;
use crate::arn::{AccountId, ResourceId, user_is_pattern};
use crate::policy::{Statement, to_json};
use crate::rds_conf::DatabaseName;

pub use refusal::{Refusal, for_refusal};

/// Returns the policy statement that lets a role log in as `user`, as JSON. An unknown part is a placeholder in angle
/// brackets that says what to put there.
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

/// Returns the SQL that makes `user` log in by IAM and over TLS only, whether the user exists or not. An existing
/// password is of no use afterwards, so it is never right for the master user. PostgreSQL has no `CREATE ROLE IF NOT
/// EXISTS`: of an existing role, the first statement fails, and the others are what it lacks.
///
/// ```
/// # use rds_iam_infra::{Engine, remedy};
/// let sql = remedy::user_statements(Engine::MySql, &"node_app".parse()?);
/// assert!(sql.contains("IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'"));
/// # Ok::<(), rds_iam_token::DbUserError>(())
/// ```
#[must_use]
pub fn user_statements(engine: Engine, user: &DbUser) -> String {
    match engine {
        Engine::MySql => mysql::user_statements(user),
        Engine::Postgres => postgres::user_statements(user),
    }
}

/// Returns the SQL that grants `user` some privileges (`SELECT`, `INSERT`, …) on every table of a database; of PostgreSQL,
/// on those of its schema `public`.
///
/// ```
/// # use rds_iam_infra::{Engine, remedy};
/// let sql =
///     remedy::grant_statement(Engine::MySql, &"node_app".parse()?, &["SELECT", "INSERT"], &"orders".parse()?);
/// assert_eq!(sql, "GRANT SELECT, INSERT ON `orders`.* TO 'node_app'@'%';");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn grant_statement(
    engine: Engine,
    user: &DbUser,
    privileges: &[&str],
    database: &DatabaseName,
) -> String {
    match engine {
        Engine::MySql => mysql::grant_statement(user, privileges, database),
        Engine::Postgres => postgres::grant_statement(user, privileges, database),
    }
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
}
