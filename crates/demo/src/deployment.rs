//! The demo without Terraform: starts the database server and the AWS API, and creates the secret and the parameters
//! directly. Also the demo's options and the type of a started deployment.

use std::path::Path;

use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_proxy::{Proxy, Settings};
use rds_iam_emulator_server::{Runtime, Server};
use rds_iam_infra::RdsConf;
use rds_iam_token::Region;
use tracing::info;

use crate::engine::Engine;

/// The database that Terraform creates.
pub(crate) const DATABASE: &str = "node_db";
/// The app's database user.
pub(crate) const APP_USER: &str = "node_app";
/// The user that bootstrap creates the others with.
pub(crate) const ADMIN_USER: &str = "iam_admin";
const MASTER_SECRET: &str = "rds-iam/demo/master";
const PARAMETERS: &str = "/dev/database";

/// The options of the platform.
pub(crate) struct Options<'a> {
    /// The runtime of the database server.
    pub(crate) runtime: Runtime,
    /// The folder of the platform's programs.
    pub(crate) programs: &'a Path,
    /// The program that applies the Terraform stack; `None` to create its result directly.
    pub(crate) deploy: Option<&'a Path>,
}

/// The servers, with their programs' settings.
pub(crate) struct Deployed<E: Engine> {
    pub(crate) server: Server<E>,
    /// The proxy before the server, which the app connects to.
    pub(crate) proxy: Proxy,
    pub(crate) aws: AwsApi,
    pub(crate) conf: RdsConf,
    pub(crate) parameters: String,
}

/// Starts the servers, and creates the result of Terraform in the account directly.
pub(crate) async fn put_by_hand<E: Engine>(runtime: Runtime) -> anyhow::Result<Deployed<E>> {
    let (server, aws) = tokio::try_join!(
        async { Server::<E>::builder().runtime(runtime).database(DATABASE).start().await },
        async { AwsApi::start().await },
    )?;
    let proxy = Proxy::start(Settings::before(&server)?).await?;
    info!("what Terraform would leave: the master's secret, the parameters and rds.conf");
    let master = server.master();
    let secret = serde_json::json!({ "username": master.username(), "password": master.password() });
    aws.put_secret(MASTER_SECRET, &secret.to_string()).await?;
    put_parameters(&aws, PARAMETERS, E::ENGINE, APP_USER, &proxy, server.region()).await?;
    let mut conf = RdsConf::new(
        server.endpoint().clone(),
        server.region().clone(),
        MASTER_SECRET.parse()?,
        DATABASE.parse()?,
        ADMIN_USER.parse()?,
    );
    conf.engine = E::ENGINE;
    conf.resource_id = Some(server.resource_id().parse()?);
    conf.account_id = Some("123456789012".parse()?);
    Ok(Deployed { server, proxy, aws, conf, parameters: PARAMETERS.into() })
}

/// Creates the app's parameters under `path`: it connects to `proxy` as `user`.
pub(crate) async fn put_parameters(
    aws: &AwsApi,
    path: &str,
    engine: rds_iam_infra::Engine,
    user: &str,
    proxy: &Proxy,
    region: &Region,
) -> anyhow::Result<()> {
    let endpoint = proxy.endpoint();
    for (name, value) in [
        ("engine", engine.to_string()),
        ("endpoint", endpoint.host().to_string()),
        ("port", endpoint.port().to_string()),
        ("dbname", DATABASE.into()),
        ("username", user.into()),
        ("region", region.to_string()),
    ] {
        aws.put_parameter(&format!("{path}/{name}"), &value).await?;
    }
    Ok(())
}
