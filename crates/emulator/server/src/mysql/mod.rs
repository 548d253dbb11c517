//! MySQL: the server with RDS's `AWSAuthenticationPlugin`.
//!
//! Only MySQL: its SQL and its image.

pub(crate) mod clients;
mod command;
mod control;
mod data;
mod image;
mod root;
pub(crate) mod router;
mod set_up;
mod tree;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use testcontainers::bollard::Docker;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use self::root::Root;
use crate::error::Error;
use crate::library;
use crate::run_folder::RunFolder;
use crate::server::Server;
use crate::server::kind::Kind;
use crate::server::kind::launch::{Contained, Launch};

impl Kind for sqlx::MySql {
    const SLUG: &'static str = "mysql";
    const PORT: u16 = 3306;
    const MASTER: &'static str = "admin";
    const DATABASE: &'static str = "";

    fn connect_options(server: &Server<Self>) -> MySqlConnectOptions {
        MySqlConnectOptions::new()
            .host(&server.dial().host().to_string())
            .port(server.dial().port())
            .ssl_mode(MySqlSslMode::VerifyCa)
            .ssl_ca_from_pem(server.ca_pem().into())
            .disable_statement_logging()
    }
}

/// The library that the server loads.
#[derive(Debug)]
#[expect(unnameable_types, reason = "part of a sealed trait")]
pub struct Libraries {
    /// The plugin that checks tokens.
    plugin: PathBuf,
}

impl Launch for sqlx::MySql {
    type Settings = ();
    type Libraries = Libraries;
    type Root = Root;

    fn complete((): ()) -> Result<(), Error> {
        Ok(())
    }

    fn is_reserved(_user: &str) -> bool {
        false
    }

    fn process_user() -> Option<u32> {
        None
    }

    fn environment(_run: &Path) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    async fn libraries((): &()) -> Result<Libraries, Error> {
        Ok(Libraries { plugin: library::MYSQL_PLUGIN.path().await? })
    }

    async fn process(
        folder: &RunFolder,
        libraries: &Libraries,
        (): &(),
        port: u16,
    ) -> Result<Vec<String>, Error> {
        data::prepare(folder, &libraries.plugin, port).await
    }

    async fn container(
        docker: &Docker,
        _folder: &RunFolder,
        libraries: &Libraries,
        (): &(),
    ) -> Result<Contained, Error> {
        image::prepare(docker, &libraries.plugin).await
    }

    /// A server of MySQL sends a greeting.
    async fn answers(port: u16) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return false };
        stream.read(&mut [0]).await.is_ok_and(|read| read == 1)
    }

    /// A server that did not load the plugin does not start.
    async fn verify(_root: &mut Root, _run: &Path) -> Result<Option<String>, Error> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_that_only_closes_is_not_ready() {
        let answers = sqlx::MySql::answers;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let closing = tokio::spawn(async move { listener.accept().await.map(|_| listener) });
        assert!(!answers(port).await);
        let listener = closing.await.unwrap().unwrap();
        let speaking = tokio::spawn(async move { listener.accept().await.unwrap().0.write_all(b"J").await });
        assert!(answers(port).await);
        speaking.await.unwrap().unwrap();
        assert!(!answers(port).await, "the port is closed");
    }
}
