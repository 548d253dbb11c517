//! No secret is in the program's output, at any log level.

use rds_iam_emulator_server::Kind;

use crate::support::{Deployed, Deployment, Result, STALE_PASSWORD};

#[tokio::test]
async fn no_secret_is_written() -> Result {
    let deployment = Deployment::start("node_db").await?;
    writes_no_secret(&deployment, 1).await
}

/// Runs the program in each mode, and lets it fail: at the login of the admin, which is refused `refusals` times, and of
/// the master user.
pub(crate) async fn writes_no_secret<E: Kind>(deployment: &Deployed<E>, refusals: u32) -> Result {
    for arguments in [&["--plan"][..], &[], &["--json"], &["--check"]] {
        logs_no_secret(deployment, arguments, 0).await?;
    }
    deployment.server.refuse_next(refusals)?;
    logs_no_secret(deployment, &[], 1).await?;
    deployment.put_master_password(STALE_PASSWORD).await?;
    logs_no_secret(deployment, &[], 1).await
}

/// Runs the program and lets it log everything.
pub(crate) async fn logs_no_secret<E: Kind>(
    deployment: &Deployed<E>,
    arguments: &[&str],
    code: i32,
) -> Result {
    let log = [("RUST_LOG", "trace")];
    let run = deployment.bootstrap_with(&deployment.conf, arguments, &log).await?.expect(code);
    assert!(run.stderr.contains("INFO"), "nothing was logged: {}", run.stderr);
    deployment.assert_no_secret(&run.stdout);
    deployment.assert_no_secret(&run.stderr);
    Ok(())
}
