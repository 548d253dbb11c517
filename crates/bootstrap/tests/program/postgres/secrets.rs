//! No secret is in the program's output, at any log level.

use super::support::{Deployment, VERSIONS};
use crate::secrets::{logs_no_secret, writes_no_secret};
use crate::support::Result;

#[tokio::test]
async fn no_secret_is_written() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        // A refused login is tried a second time.
        writes_no_secret(&deployment, 2).await?;
        // A run that finds the master user locked out.
        deployment.as_superuser(&["GRANT rds_iam TO postgres"]).await?;
        logs_no_secret(&deployment, &[], 3).await?;
    }
    Ok(())
}
