//! The Lambda function, driven through the Lambda Runtime API.

use std::time::Duration;

use super::interrupted::WAITING;
use super::support::{Deployment, VERSIONS};
use crate::lambda::{event, writes_no_secret};
use crate::runtime_api::Function;
use crate::support::{Result, column, execute, until_some};

const ROLES: &str =
    "SELECT rolname::text FROM pg_roles WHERE rolname IN ('iam_admin', 'node_app', 'reader') ORDER BY 1";

#[tokio::test]
async fn from_nothing_to_drift_and_back() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        let mut function = Function::start(&deployment, &[]).await?;

        let planned = function.invoke(event("plan")).await?.report();
        assert_eq!((&planned["mode"], &planned["outcome"]), (&"plan".into(), &"drift".into()));
        assert_eq!(deployment.column(ROLES).await?, Vec::<String>::new());

        let made = function.invoke(event("apply")).await?.report();
        assert_eq!((&made["outcome"], &made["actions"]), (&"changed".into(), &planned["actions"]));
        assert_eq!(made["logins"][0]["current_user"], "node_app");
        assert_eq!(made["lock_out"]["verified"], true);
        assert_eq!(deployment.column(ROLES).await?, ["iam_admin", "node_app"]);
        assert_eq!(function.invoke(event("apply")).await?.report()["outcome"], "clean");
        assert_eq!(function.invoke(event("check")).await?.report()["outcome"], "clean");

        let mut admin = deployment.by_iam("iam_admin").await?;
        execute(&mut admin, "GRANT TRUNCATE ON messages TO node_app").await?;
        let drift = function.invoke(event("check")).await?.report();
        assert_eq!((&drift["outcome"], &drift["actions"][0]["change"]), (&"drift".into(), &"revoke".into()));
        assert_eq!(function.invoke(event("apply")).await?.report()["outcome"], "changed");
    }
    Ok(())
}

#[tokio::test]
async fn errors_have_their_type() -> Result {
    let deployment = Deployment::start(VERSIONS[1]).await?;
    let mut function = Function::start(&deployment, &[]).await?;
    for (changes, expected) in [
        (
            ("RDS_IAM_USERS", Some("[[user]]\nname = \"rdsadmin\"")),
            "Bootstrap.Configuration: error in step 1",
        ),
        (("RDS_DIAL", Some("127.0.0.1:1")), "Bootstrap.Failed: error in step 3 of 6: connecting"),
    ] {
        let mut function = Function::start(&deployment, &[changes]).await?;
        let error = function.invoke(event("apply")).await?.failure();
        assert!(error.starts_with(expected), "{error}");
    }
    deployment.as_superuser(&["GRANT rds_iam TO postgres"]).await?;
    let error = function.invoke(event("apply")).await?.failure();
    let expected = "Bootstrap.Failed: error in step 3 of 6: the server refuses the master user's password\n";
    assert!(error.starts_with(expected), "{error}");
    // Once that is fixed, the same function works again.
    deployment.as_superuser(&["REVOKE rds_iam FROM postgres"]).await?;
    assert_eq!(function.invoke(event("apply")).await?.report()["outcome"], "changed");
    Ok(())
}

/// An unfinished transaction of another session holds up the second table.
#[tokio::test]
async fn what_was_done_when_the_time_ends_is_kept_and_reported() -> Result {
    let deployment = Deployment::start(VERSIONS[1]).await?;
    let users = "[[user]]\nname = \"reader\"\ngrant = [{ privileges = [\"SELECT\"] }]\n[schema]\n\
         statements = [\"CREATE TABLE IF NOT EXISTS one (i INT); CREATE TABLE IF NOT EXISTS two (i INT)\"]\n";
    let mut function = Function::start(&deployment, &[("RDS_IAM_USERS", Some(users))]).await?;
    let (mut watching, mut other) = (deployment.master().await?, deployment.master().await?);
    execute(&mut other, "BEGIN; CREATE TABLE public.two (i INT)").await?;
    let ended = function.invoke_within(event("apply"), Duration::from_secs(12)).await?.failure();
    assert!(ended.starts_with("Bootstrap.Time: error in step 5 of 6: "), "{ended}");
    assert!(ended.contains("changes were made and stay"), "{ended}");
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(column(&mut watching, tables).await?, ["one"]);

    execute(&mut other, "ROLLBACK").await?;
    let still = format!("SELECT 'ended' WHERE NOT EXISTS ({WAITING})");
    until_some(&mut watching, &still).await?;
    assert_eq!(function.invoke(event("apply")).await?.report()["outcome"], "changed");
    assert_eq!(function.invoke(event("check")).await?.report()["outcome"], "clean");
    Ok(())
}

#[tokio::test]
async fn no_secret_is_written() -> Result {
    // A refused login is tried a second time.
    writes_no_secret(&Deployment::start(VERSIONS[1]).await?, 2).await
}
