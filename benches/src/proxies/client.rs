//! A client that does no more than a measurement needs: it logs in, sends statements as text, and skips their rows, so
//! that its own work is a small part of every figure.

use anyhow::Context as _;
use rds_iam_infra::Engine;
use rds_iam_token::Token;
use tokio::io::AsyncWriteExt as _;

use super::stream::Stream;
use super::target::Target;
use super::{mysql, postgres};
use crate::database::USER;

/// A session.
pub(super) struct Client {
    engine: Engine,
    stream: Stream,
}

impl Client {
    /// Connects and logs in.
    pub(super) async fn connect(target: &Target) -> anyhow::Result<Self> {
        let Target { engine, upstream, tokens } = target;
        let token: Option<Token> = match tokens {
            Some(tokens) => Some(tokens.token().await?),
            None => None,
        };
        let login = async {
            let stream = upstream.dial().await?;
            match engine {
                Engine::MySql => mysql::log_in(stream, upstream, USER, token.as_ref()).await,
                Engine::Postgres => postgres::log_in(stream, upstream, USER, token.as_ref()).await,
            }
        };
        let stream = login.await.with_context(|| format!("logging in at {}", upstream.dialled()))?;
        Ok(Self { engine: *engine, stream })
    }

    /// Runs a statement, and returns the number of bytes of its rows.
    pub(super) async fn query(&mut self, statement: &str) -> anyhow::Result<usize> {
        match self.engine {
            Engine::MySql => mysql::query(&mut self.stream, statement).await,
            Engine::Postgres => postgres::query(&mut self.stream, statement).await,
        }
    }

    /// Logs out, and closes the connection.
    pub(super) async fn close(mut self) -> anyhow::Result<()> {
        let farewell = match self.engine {
            Engine::MySql => mysql::QUIT,
            Engine::Postgres => postgres::TERMINATE,
        };
        self.stream.write_all(farewell).await?;
        // The other side may have closed the connection already.
        self.stream.shutdown().await.ok();
        Ok(())
    }
}
