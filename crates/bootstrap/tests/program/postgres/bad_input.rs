//! Bad input: each is an error that names the setting or object and says what to do, and changes nothing.

use rds_iam_infra::Engine;

use super::support::{Deployment, VERSIONS};
use crate::support::{Result, execute};

const ROLES: &str = "SELECT rolname::text FROM pg_roles WHERE rolname IN ('iam_admin', 'app')";

#[tokio::test]
async fn what_does_not_exist_is_reported_together() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment.declare(
            r#"
            [[user]]
            name = "app"
            grant = [
              { schema = "nowhere", privileges = ["USAGE"] },
              { table = "no_table", privileges = ["SELECT"] },
              { function = "no_function", privileges = ["EXECUTE"] },
              { database = "no_database", privileges = ["CONNECT"] },
            ]
            [schema]
            extensions = ["pgcrypt0"]
            "#,
        )?;
        for arguments in [&["--plan"][..], &[]] {
            let failed = deployment.bootstrap(arguments).await?.expect(1).stderr;
            for object in [
                "schema nowhere does not exist",
                "table public.no_table does not exist",
                "function public.no_function does not exist",
                "database no_database does not exist",
                "the server has no extension pgcrypt0 (the nearest name is pgcrypto)",
            ] {
                assert!(failed.contains(object), "{object} is not in {failed}");
            }
        }
        assert_eq!(deployment.column(ROLES).await?, Vec::<String>::new());

        let mut conf = deployment.conf.clone();
        conf.database = "no_such".parse()?;
        let failed = deployment.bootstrap_with(&conf, &[], &[]).await?.expect(1).stderr;
        assert!(failed.contains("error in step 3 of 6: database no_such does not exist"), "{failed}");
    }
    Ok(())
}

/// It came with 17.
#[tokio::test]
async fn a_privilege_of_a_later_version() -> Result {
    let mut deployment = Deployment::start(VERSIONS[0]).await?;
    deployment.declare(&super::support::USERS.replace("\"INSERT\"", "\"MAINTAIN\""))?;
    let failed = deployment.bootstrap(&[]).await?.expect(1).stderr;
    assert!(failed.contains("the privilege MAINTAIN does not exist in PostgreSQL 15."), "{failed}");
    assert!(failed.contains("MAINTAIN exists from PostgreSQL 17 on"), "{failed}");
    assert!(!failed.contains("Privileges on an object need the object"), "{failed}");
    assert_eq!(deployment.column(ROLES).await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn attributes_that_only_aws_could_change() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        for attribute in ["SUPERUSER", "REPLICATION", "BYPASSRLS"] {
            deployment.as_superuser(&[&format!("CREATE ROLE app LOGIN {attribute}")]).await?;
            let failed = deployment.bootstrap(&[]).await?.expect(1).stderr;
            assert!(failed.contains(&format!("the role app has {attribute}")), "{failed}");
            deployment.as_superuser(&["DROP ROLE app"]).await?;
        }
        assert_eq!(deployment.column(ROLES).await?, Vec::<String>::new());
    }
    Ok(())
}

#[tokio::test]
async fn a_server_without_iam_authentication() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.as_superuser(&["ALTER ROLE rds_iam RENAME TO rds_was_iam"]).await?;
        let failed = deployment.bootstrap(&[]).await?.expect(1).stderr;
        assert!(failed.contains("the server has no role rds_iam"), "{failed}");
        assert!(failed.contains("--enable-iam-database-authentication"), "{failed}");
    }
    Ok(())
}

#[tokio::test]
async fn the_master_user_and_a_wrong_password() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment.declare("[[user]]\nname = \"postgres\"\n")?;
        let failed = deployment.bootstrap(&[]).await?.expect(64).stderr;
        assert!(failed.contains("postgres: is the master user, which is never changed"), "{failed}");

        deployment.declare(super::support::USERS)?;
        let stale = serde_json::json!({ "username": "postgres", "password": "out of date" });
        deployment.aws.put_secret("orders/master", &stale.to_string()).await?;
        let failed = deployment.bootstrap(&[]).await?.expect(1).stderr;
        assert!(failed.contains("The server does not accept the password in the master secret"), "{failed}");
    }
    Ok(())
}

#[tokio::test]
async fn force_ssl_off_is_reported() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.server.set_force_ssl(false).await?;
        let run = deployment.bootstrap(&[]).await?.expect(0).stdout;
        assert!(run.contains("warning: rds.force_ssl is 0"), "{run}");
        deployment.bootstrap(&["--check"]).await?.expect(0);
    }
    Ok(())
}

/// Runs for the ten seconds after which a server of MySQL that sends nothing counts as unreachable.
#[tokio::test]
async fn the_other_engine_answers() -> Result {
    let deployment = Deployment::start(VERSIONS[1]).await?;
    let mut conf = deployment.conf.clone();
    conf.engine = Engine::MySql;
    let failed = deployment.bootstrap_with(&conf, &[], &[]).await?.expect(64).stderr;
    let dial = deployment.server.dial();
    let expected =
        format!("error in step 1 of 6: ENGINE is mysql, but a PostgreSQL server answers at {dial}\n");
    assert!(failed.starts_with(&expected), "{failed}");
    assert!(failed.contains("Set ENGINE to"), "{failed}");
    assert_eq!(deployment.column(ROLES).await?, Vec::<String>::new());
    Ok(())
}

/// Runs for the ten seconds that a run waits for another.
#[tokio::test]
async fn another_run_holds_the_lock() -> Result {
    let deployment = Deployment::start(VERSIONS[1]).await?;
    let master = deployment.server.master();
    let mut options = <sqlx::Postgres as rds_iam_emulator_server::Kind>::connect_options(&deployment.server);
    options = options.username(master.username()).password(master.password()).database("postgres");
    let mut other = sqlx::ConnectOptions::connect(&options).await?;
    execute(&mut other, "SELECT pg_advisory_lock(1919185513, 1)").await?;
    let busy = deployment.bootstrap(&[]).await?.expect(1).stderr;
    assert!(busy.contains("another bootstrap is running on this server (connection "), "{busy}");
    assert!(busy.contains(", postgres from "), "{busy}");
    // A plan takes no lock.
    deployment.bootstrap(&["--plan"]).await?.expect(0);
    Ok(())
}
