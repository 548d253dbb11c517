//! The protocol of the proxy's engine.

use std::net::IpAddr;
use std::sync::Arc;

use rds_iam_gateway::Failure;
use tokio::net::TcpStream;

use crate::front::Front;

/// The protocol of one engine, with its pool.
pub(crate) enum Protocol {
    MySql(crate::mysql::Sessions),
    Postgres(crate::postgres::Sessions),
}

impl Protocol {
    /// Serves a client to its end.
    pub(crate) async fn serve(
        &self,
        front: &Arc<Front>,
        client: TcpStream,
        host: IpAddr,
    ) -> Result<(), Failure> {
        match self {
            Self::MySql(sessions) => sessions.serve(front, client, host).await,
            Self::Postgres(sessions) => sessions.serve(front, client, host).await,
        }
    }

    /// Returns the numbers of open and of idle connections to the database.
    pub(crate) fn counts(&self) -> (usize, usize) {
        match self {
            Self::MySql(sessions) => sessions.counts(),
            Self::Postgres(sessions) => sessions.counts(),
        }
    }
}
