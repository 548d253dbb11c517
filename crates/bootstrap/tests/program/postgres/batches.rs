//! Changes of several users are made in one transaction. If the server refuses it, the user to blame is named, those before
//! it are done, and nothing is half done.

use rds_iam_emulator_server::PostgresVersion;

use super::interrupted::WAITING;
use super::support::{Deployment, VERSIONS};
use crate::support::{Result, Run, execute, until_some};

/// Users in one batch, and a table.
const USERS: &str = r#"
[[user]]
name = "ann"
grant = [{ privileges = ["SELECT"] }]
[[user]]
name = "bob"
grant = [{ privileges = ["SELECT"] }]
[[user]]
name = "eve"
grant = [{ privileges = ["SELECT"] }]
[schema]
statements = ["CREATE TABLE IF NOT EXISTS messages (id int)"]
"#;

const ROLES: &str = "SELECT rolname::text || CASE WHEN pg_has_role(oid, 'rds_iam', 'MEMBER') THEN ' by IAM' ELSE '' END \
     FROM pg_roles WHERE rolname IN ('ann', 'bob', 'eve') ORDER BY 1";

/// Runs the program, and a statement of the superuser after the plan was made and before the users are: the run waits for
/// another session, which creates the same table.
async fn run_beside(deployment: &Deployment, statement: &str) -> Result<Run> {
    let (mut watching, mut other) = (deployment.master().await?, deployment.master().await?);
    execute(&mut other, "BEGIN; CREATE TABLE public.messages (id int)").await?;
    let interrupt = async {
        until_some(&mut watching, WAITING).await?;
        deployment.as_superuser(&[statement]).await?;
        execute(&mut other, "ROLLBACK").await
    };
    let (run, interrupted) = tokio::join!(deployment.bootstrap(&[]), interrupt);
    interrupted?;
    run
}

/// The changes before those of the users: the admin, the right to create tables, and the table.
fn before(version: PostgresVersion) -> usize {
    if version == PostgresVersion::V15 { 4 } else { 5 }
}

#[tokio::test]
async fn the_user_to_blame_is_named() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment.declare(USERS)?;
        let failed = run_beside(&deployment, "CREATE ROLE bob LOGIN").await?.expect(1).stderr;
        let expected = "error in step 5 of 6: create bob; let bob log in by IAM, and by IAM only failed\n  \
             cause: error returned from database: role \"bob\" already exists";
        assert!(failed.contains(expected), "{failed}");
        let made = format!("{} changes were made and stay", before(version) + 2);
        assert!(failed.contains(&made), "{made} is not in {failed}");
        assert_eq!(deployment.column(ROLES).await?, ["ann by IAM", "bob"]);

        deployment.bootstrap(&[]).await?.expect(0);
        assert_eq!(deployment.column(ROLES).await?, ["ann by IAM", "bob by IAM", "eve by IAM"]);
        deployment.bootstrap(&["--check"]).await?.expect(0);
    }
    Ok(())
}

#[tokio::test]
async fn a_lock_out_by_one_of_them_stops_the_run_there() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment.declare(USERS)?;
        deployment.as_superuser(&["CREATE ROLE bob LOGIN"]).await?;
        let refused = run_beside(&deployment, "GRANT bob TO postgres").await?.expect(3).stderr;
        let expected = "error in step 5 of 6: the master user would be locked out: it is a member of rds_iam by \
             postgres > bob > rds_iam\n";
        assert!(refused.contains(expected), "{refused}");
        let made = format!("{} changes were made and stay", before(version) + 4);
        assert!(refused.contains(&made), "{made} is not in {refused}");
        // Users that are created come first.
        assert_eq!(deployment.column(ROLES).await?, ["ann by IAM", "bob", "eve by IAM"]);

        deployment.as_superuser(&["REVOKE bob FROM postgres"]).await?;
        deployment.bootstrap(&[]).await?.expect(0);
        deployment.bootstrap(&["--check"]).await?.expect(0);
        deployment.master().await?;
    }
    Ok(())
}

/// Since 16 the master user may not change the role that another one made; a run does not need it to.
#[tokio::test]
async fn passwords_of_several_users_end_where_they_may() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment.declare(USERS)?;
        deployment.as_master(&["CREATE USER ann PASSWORD 'x'", "CREATE USER eve PASSWORD 'x'"]).await?;
        deployment.as_superuser(&["CREATE ROLE bob LOGIN PASSWORD 'x'"]).await?;
        let made = deployment.bootstrap(&[]).await?.expect(0).stdout;
        let left = if version == PostgresVersion::V15 { "" } else { "bob" };
        assert_eq!(
            made.contains("did not let the master user end the password of bob"),
            left == "bob",
            "{made}"
        );
        let check = format!(
            "DO $$ BEGIN IF (SELECT coalesce(string_agg(rolname, ' '), '') FROM pg_authid \
             WHERE rolname IN ('ann', 'bob', 'eve') AND rolpassword IS NOT NULL) <> '{left}' \
             THEN RAISE EXCEPTION 'other passwords are left'; END IF; END $$"
        );
        deployment.as_superuser(&[&check]).await?;
        let attributes =
            "SELECT rolname::text FROM pg_roles WHERE rolname IN ('ann', 'bob', 'eve') AND rolcanlogin";
        assert_eq!(deployment.column(attributes).await?.len(), 3);
    }
    Ok(())
}
