//! Selects the statements that help against a refused login or statement, by the server's code.

use rds_iam_token::{Login, ServerCode};

use super::missing::Missing;
use super::{grant_statement, mysql, policy_statement, postgres, user_statements};
use crate::Engine;
use crate::arn::{AccountId, ResourceId};
use crate::rds_conf::DatabaseName;

/// A refused login or statement: what a library's error carries, and what the program knows of its deployment.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the compiler reports each program that does not fill in a new part"
)]
pub struct Refusal<'a> {
    /// The database's engine.
    pub engine: Engine,
    /// The login.
    pub login: &'a Login,
    /// The server's code.
    pub code: Option<ServerCode>,
    /// The AWS account, if it is known.
    pub account: Option<&'a AccountId>,
    /// The resource id, if it is known.
    pub resource: Option<&'a ResourceId>,
    /// The privileges that the user needs on every table of its database. Without any, no `GRANT` is rendered.
    pub privileges: &'a [&'a str],
    /// The database that the privileges are on.
    pub database: Option<&'a DatabaseName>,
}

/// Returns the statements that would permit what the server refused, each part under a heading: the policy statement for
/// the caller's role, and the SQL for the user and its privileges. Contains only the part that helps:
///
/// | MySQL | PostgreSQL | Contains |
/// |---|---|---|
/// | 1045 | 28P01, 28000 | policy statement, user, grant |
/// | 1130, 1698, 3118, 3955 | | user |
/// | 1044, 1142, 1143, 3879 | 42501 | grant |
///
/// `None` for every other code: no statement of these would help.
///
/// ```
/// use rds_iam_infra::{Engine, remedy};
/// use rds_iam_token::{Login, ServerCode};
///
/// let login = Login::new(
///     "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306".parse()?,
///     "eu-west-1".parse()?,
///     "node_app".parse()?,
/// );
/// let refusal = remedy::Refusal {
///     engine: Engine::MySql,
///     login: &login,
///     code: Some(ServerCode::MySql(1142)),
///     account: None,
///     resource: None,
///     privileges: &["SELECT"],
///     database: Some(&"orders".parse()?),
/// };
/// let help = remedy::for_refusal(&refusal).expect("1142 is a missing privilege");
/// assert_eq!(help, "The privileges that the user needs:\nGRANT SELECT ON `orders`.* TO 'node_app'@'%';");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn for_refusal(refusal: &Refusal<'_>) -> Option<String> {
    let Refusal { engine, login, code, account, resource, privileges, database } = *refusal;
    let missing = missing(code?)?;
    let policy = || {
        let statement = policy_statement(&login.region, account, resource, &login.user);
        format!("The statement that the caller's role needs:\n{statement}")
    };
    let user = || format!("The user that the server needs:\n{}", user_statements(engine, &login.user));
    let grant = || {
        let database = database.filter(|_| !privileges.is_empty())?;
        let grant = grant_statement(engine, &login.user, privileges, database);
        Some(format!("The privileges that the user needs:\n{grant}"))
    };
    match missing {
        Missing::Login => {
            Some([Some(policy()), Some(user()), grant()].into_iter().flatten().collect::<Vec<_>>().join("\n"))
        }
        Missing::User => Some(user()),
        Missing::Privileges => grant(),
    }
}

fn missing(code: ServerCode) -> Option<Missing> {
    match code {
        ServerCode::MySql(number) => mysql::missing(number),
        ServerCode::SqlState(code) => postgres::missing(code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rds_iam_token::ErrorKind;

    use super::*;

    #[test]
    fn a_refusal_gets_the_part_that_helps() {
        let login = Login::new(
            "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306".parse().unwrap(),
            "eu-west-1".parse().unwrap(),
            "node_app".parse().unwrap(),
        );
        let database = "orders".parse().unwrap();
        let help = |engine, code, privileges: &[&str]| {
            for_refusal(&Refusal {
                engine,
                login: &login,
                code,
                account: None,
                resource: None,
                privileges,
                database: Some(&database),
            })
        };
        // Each part has words that no other has.
        let parts = |engine, code| {
            let help = help(engine, Some(code), &["SELECT"]).unwrap_or_default();
            let has = |part, name| help.contains(part).then_some(name);
            let (user, grant) = match engine {
                Engine::MySql => ("CREATE USER", "GRANT SELECT ON `orders`"),
                Engine::Postgres => ("GRANT rds_iam TO", "GRANT CONNECT ON DATABASE \"orders\""),
            };
            let parts = [has("rds-db:connect", "policy"), has(user, "user"), has(grant, "grant")];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        };
        let mysql = |number| parts(Engine::MySql, ServerCode::MySql(number));
        assert_eq!(mysql(1045), "policy user grant");
        for number in [1130, 1698, 3118, 3955] {
            assert_eq!(mysql(number), "user", "{number}");
        }
        for number in [1044, 1142, 1143, 3879] {
            assert_eq!(mysql(number), "grant", "{number}");
        }
        // A global privilege, a routine, an expired password, an unknown database, the rate limit.
        for number in [1227, 1370, 1410, 1820, 1862, 1049, 1040] {
            assert_eq!(mysql(number), "", "{number}");
        }
        let postgres = |code| parts(Engine::Postgres, ServerCode::from_sqlstate(code).unwrap());
        let expected = [("28P01", "policy user grant"), ("28000", "policy user grant"), ("42501", "grant")];
        for (code, expected) in expected.into_iter().chain([("3D000", ""), ("53300", ""), ("25006", "")]) {
            assert_eq!(postgres(code), expected, "{code}");
        }
        let help = |code, privileges: &[&str]| help(Engine::MySql, code, privileges);
        assert_eq!(help(None, &["SELECT"]), None);
        // A program that does not know the privileges gets no grant.
        assert_eq!(help(Some(ServerCode::MySql(1142)), &[]), None);
        assert!(!help(Some(ServerCode::MySql(1045)), &[]).unwrap().contains("GRANT"));
    }

    #[test]
    fn only_denied_codes_have_a_remedy() {
        let mysql = (0..10_000).map(ServerCode::MySql);
        // The classes of PostgreSQL's codes that have digits, with each subclass of three digits or `P01`.
        let subclasses = (0..1000).map(|n| format!("{n:03}")).chain(["P01".to_owned()]);
        let sqlstates =
            subclasses.flat_map(|subclass| (0..100).map(move |class| format!("{class:02}{subclass}")));
        let sqlstates = sqlstates.filter_map(|code| ServerCode::from_sqlstate(&code));
        let helped: Vec<_> = mysql.chain(sqlstates).filter(|code| missing(*code).is_some()).collect();
        assert_eq!(helped.len(), 12);
        for code in helped {
            assert_eq!(code.kind(), ErrorKind::Denied, "{code}");
        }
    }
}
