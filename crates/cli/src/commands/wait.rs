//! `rds-iam wait`: waits until a gateway has started.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::gateway::address;
use crate::Failure;

/// Wait until a gateway has started
///
/// For the start of what uses the gateway, in a container beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rds-iam wait --admin 127.0.0.1:9090 --max 60 && exec ./app

Exit status:
  0   the gateway has started
  1   it has not started in time
  64  invalid arguments")]
pub(crate) struct Arguments {
    /// Address of the gateway's HTTP endpoints
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "RDS_IAM_GATEWAY_ADMIN",
        hide_env_values = true,
        value_parser = address,
    )]
    admin: SocketAddr,

    /// Longest time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    max: u64,
}

/// The pause between two requests: 200 milliseconds.
const WAIT_PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let limit = Duration::from_secs(arguments.max);
    if has_started(arguments.admin).await {
        return Ok(ExitCode::SUCCESS);
    }
    let started = async {
        while !has_started(arguments.admin).await {
            sleep(WAIT_PAUSE).await;
        }
    };
    timeout(limit, started)
        .await
        .map_err(|_| format!("no gateway at {} has started within {} s", arguments.admin, arguments.max))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns whether `/startup` answers with 200.
async fn has_started(admin: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(admin).await?;
        stream
            .write_all(
                format!("GET /startup HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").as_bytes(),
            )
            .await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        Ok::<_, io::Error>(&status == b"HTTP/1.1 200")
    };
    timeout(Duration::from_secs(1), asked).await.is_ok_and(|answer| answer.is_ok_and(|is_started| is_started))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    #[test]
    fn an_address_has_its_port() {
        let error = crate::Arguments::try_parse_from(["rds-iam", "wait", "--admin", "9090"]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("expected an address with a port, such as 127.0.0.1:9090"), "{error}");
    }
}
