//! The commands of pages, run from their text: the AWS CLI with an emulated account, `psql` and `mysql` with servers that
//! check tokens. `docs/examples.md` lists them.

mod lock_out;
mod migration;
mod modules;
mod page;
mod shell;

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::{Builder, Kind, Server};
use rds_iam_token::{Endpoint, Region};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The account number of the pages is also that of the emulated account.
const HOST: &str = "orders.c0ffee123456.eu-west-1.rds.amazonaws.com";
const RESOURCE_ID: &str = "db-ABCDEFGHIJKLMNOPQRSTUVWX12";

/// A reader's way to make the instance of the pages, whose resource id AWS makes up.
const CREATE_INSTANCE: &str = "aws rds create-db-instance --db-instance-identifier orders --engine ENGINE \
    --db-instance-class db.t4g.medium --allocated-storage 20 --master-username dbadmin --manage-master-user-password \
    --query DBInstance.DbiResourceId --output text";

fn region() -> Result<Region> {
    Ok("eu-west-1".parse()?)
}

/// Starts the server of the pages' instance.
async fn server<E: Kind>(settings: Builder<E>) -> Result<Server<E>> {
    let endpoint: Endpoint = format!("{HOST}:{}", E::PORT).parse()?;
    Ok(settings.region(region()?).endpoint(endpoint).start().await?)
}

async fn account() -> Result<AwsApi> {
    Ok(AwsApi::start_in(region()?).await?)
}
