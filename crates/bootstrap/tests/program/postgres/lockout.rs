//! No run locks the master user out of its password: each state that does so on a real server, before a run or made by
//! it, on the oldest and the newest version, and in both ways that a server may count the membership of a role's creator.

use rds_iam_emulator_server::{CreatorEdges, PostgresVersion};

use super::support::{Deployment, VERSIONS};
use crate::support::{Result, Run};

const ROLES: &str = "SELECT rolname::text FROM pg_roles WHERE rolname IN \
     ('iam_admin', 'app', 'rds_iam_bootstrap_canary') ORDER BY 1";

/// A deployment after some statements of the master user and of the server's superuser.
async fn prepared(version: PostgresVersion, by_master: &[&str], by_superuser: &[&str]) -> Result<Deployment> {
    let deployment = Deployment::start(version).await?;
    deployment.as_master(by_master).await?;
    deployment.as_superuser(by_superuser).await?;
    Ok(deployment)
}

/// Checks that a run refuses, names the path, and changes nothing; and that a plan says so before.
async fn refuses(deployment: &Deployment, path: &str) -> Result {
    let before = deployment.column(ROLES).await?;
    let planned = deployment.bootstrap(&["--plan"]).await?.expect(0);
    assert!(
        planned.stdout.contains(&format!("WOULD BE LOCKED OUT as a member of rds_iam by {path}")),
        "{}",
        planned.stdout
    );
    let refused = deployment.bootstrap(&[]).await?.expect(3);
    let message = format!("the master user would be locked out: it is a member of rds_iam by {path}\n");
    assert!(refused.stderr.contains(&message), "{}", refused.stderr);
    assert_eq!(deployment.column(ROLES).await?, before, "nothing was changed");
    deployment.master().await?;
    Ok(())
}

/// Checks that a run does its work, that a second one has nothing to do, and that the master user still logs in.
async fn accepts(deployment: &Deployment) -> Result<Run> {
    let made = deployment.bootstrap(&[]).await?.expect(0);
    assert!(made.stdout.contains("login as the master user: ok, by password"), "{}", made.stdout);
    deployment.master().await?;
    let again = deployment.bootstrap(&[]).await?.expect(0);
    assert!(again.stdout.contains("no changes: everything is as declared"), "{}", again.stdout);
    deployment.bootstrap(&["--check"]).await?.expect(0);
    deployment.master().await?;
    assert_eq!(deployment.column(ROLES).await?, ["app", "iam_admin"]);
    Ok(made)
}

#[tokio::test]
async fn granted_to_the_master() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.as_superuser(&["GRANT rds_iam TO postgres"]).await?;
        let refused = deployment.bootstrap(&[]).await?.expect(3);
        assert!(
            refused.stderr.contains("the server refuses the master user's password"),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains("The way back"), "{}", refused.stderr);
        deployment.as_superuser(&["REVOKE rds_iam FROM postgres"]).await?;
        accepts(&deployment).await?;
    }
    Ok(())
}

/// The way back of the message: a token for the master user's own name.
#[tokio::test]
async fn the_way_back() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        accepts(&deployment).await?;
        deployment.as_superuser(&["GRANT app TO postgres"]).await?;
        assert!(deployment.master().await.is_err(), "the password has ended");
        deployment.bootstrap(&[]).await?.expect(3);

        let mut master = deployment.by_iam("postgres").await?;
        super::support::execute(&mut master, "REVOKE app FROM postgres").await?;
        deployment.master().await?;
        accepts(&deployment).await?;
    }
    Ok(())
}

#[tokio::test]
async fn app_granted_to_the_master() -> Result {
    for version in VERSIONS {
        let deployment = prepared(version, &[], &["CREATE ROLE app LOGIN", "GRANT app TO postgres"]).await?;
        refuses(&deployment, "postgres > app > rds_iam").await?;
        deployment.as_superuser(&["REVOKE app FROM postgres"]).await?;
        deployment.as_superuser(&["DROP ROLE app"]).await?;
        accepts(&deployment).await?;
    }
    Ok(())
}

#[tokio::test]
async fn made_with_admin_or_role_master() -> Result {
    for version in VERSIONS {
        for clause in ["ADMIN postgres", "ROLE postgres"] {
            let deployment = prepared(version, &[], &[&format!("CREATE ROLE app LOGIN {clause}")]).await?;
            refuses(&deployment, "postgres > app > rds_iam").await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn through_a_group() -> Result {
    for version in VERSIONS {
        let statements =
            ["CREATE ROLE app LOGIN", "CREATE ROLE grp", "GRANT app TO grp", "GRANT grp TO postgres"];
        let deployment = prepared(version, &[], &statements).await?;
        refuses(&deployment, "postgres > grp > app > rds_iam").await?;
    }
    Ok(())
}

#[tokio::test]
async fn with_a_noinherit_master() -> Result {
    for version in VERSIONS {
        let statements = ["ALTER ROLE postgres NOINHERIT", "CREATE ROLE app LOGIN", "GRANT app TO postgres"];
        let deployment = prepared(version, &[], &statements).await?;
        refuses(&deployment, "postgres > app > rds_iam").await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_inherit_and_set() -> Result {
    for options in ["INHERIT FALSE, SET FALSE", "INHERIT FALSE, SET TRUE"] {
        let grant = format!("GRANT app TO postgres WITH {options}");
        let statements = ["CREATE ROLE app LOGIN", &grant];
        let deployment = prepared(PostgresVersion::NEWEST, &[], &statements).await?;
        refuses(&deployment, "postgres > app > rds_iam").await?;
    }
    Ok(())
}

/// On 15 this changes nothing for the master user. Since 16 the master user is a member of what it creates.
#[tokio::test]
async fn made_by_the_master() -> Result {
    for version in VERSIONS {
        let deployment = prepared(version, &["CREATE USER app PASSWORD 'x'"], &[]).await?;
        accepts(&deployment).await?;
    }
    let deployment = Deployment::start_as(PostgresVersion::NEWEST, CreatorEdges::Count).await?;
    deployment.as_master(&["CREATE USER app PASSWORD 'x'"]).await?;
    let refused = deployment.bootstrap(&[]).await?.expect(3);
    assert!(refused.stderr.contains("counts the membership that the creator"), "{}", refused.stderr);
    assert_eq!(deployment.column(ROLES).await?, ["app"]);
    Ok(())
}

#[tokio::test]
async fn createrole_self_grant() -> Result {
    let newest = PostgresVersion::NEWEST;
    let set = "ALTER ROLE postgres SET createrole_self_grant = 'set, inherit'";
    // A run makes its roles without it.
    accepts(&prepared(newest, &[], &[set]).await?).await?;
    // A role that was made with it counts.
    let deployment = prepared(newest, &[], &[set]).await?;
    deployment.as_master(&["CREATE USER app"]).await?;
    refuses(&deployment, "postgres > app > rds_iam").await
}

/// A server that counts the membership of a role's creator: the test finds that out, and nothing is changed.
#[tokio::test]
async fn a_server_that_counts_creators_is_left_alone() -> Result {
    let deployment = Deployment::start_as(PostgresVersion::NEWEST, CreatorEdges::Count).await?;
    let refused = deployment.bootstrap(&["--json"]).await?.expect(3).json()?;
    assert_eq!((&refused["step"], &refused["changes_made"]), (&3.into(), &0.into()), "{refused}");
    assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("Nothing was changed")), "{refused}");
    assert_eq!(deployment.column(ROLES).await?, Vec::<String>::new(), "the canary is dropped too");
    deployment.master().await?;
    Ok(())
}

/// The test is made once: afterwards each login of the master user is the evidence.
#[tokio::test]
async fn the_canary_is_tried_once() -> Result {
    let deployment = Deployment::start(PostgresVersion::NEWEST).await?;
    let planned = deployment.bootstrap(&["--plan", "--json"]).await?.expect(0).json()?;
    assert_eq!(planned["lock_out"]["forecast"], "creator_edge", "{planned}");
    let first = deployment.bootstrap(&["--json"]).await?.expect(0).json()?;
    assert_eq!((&first["lock_out"]["tested"], &first["lock_out"]["verified"]), (&true.into(), &true.into()));
    let second = deployment.bootstrap(&["--json"]).await?.expect(0).json()?;
    assert_eq!((&second["lock_out"]["tested"], &second["outcome"]), (&false.into(), &"clean".into()));
    assert_eq!(second["lock_out"]["path"], serde_json::json!(["postgres", "iam_admin", "rds_iam"]));

    let old = Deployment::start(PostgresVersion::V15).await?;
    let first = old.bootstrap(&["--json"]).await?.expect(0).json()?;
    assert_eq!(
        (&first["lock_out"]["tested"], &first["lock_out"]["forecast"]),
        (&false.into(), &"none".into())
    );
    Ok(())
}

/// Every state of the table that does not lock the master user out.
#[tokio::test]
async fn states_that_do_not_lock_the_master_out() -> Result {
    for version in VERSIONS {
        for statements in [
            &["CREATE ROLE app LOGIN", "GRANT rds_iam TO app"][..],
            &["CREATE ROLE app LOGIN IN ROLE rds_iam"],
            &["CREATE ROLE app LOGIN", "GRANT app TO postgres", "REVOKE app FROM postgres"],
            &["CREATE ROLE app LOGIN", "GRANT rds_iam TO app", "DROP ROLE app"],
            &["CREATE ROLE app LOGIN", "GRANT postgres TO app"],
        ] {
            let deployment = prepared(version, &[], statements).await?;
            accepts(&deployment).await.map_err(|error| format!("{version}, {statements:?}: {error}"))?;
        }
    }
    Ok(())
}
