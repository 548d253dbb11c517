//! The pools of a configuration, each built at its first use, with one source of tokens per login and profile, and one
//! source of AWS credentials per profile and region.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_credential_types::provider::SharedCredentialsProvider;
use rds_iam_token::{Endpoint, Login, TokenSource};

use super::connection::Connection;
use crate::builder::Builder;
use crate::dsn::Dsn;
use crate::engine::Engine;
use crate::error::Error;
use crate::pool::Pool;

/// The settings that a program gives for all connections, or for a connection by its name.
#[derive(Clone, Default)]
pub(super) struct Overrides {
    pub(super) credentials: Option<SharedCredentialsProvider>,
    pub(super) root_certificates: Option<Vec<u8>>,
    pub(super) dial: HashMap<String, String>,
}

/// The pools and what they share.
#[derive(Default)]
pub(super) struct Pools {
    /// Never held while anything is awaited.
    built: Mutex<Built>,
}

#[derive(Default)]
struct Built {
    /// By the connection's name: `Pool<DB>` of its engine.
    pools: HashMap<String, Box<dyn Any + Send + Sync>>,
    tokens: HashMap<(Login, Option<String>), TokenSource>,
    #[cfg(feature = "aws-config")]
    credentials: HashMap<(Option<String>, rds_iam_token::Region), SharedCredentialsProvider>,
}

impl Pools {
    /// Returns the pool of a connection. Builds it at the first call, and again after it was closed.
    pub(super) fn get<DB: Engine>(
        &self,
        name: &str,
        connection: &Connection,
        overrides: &Overrides,
    ) -> Result<Pool<DB>, Error> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = built.pools.get(name).and_then(|pool| pool.downcast_ref::<Pool<DB>>());
        if let Some(pool) = pool.filter(|pool| !pool.is_closed()) {
            return Ok(pool.clone());
        }
        let pool = built.build::<DB>(name, connection, overrides).map_err(|error| add_name(error, name))?;
        built.pools.insert(name.to_owned(), Box::new(pool.clone()));
        Ok(pool)
    }
}

impl Built {
    fn build<DB: Engine>(
        &mut self,
        name: &str,
        connection: &Connection,
        overrides: &Overrides,
    ) -> Result<Pool<DB>, Error> {
        let (login, profile) = (login::<DB>(connection), connection.dsn.profile.clone());
        if let Some(tokens) = self.tokens.get(&(login.clone(), profile.clone())) {
            // They have the credentials of the pool that they were created for.
            let builder = without_credentials::<DB>(name, connection, None, overrides);
            return builder.tokens(tokens.clone()).connect_lazy();
        }
        let pool = self.with_credentials(name, connection, overrides, &login).connect_lazy()?;
        self.tokens.insert((login, profile), pool.tokens().clone());
        Ok(pool)
    }

    #[cfg(feature = "aws-config")]
    fn with_credentials<DB: Engine>(
        &mut self,
        name: &str,
        connection: &Connection,
        overrides: &Overrides,
        login: &Login,
    ) -> Builder<DB> {
        if overrides.credentials.is_some() {
            return builder(name, connection, overrides);
        }
        let profile = connection.dsn.profile.clone();
        let provider = self
            .credentials
            .entry((profile.clone(), login.region.clone()))
            .or_insert_with(|| crate::builder::chain(None, profile, None, login.clone()));
        without_credentials(name, connection, None, overrides).credentials(provider.clone())
    }

    #[cfg(not(feature = "aws-config"))]
    fn with_credentials<DB: Engine>(
        &mut self,
        name: &str,
        connection: &Connection,
        overrides: &Overrides,
        _: &Login,
    ) -> Builder<DB> {
        builder(name, connection, overrides)
    }
}

/// Adds the name of the connection to the error of each setting.
fn add_name(mut error: Error, name: &str) -> Error {
    if let Error::Settings { errors } = &mut error {
        for error in errors {
            error.cause = format!("{} (connection {name})", error.cause);
        }
    }
    error
}

fn login<DB: Engine>(connection: &Connection) -> Login {
    let port = connection.dsn.port.unwrap_or(DB::DEFAULT_PORT);
    let endpoint = Endpoint::new(&connection.dsn.host.to_string(), port).expect("both were parsed");
    Login::new(endpoint, connection.region.clone(), connection.user.clone())
}

/// Returns the settings of a connection's pool.
pub(super) fn builder<DB: Engine>(name: &str, connection: &Connection, overrides: &Overrides) -> Builder<DB> {
    let builder = without_credentials(name, connection, connection.dsn.profile.clone(), overrides);
    match &overrides.credentials {
        Some(provider) => builder.credentials(provider.clone()),
        None => builder,
    }
}

fn without_credentials<DB: Engine>(
    name: &str,
    connection: &Connection,
    profile: Option<String>,
    overrides: &Overrides,
) -> Builder<DB> {
    let dsn = Dsn { profile, ..connection.dsn.clone() };
    let mut builder = Builder::of_logged_dsn(dsn)
        .user(&connection.user)
        .region(&connection.region)
        .limits(connection.limits.clone());
    if let Some(pem) = &overrides.root_certificates {
        builder = builder.root_certificates(pem.clone());
    }
    match overrides.dial.get(name) {
        Some(address) => builder.dial(address),
        None => builder,
    }
}

#[cfg(all(test, feature = "aws-config", feature = "bundled-roots"))]
mod tests {
    use super::super::source::{Format, read};
    use super::*;

    #[tokio::test]
    async fn connections_of_one_profile_share_their_credentials() {
        let connection = |name: &str, parameters: &str| {
            format!(
                "    {name}:\n      dsn: mysql://app@{name}.c0ffee.eu-west-1.rds.amazonaws.com/{parameters}\n      aws_iam_auth: {{enabled: true}}\n"
            )
        };
        let text = [
            "database:\n  connections:\n".to_owned(),
            connection("writer", ""),
            connection("reader", ""),
            connection("reports", "?profile=reports"),
        ];
        let configuration = read(&text.concat(), "database.yaml", Format::Yaml).unwrap();
        let pools = Pools::default();
        for (name, connection) in &configuration.connections {
            pools.get::<sqlx::MySql>(name, connection, &Overrides::default()).unwrap();
        }
        let built = pools.built.lock().unwrap();
        assert_eq!((built.pools.len(), built.tokens.len(), built.credentials.len()), (3, 3, 2));
    }
}
