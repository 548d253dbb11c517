//! Runs with many users: the number of statements, the logged progress, and the logins tried.

use super::support::{Deployment, VERSIONS};
use crate::support::Result;

fn users(count: usize) -> String {
    let user = |n| {
        format!(
            "[[user]]\nname = \"user_{n}\"\ngrant = [{{ privileges = [\"SELECT\", \"INSERT\", \"UPDATE\", \"DELETE\"] }}]\n"
        )
    };
    let users: String = (0..count).map(user).collect();
    format!("{users}[schema]\nstatements = [\"CREATE TABLE IF NOT EXISTS messages (id int)\"]\n")
}

/// The row of a table holds the privileges of all of them.
#[tokio::test]
async fn a_thousand_users() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment.declare(&users(1000))?;
        let made = deployment.bootstrap(&[]).await?.expect(0);
        assert!(made.stderr.contains("of 5004 changes made"), "{}", made.stderr);
        assert!(made.stdout.contains("990 more users: login not tried"), "{}", made.stdout);
        let again = deployment.bootstrap(&["--json"]).await?.expect(0).json()?;
        assert_eq!((&again["outcome"], &again["logins_not_tried"]), (&"clean".into(), &990.into()));
    }
    Ok(())
}
