//! The SQL of `docs/lock-out.md`, as a master user that is locked out runs it.

use rds_iam_emulator_server::{CreatorEdges, PostgresVersion};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::super::support::{Deployment, VERSIONS};
use super::accepts;
use crate::support::Result;

const PAGE: &str = include_str!("../../../../../../docs/lock-out.md");

/// A statement of the page, with the expected result if the page shows one.
struct Statement {
    step: u32,
    sql: &'static str,
    expected: Option<&'static str>,
}

/// Returns the statements of the page. A block of text directly after one is its result.
fn statements() -> Vec<Statement> {
    let mut statements: Vec<Statement> = Vec::new();
    let (mut step, mut is_after_sql) = (0, false);
    for part in PAGE.split("\n## ") {
        step = part.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(step);
        // Between fences, every second piece is a block.
        for (number, block) in part.split("```").enumerate() {
            let (language, text) = block.split_once('\n').unwrap_or_default();
            match (number % 2, language) {
                (1, "sql") => statements.push(Statement { step, sql: text.trim(), expected: None }),
                (1, "text") if is_after_sql => {
                    statements.last_mut().expect("after one").expected = Some(text.trim());
                }
                _ => {}
            }
            is_after_sql =
                (number % 2 == 1 && language == "sql") || (is_after_sql && block.trim().is_empty());
        }
    }
    statements
}

/// Runs the statements of a step that `is_wanted` selects, and compares their results.
async fn run(connection: &mut PgConnection, step: u32, is_wanted: impl Fn(&str) -> bool) -> Result {
    let mut count = 0;
    for Statement { sql, expected, .. } in
        statements().iter().filter(|statement| statement.step == step && is_wanted(statement.sql))
    {
        let rows = sqlx::raw_sql(*sql).fetch_all(&mut *connection).await;
        let rows = rows.map_err(|error| format!("{sql}: {error}"))?;
        let cell = |row: &PgRow| row.try_get_unchecked::<String, _>(0);
        let shown = rows.iter().map(cell).collect::<std::result::Result<Vec<_>, _>>()?.join("\n");
        assert_eq!(shown, expected.unwrap_or_default(), "{sql}");
        count += 1;
    }
    assert!(count > 0, "step {step} has no such statement");
    Ok(())
}

#[test]
fn the_page_has_its_statements() {
    let found: Vec<_> =
        statements().iter().map(|statement| (statement.step, statement.expected.is_some())).collect();
    assert_eq!(found, [(2, true), (3, false), (3, false), (3, false), (4, true)]);
}

#[tokio::test]
async fn a_membership_made_by_hand() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        accepts(&deployment).await?;
        deployment.as_superuser(&["GRANT app TO postgres"]).await?;
        assert!(deployment.master().await.is_err(), "the password has ended");
        deployment.bootstrap(&[]).await?.expect(3);

        let mut master = deployment.by_iam("postgres").await?;
        if version == PostgresVersion::V15 {
            run(&mut master, 2, |_| true).await?;
        }
        run(&mut master, 3, |sql| sql.contains("FROM postgres")).await?;
        if version == PostgresVersion::V15 {
            run(&mut master, 4, |_| true).await?;
        }
        deployment.master().await?;
        accepts(&deployment).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_membership_of_a_creator() -> Result {
    let deployment = Deployment::start_as(PostgresVersion::NEWEST, CreatorEdges::Count).await?;
    deployment.as_master(&["CREATE USER app", "GRANT rds_iam TO app"]).await?;
    assert!(deployment.master().await.is_err(), "the password has ended");

    let mut master = deployment.by_iam("postgres").await?;
    run(&mut master, 2, |_| true).await?;
    run(&mut master, 3, |sql| sql.contains("FROM postgres")).await?;
    assert!(deployment.master().await.is_err(), "that membership can't be revoked");
    run(&mut master, 3, |sql| sql.contains("REVOKE rds_iam")).await?;
    run(&mut master, 4, |_| true).await?;
    deployment.master().await?;
    Ok(())
}

/// What a server that stopped during the test leaves behind.
#[tokio::test]
async fn the_canary_of_a_server_that_stopped() -> Result {
    let deployment = Deployment::start_as(PostgresVersion::NEWEST, CreatorEdges::Count).await?;
    let canary = "rds_iam_bootstrap_canary";
    let statements = [format!("CREATE ROLE {canary} NOLOGIN"), format!("GRANT rds_iam TO {canary}")];
    deployment.as_master(&statements.each_ref().map(String::as_str)).await?;
    let refused = deployment.bootstrap(&[]).await?.expect(3).stderr;
    assert!(refused.contains(&format!("DROP ROLE {canary}")), "{refused}");

    let mut master = deployment.by_iam("postgres").await?;
    run(&mut master, 3, |sql| sql.contains(canary)).await?;
    run(&mut master, 4, |_| true).await?;
    deployment.master().await?;
    Ok(())
}
