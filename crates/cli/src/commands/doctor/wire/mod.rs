//! The beginning of a connection in each engine's protocol: the request for TLS, the user, and the server's request for a
//! secret, so that doctor knows what the server asks for before it sends a token.

mod mysql;
mod postgres;

use std::io;

use rds_iam_gateway::{Secured, connector, server_name};
use rds_iam_infra::Engine;
use rds_iam_roots::Roots;
use rds_iam_token::{Endpoint, Token};
use rustls::CertificateError;
use tokio::net::TcpStream;

use super::facts::{Asked, Login, TlsError};

/// The most bytes of a packet that are read: what a server sends before a login is much shorter.
const MAX_PACKET: usize = 64 * 1024;

/// Requests TLS, and verifies the server's certificate for `endpoint`. The login that follows names `database`.
pub(super) async fn secure(
    engine: Engine,
    mut stream: TcpStream,
    endpoint: &Endpoint,
    roots: &Roots,
    database: Option<&str>,
) -> Result<Secured, TlsError> {
    let other = |error: io::Error| TlsError::Other(error.to_string());
    let (tls, name) = (connector(roots).map_err(other)?, server_name(endpoint).map_err(other)?);
    let offered = match engine {
        Engine::MySql => mysql::request_tls(&mut stream, database).await,
        Engine::Postgres => postgres::request_tls(&mut stream).await,
    };
    if !offered.map_err(other)? {
        return Err(TlsError::NotOffered);
    }
    tls.connect(name, stream).await.map_err(|error| classify(&error))
}

/// Announces the user, and returns what the server asks for.
pub(super) async fn ask(engine: Engine, stream: &mut Secured, user: &str, database: Option<&str>) -> Asked {
    let asked = match engine {
        Engine::MySql => mysql::ask(stream, user, database).await,
        Engine::Postgres => postgres::ask(stream, user, database).await,
    };
    asked.unwrap_or_else(|error| Asked::Failed(error.to_string()))
}

/// Sends the token that the server asked for, and returns its answer.
pub(super) async fn log_in(engine: Engine, stream: &mut Secured, token: &Token) -> Login {
    let login = match engine {
        Engine::MySql => mysql::log_in(stream, token.expose()).await,
        Engine::Postgres => postgres::log_in(stream, token.expose()).await,
    };
    login.unwrap_or_else(|error| Login::Failed(error.to_string()))
}

fn classify(error: &io::Error) -> TlsError {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(cause)) = tls else {
        return TlsError::Other(error.to_string());
    };
    match cause {
        CertificateError::NotValidForName => TlsError::OtherName(vec!["another name".to_owned()]),
        CertificateError::NotValidForNameContext { presented, .. } => {
            // rustls writes a name as `DnsName("db.example.com")`.
            let plain = |name: &String| {
                name.split_once("(\"")
                    .and_then(|(_, rest)| rest.strip_suffix("\")"))
                    .unwrap_or(name)
                    .to_owned()
            };
            TlsError::OtherName(presented.iter().map(plain).collect())
        }
        CertificateError::UnknownIssuer => TlsError::UnknownAuthority,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TlsError::Dates(cause.to_string()),
        other => TlsError::Other(other.to_string()),
    }
}

fn unexpected(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
