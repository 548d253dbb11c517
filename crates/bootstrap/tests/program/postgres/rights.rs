//! A master user that may not give the IAM admin what it needs since PostgreSQL 16.

use rds_iam_emulator_server::PostgresVersion;

use super::support::Deployment;
use crate::support::Result;

/// The IAM admin may not grant `rds_iam`, so the master user does. Only members of `rds_superuser` may.
#[tokio::test]
async fn the_master_user_may_not_delegate_rds_iam() -> Result {
    let deployment = Deployment::start(PostgresVersion::NEWEST).await?;
    deployment
        .as_superuser(&[
            "CREATE ROLE iam_admin LOGIN CREATEROLE",
            "GRANT rds_iam TO iam_admin",
            "CREATE ROLE app LOGIN",
            "GRANT rds_iam TO app",
            "REVOKE rds_superuser FROM postgres",
        ])
        .await?;
    let made = deployment.bootstrap(&[]).await?.expect(0).stdout;
    let warning = "the server did not let the master user give iam_admin the right to grant rds_iam";
    assert!(made.contains(warning), "{made}");
    assert!(made.contains("login as app: ok"), "{made}");
    // The right is missing, which is no drift.
    let checked = deployment.bootstrap(&["--check"]).await?.expect(0).stdout;
    assert!(checked.contains(warning), "{checked}");

    // The next user's membership is the master user's work, and this one may not do it either.
    deployment.as_superuser(&["REVOKE rds_iam FROM app"]).await?;
    let refused = deployment.bootstrap(&[]).await?.expect(1).stderr;
    assert!(
        refused.contains("error in step 5 of 6: let app log in by IAM, and by IAM only failed"),
        "{refused}"
    );
    assert!(refused.contains("The master user may not do this."), "{refused}");
    deployment.as_superuser(&["GRANT rds_superuser TO postgres"]).await?;
    let made = deployment.bootstrap(&[]).await?.expect(0).stdout;
    assert!(made.contains("let iam_admin make others log in by IAM"), "{made}");
    deployment.bootstrap(&["--check"]).await?.expect(0);
    Ok(())
}
