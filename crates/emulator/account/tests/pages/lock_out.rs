//! The commands of `docs/lock-out.md`, by a master user whose password has ended.
//!
//! Only PostgreSQL: a master user of MySQL keeps its password.

use rds_iam_emulator_server::{Postgres, PostgresVersion, fixtures};

use super::page::{blocks, words};
use super::shell::Shell;
use super::{CREATE_INSTANCE, HOST, RESOURCE_ID, Result, account, server};

const PAGE: &str = include_str!("../../../../../docs/lock-out.md");

#[tokio::test]
async fn a_master_user_that_is_locked_out_gets_back_in() -> Result {
    // Later versions have the membership of a creator too, for which the last statement returns another result.
    let settings = Postgres::builder().version(PostgresVersion::V15);
    let (aws, server) = tokio::try_join!(account(), server(settings))?;
    let shell = Shell::new(&aws).await?.reaches(&server)?;
    let created = CREATE_INSTANCE.replace("ENGINE", "postgres");
    let id = shell.run(&(created + " --enable-iam-database-authentication")).await?;
    let shell = shell.with_values(&[(RESOURCE_ID, id.trim())]);
    fixtures::execute(&server, ["CREATE ROLE app", "GRANT rds_iam TO app", "GRANT app TO postgres"]).await?;
    let by_password = format!(
        "psql 'host={HOST} user=postgres dbname=postgres sslmode=verify-full sslrootcert=bundle.pem' \
         --no-align --tuples-only --command='SELECT current_user'"
    );
    let password = format!("{}\n", server.master().password());
    let refused = shell.fails_with_input(&by_password, &password).await?;
    assert!(refused.contains("FATAL:  PAM authentication failed for user \"postgres\""), "{refused}");

    let [describe, log_in]: [String; 2] =
        blocks(PAGE, "sh").try_into().expect("the page has two blocks of commands");
    let described = shell.run(&describe).await?;
    assert_eq!(words(&described), ["available", "True", id.trim()]);
    // In the session, the statements of steps 2 to 4 that the page has for this case.
    let statements = blocks(PAGE, "sql");
    let [find, revoke, .., check] = &statements[..] else { panic!("statements of the page: {statements:?}") };
    let session = shell.run_with_input(&log_in, &[find.as_str(), revoke, check].concat()).await?;
    let lines: Vec<_> = session.lines().map(str::trim).collect();
    for expected in ["postgres > app > rds_iam", "REVOKE ROLE", "f"] {
        assert!(lines.contains(&expected), "no line {expected}: {session}");
    }
    let accepted: Vec<_> =
        server.logins()?.iter().map(|login| (login.user.clone(), login.accepted())).collect();
    assert_eq!(accepted.last(), Some(&("postgres".to_owned(), true)));

    let logged_in = shell.run_with_input(&by_password, &password).await?;
    assert_eq!(logged_in, "postgres\n");
    Ok(())
}
