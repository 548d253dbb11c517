//! Runs on existing databases: roles that another program created, limited or changed.

use super::support::{Deployment, VERSIONS, execute};
use crate::support::Result;

#[tokio::test]
async fn a_user_with_a_password_is_switched_and_the_plan_says_so() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment
            .as_master(&["CREATE USER app PASSWORD 'old password' CREATEDB CONNECTION LIMIT 3"])
            .await?;
        let planned = deployment.bootstrap(&["--plan"]).await?.expect(0).stdout;
        assert!(planned.contains("let app log in by IAM, and by IAM only"), "{planned}");
        assert!(planned.contains("- end the password of app, if it has one"), "{planned}");
        let made = deployment.bootstrap(&[]).await?.expect(0).stdout;
        assert!(made.contains("login as app: ok"), "{made}");
        let attributes =
            "SELECT concat_ws(' ', rolcreatedb, rolconnlimit) FROM pg_roles WHERE rolname = 'app'";
        assert_eq!(deployment.column(attributes).await?, ["f -1"]);
        // Only the grantor can revoke it since 16. Without IAM, no password is left.
        execute(&mut deployment.by_iam("iam_admin").await?, "REVOKE rds_iam FROM app").await?;
        let refused = deployment.by_password("app", "old password").await.unwrap_err().to_string();
        assert!(refused.contains("denied"), "{refused}");
    }
    Ok(())
}

#[tokio::test]
async fn attributes_are_taken_away() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.bootstrap(&[]).await?.expect(0);
        for change in
            ["CREATEROLE", "CREATEDB", "CONNECTION LIMIT 1", "SET lock_timeout = '1s'", "SET search_path = x"]
        {
            deployment.as_superuser(&[&format!("ALTER ROLE app {change}")]).await?;
            deployment.bootstrap(&["--check"]).await?.expect(2);
            deployment.bootstrap(&[]).await?.expect(0);
            deployment.bootstrap(&["--check"]).await?.expect(0);
        }
    }
    Ok(())
}

#[tokio::test]
async fn locked_accounts_stay_locked() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.bootstrap(&[]).await?.expect(0);
        deployment.as_superuser(&["ALTER ROLE app NOLOGIN"]).await?;
        let run = deployment.bootstrap(&[]).await?.expect(0).stdout;
        assert!(run.contains("login as app: the account is locked"), "{run}");
        assert!(run.contains("warning: app may not log in, which is left"), "{run}");
    }
    Ok(())
}

#[tokio::test]
async fn a_caller_that_may_not_log_in() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.server.allow_users(["iam_admin"])?;
        let made = deployment.bootstrap(&[]).await?.expect(0).stdout;
        assert!(made.contains("login as app: not permitted for this caller"), "{made}");
        deployment.server.allow_users(["another_user"])?;
        let checked = deployment.bootstrap(&["--check", "--json"]).await?.expect(0).json()?;
        assert_eq!(checked["read_as"], "master");
        let refused = deployment.bootstrap(&[]).await?.expect(1);
        assert!(refused.stderr.contains("error in step 4 of 6"), "{}", refused.stderr);
        assert!(refused.stderr.contains("GRANT rds_iam TO \"iam_admin\";"), "{}", refused.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn grants_of_another_grantor_are_reported() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.bootstrap(&[]).await?.expect(0);
        deployment.as_superuser(&["CREATE ROLE stranger LOGIN PASSWORD 'x'"]).await?;
        let mut admin = deployment.by_iam("iam_admin").await?;
        execute(&mut admin, "GRANT DELETE ON messages TO stranger WITH GRANT OPTION").await?;
        deployment.as_superuser(&["GRANT stranger TO iam_admin"]).await?;
        execute(&mut admin, "SET ROLE stranger; GRANT DELETE ON messages TO app").await?;
        deployment.as_superuser(&["REVOKE stranger FROM iam_admin"]).await?;
        let checked = deployment.bootstrap(&["--check"]).await?.expect(0).stdout;
        let warning = "app has DELETE on public.messages, which is not declared and only stranger can revoke";
        assert!(checked.contains(warning), "{checked}");
    }
    Ok(())
}

/// The names of other roles and of objects are part of no statement.
#[tokio::test]
async fn declared_users_with_hostile_names_around_them() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment
            .as_master(&[
                "CREATE SCHEMA \"s\"\"; --\"",
                "CREATE TABLE \"s\"\"; --\".\"t'\"\"\" (\"c\"\"1\" int)",
                "CREATE ROLE \"r\"\"; DROP TABLE x; --\"",
            ])
            .await?;
        deployment.declare(
            r#"
            [[user]]
            name = "zoe+1=x,y.z@example.com"
            grant = [{ schema = 's"; --', table = '*', privileges = ["SELECT"] }]
            "#,
        )?;
        deployment.bootstrap(&[]).await?.expect(0);
        deployment
            .as_master(&[
                "GRANT \"r\"\"; DROP TABLE x; --\" TO \"zoe+1=x,y.z@example.com\"",
                "GRANT UPDATE (\"c\"\"1\") ON \"s\"\"; --\".\"t'\"\"\" TO \"zoe+1=x,y.z@example.com\"",
            ])
            .await?;
        deployment.bootstrap(&["--check"]).await?.expect(2);
        deployment.bootstrap(&[]).await?.expect(0);
        deployment.bootstrap(&["--check"]).await?.expect(0);
    }
    Ok(())
}
