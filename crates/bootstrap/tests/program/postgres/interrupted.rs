//! Tests of a run that is interrupted: the connection is cut in the middle.

use super::support::{Deployment, VERSIONS};
use crate::support::{Result, column, execute, until_some};

/// A session of the IAM admin that waits for another session.
pub(super) const WAITING: &str =
    "SELECT pid::text FROM pg_stat_activity WHERE usename = 'iam_admin' AND wait_event_type = 'Lock'";

/// Another session creates the second table at the same time and does not finish, so the run has to wait in the middle of
/// its fifth step; then the network is cut.
#[tokio::test]
async fn the_database_goes_away_and_the_next_run_finishes_the_job() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        let relay = deployment.server.relay().await?;
        deployment.conf.dial = Some(relay.dial().clone());
        deployment.declare(
            r#"
            [[user]]
            name = "app"
            grant = [{ privileges = ["SELECT"] }]
            [schema]
            statements = ["CREATE TABLE IF NOT EXISTS one (i INT); CREATE TABLE IF NOT EXISTS two (i INT)"]
            "#,
        )?;
        let (mut watching, mut other) = (deployment.master().await?, deployment.master().await?);
        execute(&mut other, "BEGIN; CREATE TABLE public.two (i INT)").await?;
        let interrupt = async {
            until_some(&mut watching, WAITING).await?;
            relay.cut().await;
            Result::Ok(())
        };
        let (run, interrupted) = tokio::join!(deployment.bootstrap(&[]), interrupt);
        interrupted?;
        let failed = run?.expect(1).stderr;
        assert!(failed.contains("error in step 5 of 6: create table two failed\n"), "{failed}");
        assert!(
            failed.contains("The connection to the server broke. A transaction is done wholly or not at all"),
            "{failed}"
        );
        assert!(failed.contains("the next run finishes the job"), "{failed}");

        // The server notices that the client is gone when it answers.
        execute(&mut other, "ROLLBACK").await?;
        let finished = deployment.bootstrap(&[]).await?.expect(0).stdout;
        assert!(finished.contains("made and verified"), "{finished}");
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
        assert_eq!(column(&mut watching, tables).await?, ["one", "two"]);
        let again = deployment.bootstrap(&[]).await?.expect(0).stdout;
        assert!(again.contains("no changes"), "{again}");
    }
    Ok(())
}
