//! No secret is in the program's output, at any log level.

use crate::support::{Deployment, Result, Run};

#[tokio::test]
async fn no_secret_is_written() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let credentials = deployment.mysql.credentials();
    let secrets = [
        ("the master password", deployment.mysql.master().password().to_owned()),
        ("the secret key", credentials.secret_access_key().to_owned()),
        ("the session token", credentials.session_token().unwrap_or_default().to_owned()),
        ("a signature", "X-Amz-Signature".to_owned()),
        ("a signature in a header", "Signature=".to_owned()),
    ];
    let log = [("RUST_LOG", "trace")];
    let mut runs: Vec<Run> = Vec::new();
    for arguments in [&["--plan"][..], &[], &["--json"], &["--check"]] {
        runs.push(deployment.bootstrap_with(&deployment.conf, arguments, &log).await?.expect(0));
    }
    // Also when it fails: at the login of the admin, and of the master.
    deployment.mysql.refuse_next(1)?;
    runs.push(deployment.bootstrap_with(&deployment.conf, &[], &log).await?.expect(1));
    let stale = serde_json::json!({ "username": "admin", "password": "a-stale-password" }).to_string();
    deployment.aws.put_secret("orders/master", &stale).await?;
    runs.push(deployment.bootstrap_with(&deployment.conf, &[], &log).await?.expect(1));

    for run in &runs {
        assert!(run.stderr.contains("INFO"), "nothing was logged: {}", run.stderr);
        for (name, secret) in secrets.iter().chain([&("the stale password", "a-stale-password".to_owned())]) {
            assert!(!secret.is_empty());
            let written = run.stdout.contains(secret) || run.stderr.contains(secret);
            assert!(!written, "{name} was written");
        }
    }
    Ok(())
}
