//! No secret is in the program's output, at any log level.

use super::support::{Deployment, VERSIONS};
use crate::support::{Result, Run};

#[tokio::test]
async fn no_secret_is_written() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        let credentials = deployment.server.credentials();
        let secrets = [
            ("the master password", deployment.server.master().password().to_owned()),
            ("the secret key", credentials.secret_access_key().to_owned()),
            ("the session token", credentials.session_token().unwrap_or_default().to_owned()),
            ("a signature", "X-Amz-Signature".to_owned()),
            ("a signature in a header", "Signature=".to_owned()),
            ("the stale password", "a-stale-password".to_owned()),
        ];
        let mut runs: Vec<Run> = Vec::new();
        for arguments in [&["--plan"][..], &[], &["--json"], &["--check"]] {
            runs.push(deployment.bootstrap_and_log(arguments).await?.expect(0));
        }
        // Also when it fails: at the login of the admin, twice, and of the master.
        deployment.server.refuse_next(2)?;
        runs.push(deployment.bootstrap_and_log(&[]).await?.expect(1));
        let stale = serde_json::json!({ "username": "postgres", "password": "a-stale-password" });
        deployment.aws.put_secret("orders/master", &stale.to_string()).await?;
        runs.push(deployment.bootstrap_and_log(&[]).await?.expect(1));
        // A run that finds the master user locked out.
        deployment.as_superuser(&["GRANT rds_iam TO postgres"]).await?;
        runs.push(deployment.bootstrap_and_log(&[]).await?.expect(3));

        for run in &runs {
            assert!(run.stderr.contains("INFO"), "nothing was logged: {}", run.stderr);
            for (name, secret) in &secrets {
                assert!(!secret.is_empty());
                let is_written = run.stdout.contains(secret) || run.stderr.contains(secret);
                assert!(!is_written, "{name} was written");
            }
        }
    }
    Ok(())
}
