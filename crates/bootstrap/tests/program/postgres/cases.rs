//! Runs on existing databases: roles that another program created, limited or changed.

use rds_iam_emulator_server::PostgresVersion;

use super::support::{Deployment, USERS, VERSIONS};
use crate::support::{Result, execute, until_some};

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
        for change in [
            "CREATEROLE",
            "CREATEDB",
            "CONNECTION LIMIT 1",
            "SET lock_timeout = '1s'",
            "SET search_path = x",
            "IN DATABASE node_db SET statement_timeout = '1s'",
        ] {
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
        let warnings = checked["warnings"].to_string();
        assert!(
            warnings.contains("the server refused the IAM admin iam_admin, so the master user read it: "),
            "{warnings}"
        );
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

/// Nothing but the server's own superuser can end it since 16. It is reported, and locks the master user out of nothing.
#[tokio::test]
async fn a_user_that_is_a_member_of_the_master_user() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.as_superuser(&["CREATE ROLE app LOGIN", "GRANT postgres TO app"]).await?;
        let made = deployment.bootstrap(&[]).await?.expect(0).stdout;
        let is_member = "SELECT pg_has_role('app', 'postgres', 'MEMBER')::text";
        if version == PostgresVersion::V15 {
            assert!(made.contains("REVOKE \"postgres\" FROM \"app\";"), "{made}");
            assert_eq!(deployment.column(is_member).await?, ["false"]);
        } else {
            let warning = "app has the role postgres, which is not declared and only rdsadmin can revoke";
            assert!(made.contains(warning), "{made}");
            assert_eq!(deployment.column(is_member).await?, ["true"]);
        }
        deployment.bootstrap(&["--check"]).await?.expect(0);
    }
    Ok(())
}

/// A statement of the run waits for another session, for longer than the admin's sessions may.
#[tokio::test]
async fn limits_of_the_admin_do_not_end_a_run() -> Result {
    let mut deployment = Deployment::start(PostgresVersion::NEWEST).await?;
    deployment.bootstrap(&[]).await?.expect(0);
    for limit in ["statement_timeout", "lock_timeout"] {
        deployment.as_superuser(&[&format!("ALTER ROLE iam_admin SET {limit} = '500ms'")]).await?;
    }
    deployment.declare(&USERS.replace("messages", "second"))?;
    let (mut watching, mut other) = (deployment.master().await?, deployment.master().await?);
    execute(&mut other, "BEGIN; CREATE TABLE public.second (id int)").await?;
    let waits = "SELECT pid::text FROM pg_stat_activity WHERE usename = 'iam_admin' AND wait_event_type = 'Lock' \
         AND now() - query_start > interval '700 ms'";
    let interrupt = async {
        until_some(&mut watching, waits).await?;
        execute(&mut other, "ROLLBACK").await
    };
    let (run, interrupted) = tokio::join!(deployment.bootstrap(&[]), interrupt);
    interrupted?;
    run?.expect(0);
    Ok(())
}

/// The plan of the admin does not know which role is the master user.
#[tokio::test]
async fn an_administrator_with_tokens_is_not_taken_for_the_master_user() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.bootstrap(&[]).await?.expect(0);
        deployment
            .as_superuser(&["CREATE ROLE dba LOGIN", "GRANT rds_superuser TO dba", "GRANT rds_iam TO dba"])
            .await?;
        let checked = deployment.bootstrap(&["--check"]).await?.expect(0).stdout;
        assert!(checked.contains("read as the IAM admin"), "{checked}");
        assert!(!checked.contains("LOCKED OUT"), "{checked}");
    }
    Ok(())
}

/// Kinds of objects on which no privilege can be declared, and a schema that the declaration does not name.
#[tokio::test]
async fn privileges_on_objects_of_any_kind_end() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.bootstrap(&[]).await?.expect(0);
        deployment
            .as_superuser(&[
                "CREATE FOREIGN DATA WRAPPER wrapper",
                "CREATE SERVER \"their \"\"server\" FOREIGN DATA WRAPPER wrapper",
                "ALTER SERVER \"their \"\"server\" OWNER TO postgres",
                "GRANT USAGE ON FOREIGN DATA WRAPPER wrapper TO app",
                "GRANT SET ON PARAMETER session_replication_role TO app",
                "GRANT ALTER SYSTEM ON PARAMETER work_mem TO app",
                "GRANT CREATE ON TABLESPACE pg_default TO app",
            ])
            .await?;
        deployment
            .as_master(&[
                "CREATE TYPE mood AS ENUM ('ok')",
                "GRANT USAGE ON TYPE mood TO app",
                "GRANT USAGE ON FOREIGN SERVER \"their \"\"server\" TO app",
                "SELECT lo_create(4711)",
                "GRANT SELECT ON LARGE OBJECT 4711 TO app",
                "CREATE ROLE keeper",
                "GRANT keeper TO postgres",
                "CREATE SCHEMA elsewhere",
                "CREATE TABLE elsewhere.t (i int)",
                "GRANT USAGE, CREATE ON SCHEMA elsewhere TO keeper",
                "ALTER TABLE elsewhere.t OWNER TO keeper",
                "GRANT SELECT ON elsewhere.t TO app",
            ])
            .await?;
        let drift = deployment.bootstrap(&["--check"]).await?.expect(2).stdout;
        for expected in [
            "REVOKE USAGE ON TYPE \"public\".\"mood\" FROM \"app\";",
            "REVOKE USAGE ON FOREIGN SERVER \"their \"\"server\" FROM \"app\";",
            "REVOKE SELECT ON LARGE OBJECT 4711 FROM \"app\";",
            "REVOKE SELECT ON TABLE \"elsewhere\".\"t\" FROM \"app\";",
            "app has USAGE on foreign data wrapper wrapper, which is not declared and only rdsadmin can revoke",
            "app has SET on parameter session_replication_role, which is not declared and only rdsadmin can revoke",
            "app has ALTER SYSTEM on parameter work_mem, which is not declared and only rdsadmin can revoke",
            "app has CREATE on tablespace pg_default, which is not declared and only rdsadmin can revoke",
        ] {
            assert!(drift.contains(expected), "{version}: {expected} is not in {drift}");
        }
        deployment.bootstrap(&[]).await?.expect(0);
        deployment.bootstrap(&["--check"]).await?.expect(0);
    }
    Ok(())
}

/// Neither the admin's step nor a later run takes away what the admin needs to log in.
#[tokio::test]
async fn a_database_that_not_every_role_may_connect_to() -> Result {
    for version in VERSIONS {
        for owner in ["", "owner = \"orders_owner\"\n"] {
            let mut deployment = Deployment::start(version).await?;
            deployment.declare(&format!("{USERS}{owner}"))?;
            deployment.as_master(&["REVOKE CONNECT ON DATABASE node_db FROM PUBLIC"]).await?;
            let made = deployment.bootstrap(&[]).await?.expect(0).stdout;
            assert!(made.contains("GRANT CONNECT ON DATABASE \"node_db\" TO \"iam_admin\";"), "{made}");
            assert!(made.contains("login as app: ok"), "{made}");
            let again = deployment.bootstrap(&[]).await?.expect(0).stdout;
            assert!(again.contains("no changes: everything is as declared"), "{again}");
            let checked = deployment.bootstrap(&["--check"]).await?.expect(0).stdout;
            assert!(checked.contains("read as the IAM admin"), "{checked}");

            // The admin can't log in then, so the master user reads and grants.
            deployment.as_master(&["REVOKE CONNECT ON DATABASE node_db FROM iam_admin"]).await?;
            let drift = deployment.bootstrap(&["--check"]).await?.expect(2).stdout;
            assert!(drift.contains("drift: 1 change needed"), "{drift}");
            deployment.bootstrap(&[]).await?.expect(0);
            deployment.bootstrap(&["--check"]).await?.expect(0);
        }
    }
    Ok(())
}

/// The server counts every membership in `rds_iam`, so that the members of a user that is switched are switched with it.
#[tokio::test]
async fn members_of_a_switched_user_lose_their_password_and_the_plan_says_so() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.as_master(&["CREATE ROLE app NOLOGIN"]).await?;
        deployment
            .as_superuser(&[
                "CREATE ROLE grp NOLOGIN IN ROLE app",
                "CREATE ROLE legacy LOGIN PASSWORD 'old password' IN ROLE grp",
            ])
            .await?;
        deployment.by_password("legacy", "old password").await?;
        let warning = "legacy is a member of grp, which logs in by IAM only, and so does legacy then: ITS LOGIN BY PASSWORD ENDS";
        for arguments in [&["--plan"][..], &[]] {
            let shown = deployment.bootstrap(arguments).await?.expect(0).stdout;
            assert!(shown.contains(&format!("warning: {warning}")), "{shown}");
            assert!(!shown.contains("warning: grp"), "{shown}");
        }
        assert!(deployment.by_password("legacy", "old password").await.is_err());
        let left = deployment.bootstrap(&["--check"]).await?.expect(0).stdout;
        assert!(left.contains("legacy is not declared, and logs in by IAM as a member of grp"), "{left}");
    }
    Ok(())
}
