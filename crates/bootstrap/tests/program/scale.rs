//! Tests of runs with many users: the number of queries, the logged progress, and the logins tried.

use std::time::Instant;

use sqlx::Row;

use crate::support::{Deployment, Result, execute};

fn users(count: usize) -> String {
    let user = |n| format!("[[user]]\nname = \"user_{n}\"\ngrant = [{{ privileges = [\"SELECT\"] }}]\n");
    (0..count).map(user).collect()
}

/// Returns the number of queries that the server has answered so far.
async fn queries(deployment: &Deployment) -> Result<i64> {
    let sql = "SHOW GLOBAL STATUS LIKE 'Com_select'";
    let count: String = sqlx::query(sql).fetch_one(&mut deployment.root().await?).await?.try_get(1)?;
    Ok(count.parse()?)
}

#[tokio::test]
async fn the_number_of_queries_does_not_grow_with_the_users() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut counts = Vec::new();
    for count in [1, 60] {
        let users = deployment.write("users.toml", &users(count))?;
        let before = queries(&deployment).await?;
        deployment.bootstrap(&["--users", &users, "--plan"]).await?.expect(0);
        counts.push(queries(&deployment).await? - before);
    }
    assert_eq!(counts[0], counts[1], "queries for 1 and for 60 users");
    Ok(())
}

#[tokio::test]
async fn a_long_run_reports_its_progress_and_tries_some_logins() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let few = deployment.write("users.toml", &users(60))?;
    let made = deployment.bootstrap(&["--users", &few]).await?.expect(0);
    assert!(made.stderr.contains("100 of 131 changes made"), "{}", made.stderr);
    assert!(made.stdout.contains("50 more users: login not tried"), "{}", made.stdout);

    // The changed users come first.
    let mut master = deployment.master().await?;
    execute(&mut master, "REVOKE SELECT ON `node\\_db`.* FROM user_59").await?;
    let made = deployment.bootstrap(&["--users", &few, "--json"]).await?.expect(0);
    assert_eq!(made.stderr, "", "a program reads one document");
    let json = made.json()?;
    assert_eq!((&json["logins"][0]["account"], &json["logins_not_tried"]), (&"user_59@%".into(), &50.into()));
    Ok(())
}

#[tokio::test]
async fn a_thousand_users() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let many = deployment.write("users.toml", &users(1000))?;
    let begin = Instant::now();
    let made = deployment.bootstrap(&["--users", &many]).await?.expect(0);
    let first = begin.elapsed();
    assert!(made.stderr.contains("2000 of 2011 changes made"), "{}", made.stderr);
    let begin = Instant::now();
    let again = deployment.bootstrap(&["--users", &many, "--json"]).await?.expect(0).json()?;
    eprintln!("1,000 users on MySQL: {first:?}, then {:?}", begin.elapsed());
    assert_eq!((&again["outcome"], &again["logins_not_tried"]), (&"clean".into(), &990.into()));
    Ok(())
}
