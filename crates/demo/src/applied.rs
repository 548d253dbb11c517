//! Runs a real `terraform apply` against the emulated AWS API, writes the parameters from its outputs, and starts the
//! database that the outputs describe.

use std::path::Path;

use anyhow::{Context as _, ensure};
use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_proxy::{Proxy, Settings};
use rds_iam_emulator_server::Server;
use rds_iam_infra::Outputs;
use tracing::info;

use crate::deployment::{ADMIN_USER, APP_USER, DATABASE, Deployed, Options};
use crate::engine::Engine;
use crate::program;

/// The program that reads outputs and writes parameters.
pub(crate) const INFRA: &str = "rds-iam";

/// Runs `deploy` to apply the stack, and starts the database that its outputs describe, with the proxy before it.
pub(crate) async fn apply<E: Engine>(options: &Options<'_>, deploy: &Path) -> anyhow::Result<Deployed<E>> {
    let aws = AwsApi::start().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("outputs.json");
    let file_text = file.display().to_string();
    info!("applying the stack (about two minutes: Terraform waits as it would for AWS)");
    let engine = E::ENGINE.to_string();
    let apply = ["infra", "apply", "--engine", &engine, "--outputs", &file_text];
    program::attached(deploy, &apply, &aws.env()).await?;
    let outputs = Outputs::read(&file)?;
    let app = outputs.app.as_ref().context("the stack has an app")?;
    let proxy = outputs.proxy.as_ref().context("the stack has a proxy")?;
    ensure!(
        outputs.database.engine == E::ENGINE
            && outputs.database.name.as_str() == DATABASE
            && outputs.database.admin_user.as_str() == ADMIN_USER
            && app.database_user.as_str() == APP_USER,
        "the environment on this machine for {} has another engine, other users or another database than the claims are \
         about",
        E::ENGINE
    );

    info!("the parameters of the app, from the outputs");
    let written = program::output(
        &options.programs.join(INFRA),
        &["parameters", "--outputs", &file_text, "--write"],
        &aws.env(),
    )
    .await?;
    let said =
        String::from_utf8_lossy(&written.stdout).into_owned() + &String::from_utf8_lossy(&written.stderr);
    println!("{}", said.trim_end());
    ensure!(written.status.success(), "{INFRA} parameters ended with {}", written.status);

    info!("starting the database that the outputs describe, with the master secret that RDS would have made");
    let master = aws.master_credentials(outputs.database.master_secret.as_str()).await;
    let server = Server::<E>::builder()
        .runtime(options.runtime)
        .database(DATABASE)
        .endpoint(outputs.database.endpoint.clone())
        .region(outputs.deployment.region.clone())
        .resource_id(outputs.database.resource_id.as_str())
        .master(master.context("the secret that the outputs name")?)
        .start()
        .await?;
    let mut settings = Settings::before(&server)?;
    settings.endpoint = proxy.endpoint.clone();
    let proxy = Proxy::start(settings).await?;
    let parameters = app.parameter_path.to_string();
    Ok(Deployed { server, proxy, aws, conf: outputs.rds_conf(), parameters })
}
