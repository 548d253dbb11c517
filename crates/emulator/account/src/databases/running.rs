//! The server of a database, of either engine: `Engine` by the AWS API's name of it, `start`, and the running server.

use std::fmt;

use rds_iam_emulator_control::AccessKey;
use rds_iam_emulator_server::{Builder, Error, Kind, MySql, Postgres, PostgresVersion};
use rds_iam_token::Endpoint;
use tracing::info;

use super::names;
use crate::aws::AwsApi;
use crate::snapshot;

/// The engines that have a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    MySql,
    Postgres,
}

impl Engine {
    /// Returns the engine of an instance or cluster; `None` for others than MySQL, PostgreSQL and Aurora's two.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "mysql" | "aurora-mysql" => Some(Self::MySql),
            "postgres" | "aurora-postgresql" => Some(Self::Postgres),
            _ => None,
        }
    }
}

/// A running server.
pub(super) enum Running {
    MySql(Box<MySql>),
    Postgres(Box<Postgres>),
}

/// Calls a method that the servers of all engines have.
macro_rules! on_server {
    ($running:expr, $server:ident => $call:expr) => {
        match $running {
            Running::MySql($server) => $call,
            Running::Postgres($server) => $call,
        }
    };
}

impl Running {
    /// Returns the address to connect to.
    pub(super) fn dial(&self) -> &Endpoint {
        on_server!(self, server => server.dial())
    }

    pub(super) fn ca_pem(&self) -> &str {
        on_server!(self, server => server.ca_pem())
    }

    /// Returns the settings of a proxy before it.
    pub(super) fn proxy_settings(&self) -> Result<rds_iam_emulator_proxy::Settings, Error> {
        on_server!(self, server => rds_iam_emulator_proxy::Settings::before(server))
    }

    /// Accepts tokens that are signed for another endpoint too.
    pub(super) fn accept(&self, endpoint: &str) -> Result<(), Error> {
        let endpoint = endpoint.parse().map_err(Error::setting("a database's endpoint", endpoint))?;
        on_server!(self, server => server.accept_endpoint(&endpoint))
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(on_server!(self, server => server.describe()))
    }
}

/// Starts the server of an instance or cluster, with the master secret that RDS would have made.
pub(super) async fn start(
    engine: Engine,
    database: snapshot::Database,
    aws: AwsApi,
    key: AccessKey,
) -> Result<Running, Error> {
    match engine {
        Engine::MySql => {
            let server = start_server(MySql::builder(), database, &aws, key).await?;
            Ok(Running::MySql(Box::new(server)))
        }
        Engine::Postgres => {
            let mut builder = Postgres::builder();
            match packaged(&database.engine_version) {
                Some(version) => builder = builder.version(version),
                None => info!(
                    "{}: no packages of PostgreSQL {}, so its server has another version",
                    database.identifier, database.engine_version
                ),
            }
            let server = start_server(builder, database, &aws, key).await?;
            Ok(Running::Postgres(Box::new(server)))
        }
    }
}

async fn start_server<E: Kind>(
    builder: Builder<E>,
    database: snapshot::Database,
    aws: &AwsApi,
    key: AccessKey,
) -> Result<rds_iam_emulator_server::Server<E>, Error> {
    let Some(secret) = &database.master_secret_arn else {
        return Err(Error::Setting {
            setting: "ManageMasterUserPassword of the database",
            value: "false".into(),
            problem: "a server is started for an instance or cluster with a managed master secret only"
                .into(),
        });
    };
    let endpoint = database.endpoint.parse();
    let mut builder = builder
        .region(aws.region().clone())
        .endpoint(endpoint.map_err(Error::setting("the database's endpoint", &database.endpoint))?)
        .resource_id(database.resource_id)
        .master(aws.master_credentials(secret).await?);
    for name in names::of_certificate(database.kind, &database.endpoint) {
        builder = builder.certificate_name(name);
    }
    if let Some(name) = database.name {
        builder = builder.database(name);
    }
    let server = builder.start().await?;
    server.enter_key(key)?;
    Ok(server)
}

/// Returns the version of PostgreSQL for a version of RDS or Aurora such as `15.4`, if the emulator has it in its
/// cache anyway. 17 is another fetch of 50 MB, and its rules about roles are those of 18.
fn packaged(engine_version: &str) -> Option<PostgresVersion> {
    match engine_version.split('.').next()? {
        "15" => Some(PostgresVersion::V15),
        "18" => Some(PostgresVersion::V18),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_chosen_by_its_major_number() {
        assert_eq!(packaged("15.10"), Some(PostgresVersion::V15));
        assert_eq!(packaged("18.1"), Some(PostgresVersion::V18));
        assert_eq!(packaged("15"), Some(PostgresVersion::V15));
        for other in ["17.5", "16.4", "", "153"] {
            assert_eq!(packaged(other), None, "{other}");
        }
    }

    #[test]
    fn each_engine_has_two_names() {
        assert_eq!(["mysql", "aurora-mysql"].map(Engine::from_name), [Some(Engine::MySql); 2]);
        assert_eq!(["postgres", "aurora-postgresql"].map(Engine::from_name), [Some(Engine::Postgres); 2]);
        assert_eq!(["mariadb", "aurora", "postgresql"].map(Engine::from_name), [None; 3]);
    }
}
