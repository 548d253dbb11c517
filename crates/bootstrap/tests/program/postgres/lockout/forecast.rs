//! A plan that would lock the master user out is refused before anything is changed; the canary decides where only a test
//! shows it.

use rds_iam_emulator_server::{CreatorEdges, PostgresVersion};

use super::super::support::{Deployment, VERSIONS};
use super::{ROLES, accepts, prepared, refuses};
use crate::support::Result;

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
