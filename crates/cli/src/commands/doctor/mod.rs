//! `rds-iam doctor`: walks the path to a login, and names the broken link.
//!
//! `probe` makes the observations (`facts`), and `login` those of one login; `steps` and `refusal` judge them, without
//! the network; `report` prints the result.

mod facts;
mod login;
mod outcome;
mod probe;
mod refusal;
mod report;
mod steps;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use rds_iam_infra::arn::ResourceId;
use rds_iam_token::{Clock, Endpoint, Region};

use crate::credentials::CredentialsOptions;
use crate::listener::Database;
use crate::profile::MissingProfile;
use crate::{Failure, Usage, print};
use facts::{Credentials, Environment, Facts};

/// Find out why a login by IAM fails
///
/// Checks each step of the path, prints a table, and the cause and the fix of the first step that failed. It logs in
/// with a token if the server asks for one, and runs no statement.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Login to check, without a password: mysql://USER@HOST/DATABASE or postgres://USER@HOST/DATABASE, with
    /// HOST:PORT for another port than the engine's, or a name in the gateway's file
    // Parsed later: clap would repeat a wrong value, which may have a password.
    target: String,

    /// Gateway's file [default: $RDS_IAM_GATEWAY_FILE, or rds-iam/gateway.toml in the configuration folder]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Region of the database; by default that in its name, then that of AWS_REGION or the profile
    #[arg(long)]
    region: Option<Region>,

    /// Trust roots of the server's certificate, in PEM format, in place of AWS's
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<PathBuf>,

    /// Address to dial in place of HOST, such as the near end of a tunnel; HOST is signed and verified
    #[arg(long, value_name = "HOST:PORT")]
    dial: Option<Endpoint>,

    /// Resource id of the database (db-…, cluster-…, prx-…); by default that which RDS returns
    #[arg(long)]
    resource_id: Option<ResourceId>,

    /// Print one JSON object: {"target","healthy","status","steps"}
    #[arg(long)]
    json: bool,

    /// Check only what needs no network: credentials, endpoint, token
    #[arg(long, conflicts_with = "assume_role")]
    offline: bool,

    #[command(flatten)]
    credentials: CredentialsOptions,
}

const AFTER_HELP: &str = "\
Examples:
  rds-iam doctor mysql://node_app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders
  rds-iam doctor postgres://node_app@orders.c0ffee.eu-west-1.rds.amazonaws.com/orders \\
      --dial 127.0.0.1:15432

Exit status:
  0   no step failed
  1   the region of the environment or the profile is not one
  10  credentials: none, expired, rejected, or those of an execution role
  11  clock: over 5 minutes off
  12  endpoint: another region than the host's, an alias
  13  dns: no address
  14  port: no TCP connection
  15  tls: a certificate for another name, an unknown authority
  16  token: can't be signed
  17  user: missing, or with a password: another plugin than AWSAuthenticationPlugin, no rds_iam
  18  target: the proxy can't use its database
  19  policy: no rds-db:connect, or on a name in place of the resource id
  20  class: an instance class too small for IAM
  21  login: refused, or not answered, for another reason
  64  invalid arguments

If several steps failed, the exit status is that of the first.";

impl Environment {
    fn of_process() -> Self {
        let has = |name: &str| std::env::var_os(name).is_some();
        Self {
            is_task: has("ECS_CONTAINER_METADATA_URI_V4"),
            has_task_role: has("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
                || has("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            system_roots: std::env::var("PGSSLROOTCERT").is_ok_and(|value| value == "system"),
        }
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { target, file, region, ca_bundle, dial, resource_id, json, offline, credentials } =
        arguments;
    let database = Database::find(&target, file.as_deref())?;
    let user = database.user()?.clone();
    let Database { dsn, engine, .. } = database;
    let credentials = credentials.or_profile(dsn.profile);
    let port = dsn.port.unwrap_or(engine.default_port());
    let endpoint =
        Endpoint::new(&dsn.host.to_string(), port).map_err(|error| Usage::failure(error.to_string()))?;
    let clock = Clock::system();
    let mut region = region.or(dsn.region);
    if region.is_none() && Region::from_rds_host(&endpoint.host().to_string()).is_none() {
        region = match credentials.region().await {
            // It is a result of the step of the credentials.
            Err(error) if error.is::<MissingProfile>() => None,
            region => region?,
        };
    }
    let mut facts = Facts {
        engine,
        dial: dial.or(dsn.dial),
        user,
        database: dsn.database,
        region,
        endpoint,
        offline,
        now: clock.now(),
        environment: Environment::of_process(),
        credentials: Credentials::None("not examined".to_owned()),
        caller: None,
        aws_time: None,
        canonical_name: None,
        addresses: None,
        port: None,
        tls: None,
        token: None,
        asked: None,
        login: None,
        behind: None,
        policy: None,
        resource_id: resource_id.map(|id| id.as_str().to_owned()),
    };
    let ca_bundle = ca_bundle.or(dsn.root_certificates);
    probe::observe(&mut facts, &credentials, ca_bundle.as_deref(), &clock).await;
    let outcomes = steps::judge(&facts);
    let text = if json { report::json(&facts, &outcomes)? } else { report::table(&facts, &outcomes) };
    print(&text)?;
    Ok(report::status(&outcomes).into())
}
