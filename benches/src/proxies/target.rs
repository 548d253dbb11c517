//! The address and the login of a client, for each way to the database.

use rds_iam_emulator_proxy::upstream;
use rds_iam_gateway::Upstream;
use rds_iam_infra::Engine as EngineName;
use rds_iam_token::{Clock, Endpoint, Login, Minter, TokenSource};

use crate::database::{Database, Engine, USER};

/// The address and the login of a client.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) engine: EngineName,
    pub(super) upstream: Upstream,
    /// The tokens of a login over verified TLS. `None` is a login without TLS and without a password.
    pub(super) tokens: Option<TokenSource>,
}

/// Returns the server itself.
pub(super) fn direct<E: Engine>(database: &Database<E>) -> anyhow::Result<Target> {
    let server = &database.server;
    Ok(Target {
        engine: E::ENGINE,
        upstream: upstream(server.endpoint(), server.dial(), server.ca_pem())?,
        tokens: Some(tokens(database, server.endpoint())?),
    })
}

/// Returns the emulated proxy at `dial`, whose certificate is for `endpoint` and by the authority `ca_pem`.
pub(super) fn proxy<E: Engine>(
    database: &Database<E>,
    endpoint: &Endpoint,
    dial: &Endpoint,
    ca_pem: &str,
) -> anyhow::Result<Target> {
    let upstream = upstream(endpoint, dial, ca_pem)?;
    Ok(Target { engine: E::ENGINE, upstream, tokens: Some(tokens(database, endpoint)?) })
}

/// Returns tokens for the benchmark's user at `endpoint`.
fn tokens<E: Engine>(database: &Database<E>, endpoint: &Endpoint) -> anyhow::Result<TokenSource> {
    let server = &database.server;
    let login = Login::new(endpoint.clone(), server.region().clone(), USER.parse()?);
    Ok(TokenSource::lazy(Minter::new(login, server.credentials(), Clock::system())))
}

/// Returns a target on a port of the loopback address, without TLS.
pub(super) fn plaintext<E: Engine>(database: &Database<E>, port: u16) -> anyhow::Result<Target> {
    let server = &database.server;
    let dial = Endpoint::new("127.0.0.1", port)?;
    let upstream = upstream(server.endpoint(), &dial, server.ca_pem())?;
    Ok(Target { engine: E::ENGINE, upstream, tokens: None })
}

/// Returns a target on a port of the loopback address behind which TLS reaches the server.
pub(super) fn passed_through<E: Engine>(database: &Database<E>, port: u16) -> anyhow::Result<Target> {
    let mut target = plaintext(database, port)?;
    target.tokens = Some(tokens(database, database.server.endpoint())?);
    Ok(target)
}
