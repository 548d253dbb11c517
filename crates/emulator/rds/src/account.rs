//! An account on this machine: the AWS API, and what makes that which Terraform makes in it come alive.
//!
//! moto keeps records. Beside it runs a real registry for images; for each database instance, a MySQL server
//! that checks tokens; and for each Auto Scaling group whose instances are refreshed, the start script of its
//! launch template, really run, with stand-ins for the programs of the machine that it would run on.

mod folder;
mod registry;

use std::future::Future;
use std::path::Path;

use serde_json::json;
use tracing::info;

use crate::aws::AwsApi;
use crate::error::Error;
use crate::python;
use folder::Folder;
use registry::Registry;

/// A running account. Dropping it ends all that belongs to it and leaves only logs in its folder; so does the
/// end of this process, in whatever way it comes, but for files.
pub struct Account {
    aws: AwsApi,
    registry: Registry,
    folder: Folder,
}

impl Account {
    /// Starts an account in `folder`, which is made if need be, and says in its `account.json` where it
    /// answers.
    ///
    /// # Errors
    /// [`Error::Setting`] when another account lives in the folder, [`Error::MissingTools`] when this machine
    /// lacks something; otherwise the error says what went wrong. Nothing stays behind but logs.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        Registry::is_possible()?;
        if !python::is_possible().await {
            return Err(Error::MissingTools {
                purpose: "run the AWS API of an account",
                tools: vec!["python3", "its venv module"],
                hint: "on Debian, `apt-get install python3-venv`",
            });
        }
        let folder = Folder::take(folder)?;
        let registry = Registry::start(&folder).await?;
        let region = "us-east-1".parse().map_err(Error::setting("region", "us-east-1"))?;
        let log = folder.log("aws")?;
        let aws = AwsApi::start_for_account(registry.address(), registry.images(), log, region).await?;
        folder.announce(&json!({
            "pid": std::process::id(),
            "aws_endpoint_url": aws.url(),
            "registry": registry.address(),
        }))?;
        info!("the account is in {}", folder.path().display());
        Ok(Self { aws, registry, folder })
    }

    /// Plays the account until `end` comes.
    ///
    /// # Errors
    /// [`Error::Ended`] when the AWS API or the registry ends before that.
    pub async fn play(self, end: impl Future<Output = ()>) -> Result<(), Error> {
        end.await;
        self.folder.withdraw();
        Ok(())
    }
}
