//! Runs with many users: the number of statements, the logged progress, and the logins tried.

use std::time::Instant;

use rds_iam_emulator_server::PostgresVersion;

use super::support::{Deployment, VERSIONS};
use crate::support::{Result, column, until_some};

fn users(count: usize) -> String {
    let user = |n| {
        format!(
            "[[user]]\nname = \"user_{n}\"\ngrant = [{{ privileges = [\"SELECT\", \"INSERT\", \"UPDATE\", \"DELETE\"] }}]\n"
        )
    };
    let users: String = (0..count).map(user).collect();
    format!("{users}[schema]\nstatements = [\"CREATE TABLE IF NOT EXISTS messages (id int)\"]\n")
}

/// Returns the number of transactions of the database so far: each read of a catalog is one.
async fn transactions(deployment: &Deployment) -> Result<i64> {
    let mut master = deployment.master_in("postgres").await?;
    // A session reports its own when it ends.
    let ended = "SELECT 'ended' WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'node_db')";
    until_some(&mut master, ended).await?;
    let count = "SELECT (xact_commit + xact_rollback)::text FROM pg_stat_database WHERE datname = 'node_db'";
    Ok(column(&mut master, count).await?.remove(0).parse()?)
}

#[tokio::test]
async fn the_number_of_queries_does_not_grow_with_the_users() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        let mut counts = Vec::new();
        for count in [1, 60] {
            deployment.declare(&users(count))?;
            let before = transactions(&deployment).await?;
            deployment.bootstrap(&["--plan"]).await?.expect(0);
            counts.push(transactions(&deployment).await? - before);
        }
        assert!(counts[0] > 5, "{} transactions are counted", counts[0]);
        assert_eq!(counts[0], counts[1], "queries for 1 and for 60 users");
    }
    Ok(())
}

/// The row of a table holds the privileges of all of them.
#[tokio::test]
async fn a_thousand_users() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment.declare(&users(1000))?;
        let begin = Instant::now();
        let made = deployment.bootstrap(&[]).await?.expect(0);
        let first = begin.elapsed();
        let changes = if version == PostgresVersion::V15 { 5004 } else { 5005 };
        assert!(made.stderr.contains(&format!("of {changes} changes made")), "{}", made.stderr);
        assert!(made.stdout.contains("990 more users: login not tried"), "{}", made.stdout);
        let begin = Instant::now();
        let again = deployment.bootstrap(&["--json"]).await?.expect(0).json()?;
        eprintln!("1,000 users on PostgreSQL {version}: {first:?}, then {:?}", begin.elapsed());
        assert_eq!((&again["outcome"], &again["logins_not_tried"]), (&"clean".into(), &990.into()));
    }
    Ok(())
}
