//! Logs in to MySQL on RDS with another driver than sqlx: `mysql_async`, with tokens of this crate alone.
//!
//! ```text
//! cargo run --example mysql_async -- ENDPOINT REGION USER CA_BUNDLE.pem [DIAL]
//! cargo run --example mysql_async -- orders.c0ffee.eu-west-1.rds.amazonaws.com:3306 eu-west-1 node_app global-bundle.pem
//! ```
//!
//! Three things make a login by token work and safe in any driver:
//!
//! - TLS that verifies the endpoint's name, with AWS's roots: the token is a password as long as it lives.
//! - The cleartext plugin: MySQL asks for the token by `mysql_clear_password`, which drivers refuse by default.
//! - A new token for each new connection. `mysql_async::Pool` keeps the password it was created with, so its new connections
//!   fail after 15 minutes; use a pool that calls a function for each connection, and have it call [`connect`].
//!
//! The AWS CLI's credentials are used, or those of the machine's role. `DIAL` is the near end of a tunnel, if there is one.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use aws_config::BehaviorVersion;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, SslOpts};
use rds_iam_token::{Clock, Endpoint, ErrorReport, Login, Minter, ServerCode, TokenSource};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.downcast_ref() {
                // The driver's errors repeat their causes.
                Some(mysql_async::Error::Server(refused)) => {
                    let code = ServerCode::MySql(refused.code);
                    eprintln!("error: {refused}\nkind: {}", code.kind().as_str());
                    code.help().inspect(|help| eprintln!("help: {help}"));
                }
                _ => eprintln!("error: {}", ErrorReport(&*error)),
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let ([endpoint, region, user, bundle] | [endpoint, region, user, bundle, _]) = &arguments[..] else {
        return Err("usage: mysql_async ENDPOINT REGION USER CA_BUNDLE.pem [DIAL]".into());
    };
    let login = Login::new(endpoint.parse()?, region.parse()?, user.parse()?);
    let dial = arguments.get(4).map(|address| address.parse()).transpose()?;

    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let credentials = aws.credentials_provider().ok_or("the AWS SDK has no source of credentials")?;
    let tokens = TokenSource::refresh_ahead(Minter::new(login, credentials, Clock::system()));

    let mut connection = connect(&tokens, bundle.into(), dial.as_ref()).await?;
    let (user, cipher): (String, String) = connection
        .query_first(
            "SELECT CURRENT_USER(), VARIABLE_VALUE FROM performance_schema.session_status \
             WHERE VARIABLE_NAME = 'Ssl_cipher'",
        )
        .await?
        .ok_or("the server returned no row")?;
    println!("logged in as {user}, over TLS with {cipher}");
    connection.disconnect().await?;
    Ok(())
}

/// Opens a connection with a token that is valid now. The options are not kept: their `Debug` prints the token.
async fn connect(
    tokens: &TokenSource,
    bundle: PathBuf,
    dial: Option<&Endpoint>,
) -> Result<Conn, Box<dyn Error>> {
    let token = tokens.token().await?;
    let Login { endpoint, user, .. } = tokens.login();
    let tls = SslOpts::default()
        .with_root_certs(vec![bundle.into()])
        .with_disable_built_in_roots(true)
        // The name to verify, also through a tunnel.
        .with_danger_tls_hostname_override(Some(endpoint.host().to_string()));
    let address = dial.unwrap_or(endpoint);
    let options = OptsBuilder::default()
        .ip_or_hostname(address.host().to_string())
        .tcp_port(address.port())
        .prefer_socket(false)
        .user(Some(user.as_str()))
        .pass(Some(token.expose()))
        .enable_cleartext_plugin(true)
        .ssl_opts(tls);
    Ok(Conn::new(options).await?)
}
