//! Tests of runs that are interrupted: the connection is cut in the middle, or another run holds the lock.

use crate::support::{Deployment, Result, column, execute, until_some};

/// Another connection creates the second table at the same time and does not finish, so the run has to wait in the
/// middle of its fifth step; then the network is cut.
#[tokio::test]
async fn the_database_goes_away_and_the_next_run_finishes_the_job() -> Result {
    let mut deployment = Deployment::start("node_db").await?;
    let relay = deployment.server.relay().await?;
    deployment.conf.dial = Some(relay.dial().clone());
    let users = r#"
        [[user]]
        name = "reader"
        grant = [{ privileges = ["SELECT"] }]
        [schema]
        statements = ["CREATE TABLE IF NOT EXISTS one (i INT); CREATE TABLE IF NOT EXISTS two (i INT)"]
    "#;
    let users = deployment.write("users.toml", users)?;

    let mut endless = deployment.master().await?;
    let id = column(&mut endless, "SELECT CAST(CONNECTION_ID() AS CHAR)").await?.remove(0);
    let endless = tokio::spawn(async move {
        let sql = "CREATE TABLE node_db.two SELECT SLEEP(600) AS i";
        sqlx::raw_sql(sql).execute(&mut endless).await.map(drop)
    });
    let mut watching = deployment.master().await?;
    let busy = "SELECT CAST(id AS CHAR) FROM information_schema.processlist WHERE state = 'User sleep'";
    let waiting = "SELECT CAST(id AS CHAR) FROM information_schema.processlist \
         WHERE state = 'Waiting for table metadata lock'";
    until_some(&mut watching, busy).await?;

    let interrupt = async {
        until_some(&mut watching, waiting).await?;
        relay.cut().await;
        Result::Ok(())
    };
    let arguments = ["--users", users.as_str()];
    let (run, interrupted) = tokio::join!(deployment.bootstrap(&arguments), interrupt);
    interrupted?;
    let failed = run?.expect(1);
    // The cause depends on the system.
    let shown = failed.stderr(&deployment);
    let shown: Vec<_> = shown.lines().filter(|line| !line.starts_with("  cause: ")).collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    error in step 5 of 6: create table two failed
      The connection to the server broke. A statement is done wholly or not at all, so running this again finishes the job.
      12 changes were made and stay; once the cause is fixed, the next run finishes the job.
    ");

    execute(&mut watching, &format!("KILL {id}")).await?;
    assert!(endless.await?.is_err());
    let finished = deployment.bootstrap(&arguments).await?.expect(0);
    assert!(finished.stdout.contains("made and verified"), "{}", finished.stdout);
    assert_eq!(column(&mut watching, "SHOW TABLES IN node_db").await?, ["one", "two"]);
    let again = deployment.bootstrap(&arguments).await?.expect(0);
    assert!(again.stdout.contains("no changes"), "{}", again.stdout);
    Ok(())
}

/// Runs for the ten seconds that a run waits for another.
#[tokio::test]
async fn another_run_holds_the_lock() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut other = deployment.master().await?;
    let id = column(&mut other, "SELECT CAST(CONNECTION_ID() AS CHAR)").await?.remove(0);
    execute(&mut other, "SELECT GET_LOCK('rds_iam_bootstrap', 0)").await?;
    let busy = deployment.bootstrap(&[]).await?.expect(1);
    assert!(
        busy.stderr
            .contains(&format!("another bootstrap is running on this server (connection {id}, admin from ")),
        "{}",
        busy.stderr
    );
    // A plan takes no lock.
    deployment.bootstrap(&["--plan"]).await?.expect(0);
    Ok(())
}
