//! The canary of a server that stopped in the middle of the test, where that locks no user out.

use rds_iam_emulator_server::PostgresVersion;

use super::super::support::{Deployment, VERSIONS};
use super::{ROLES, accepts, prepared};
use crate::support::Result;

const CREATE: &str = "CREATE ROLE rds_iam_bootstrap_canary NOLOGIN";
const GRANT: &str = "GRANT rds_iam TO rds_iam_bootstrap_canary";
const CHANGE: &str = "- drop role rds_iam_bootstrap_canary: left by a server that stopped during the test\n";

#[tokio::test]
async fn a_canary_that_was_left_is_dropped_by_the_next_run() -> Result {
    for version in VERSIONS {
        // Before the first run, and after it.
        let deployment = prepared(version, &[CREATE, GRANT], &[]).await?;
        drops(&deployment).await?;
        deployment.as_master(&[CREATE, GRANT]).await?;
        let checked = deployment.bootstrap(&["--check"]).await?.expect(2).stdout;
        assert!(checked.contains("drift: 1 change needed"), "{checked}");
        drops(&deployment).await?;
    }
    Ok(())
}

/// The test replaces it: without `rds_iam` it shows nothing about the master user.
#[tokio::test]
async fn a_canary_without_rds_iam_is_dropped_too() -> Result {
    let deployment = prepared(PostgresVersion::NEWEST, &[CREATE], &[]).await?;
    drops(&deployment).await
}

/// Checks that a plan and a run report the drop, and that a second run has nothing to do.
async fn drops(deployment: &Deployment) -> Result {
    let planned = deployment.bootstrap(&["--plan"]).await?.expect(0).stdout;
    assert!(planned.contains(CHANGE), "{planned}");
    let made = accepts(deployment).await?.stdout;
    assert!(made.contains(CHANGE), "{made}");
    Ok(())
}

#[tokio::test]
async fn a_role_of_that_name_that_is_used_is_left() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        accepts(&deployment).await?;
        deployment.as_master(&[CREATE, GRANT]).await?;
        for (change, back, reason) in [
            (
                "ALTER ROLE rds_iam_bootstrap_canary LOGIN",
                "ALTER ROLE rds_iam_bootstrap_canary NOLOGIN",
                "it may log in",
            ),
            (
                "GRANT USAGE ON SCHEMA public TO rds_iam_bootstrap_canary",
                "REVOKE USAGE ON SCHEMA public FROM rds_iam_bootstrap_canary",
                "it owns objects or has privileges on some",
            ),
        ] {
            // In another database than the one of `rds.conf`.
            deployment.as_superuser(&[change]).await?;
            let made = deployment.bootstrap(&[]).await?.expect(0).stdout;
            let warning = format!("warning: the role rds_iam_bootstrap_canary is left, because {reason}; ");
            assert!(made.contains(&warning), "{made}");
            assert!(made.contains("no changes"), "{made}");
            assert_eq!(deployment.column(ROLES).await?, ["app", "iam_admin", "rds_iam_bootstrap_canary"]);
            deployment.as_superuser(&[back]).await?;
        }
        drops(&deployment).await?;
    }
    Ok(())
}
