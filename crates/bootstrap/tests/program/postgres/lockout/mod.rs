//! No run locks the master user out of its password: each state that does so on a real server, before a run or made by
//! it, on the oldest and the newest version, and in both ways that a server may count the membership of a role's creator.

mod forecast;
mod left;
mod page;
mod races;
mod states;

use rds_iam_emulator_server::PostgresVersion;

use super::support::Deployment;
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
    for mode in ["--plan", "--check"] {
        let planned = deployment.bootstrap(&[mode]).await?.expect(3).stdout;
        let forecast = format!("WOULD BE LOCKED OUT as a member of rds_iam by {path}");
        assert!(planned.contains(&forecast), "{planned}");
        let end = "needed; a run would refuse this, because the master user would be locked out\n";
        assert!(planned.ends_with(end), "{planned}");
    }
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
