//! `rds-iam snapshot`: creates a snapshot of the database.

use std::process::ExitCode;

use rds_iam_deploy::snapshot::{Database, create_snapshot};
use rds_iam_token::{Clock, Region};

use crate::credentials::CredentialsOptions;
use crate::{Failure, print_done};

/// Create a snapshot of the database, and wait until it can be restored
///
/// An existing snapshot of that name and database is kept.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam snapshot --instance orders-dev --region us-east-1 --name orders-dev-final
  rds-iam snapshot --cluster orders-people --region us-east-1 --name orders-people-final

Exit status:
  0   the snapshot can be restored
  1   error; the message names the cause and the fix, and a second run is safe
  64  invalid arguments; nothing was done")]
pub(crate) struct Arguments {
    #[command(flatten)]
    database: WhichDatabase,

    /// Name of the snapshot
    #[arg(long)]
    name: String,

    /// Region of the deployment
    #[arg(long)]
    region: Region,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct WhichDatabase {
    /// Identifier of the database instance, such as orders-dev
    #[arg(long)]
    instance: Option<String>,

    /// Identifier of the Aurora cluster, such as orders-dev
    #[arg(long)]
    cluster: Option<String>,
}

impl From<WhichDatabase> for Database {
    fn from(which: WhichDatabase) -> Self {
        match which.cluster {
            Some(cluster) => Self::Cluster(cluster),
            None => Self::Instance(which.instance.unwrap_or_default()),
        }
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { database, name, region, credentials } = arguments;
    let aws = credentials.connect(&region).await?;
    let database = Database::from(database);
    let snapshot = create_snapshot(&aws, &Clock::system(), &database, &name).await?;
    let result = if snapshot.existed { "already exists" } else { "created" };
    let done = format!("{name} of {}: {result} ({})", database.identifier(), snapshot.arn);
    print_done(&done, &done)?;
    Ok(ExitCode::SUCCESS)
}
