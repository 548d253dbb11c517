//! Finds out which engine's server answers at an address, after a login that failed without the server's reason: then the
//! engine may be the wrong one.

use std::time::Duration;

use rds_iam_token::Endpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::engine::Engine;
use crate::error::Error;

/// The time limit of each step: 1 second. A server that takes longer stays unknown.
const STEP: Duration = Duration::from_secs(1);

/// PostgreSQL's request for TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Returns the error of a wrong engine in the place of one that it may have caused.
pub(crate) async fn explain<DB: Engine>(error: Error) -> Error {
    let Some(subject) = error.subject().filter(|_| error.may_be_of_another_engine()) else { return error };
    match engine_at(&subject.dial).await {
        Some(found) if found != DB::NAME => {
            Error::OtherEngine { subject: subject.clone().into(), expected: DB::NAME, found }
        }
        _ => error,
    }
}

/// Returns the name of the engine that answers at an address: a MySQL server speaks first, and a PostgreSQL server answers a
/// request for TLS.
async fn engine_at(address: &Endpoint) -> Option<&'static str> {
    let connecting = TcpStream::connect((address.host().to_string(), address.port()));
    let mut stream = timeout(STEP, connecting).await.ok()?.ok()?;
    // The length of the packet, its number, and the version of the protocol or the mark of an error.
    let mut greeting = [0; 5];
    if let Ok(read) = timeout(STEP, stream.read_exact(&mut greeting)).await {
        read.ok()?;
        return matches!(greeting, [.., 0, 10 | 0xff]).then_some("MySQL");
    }
    stream.write_all(&SSL_REQUEST).await.ok()?;
    let answer = timeout(STEP, stream.read_u8()).await.ok()?.ok()?;
    matches!(answer, b'S' | b'N' | b'E').then_some("PostgreSQL")
}

#[cfg(test)]
#[cfg(all(feature = "mysql", feature = "postgres"))]
mod tests {
    use rds_iam_token::ErrorKind;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Credential, Target, connect};

    /// Starts a server that sends `greeting`, or answers the first bytes of a client with `answer`.
    async fn server(greeting: &'static [u8], answer: &'static [u8]) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    client.write_all(greeting).await.unwrap();
                    let mut request = [0; 8];
                    while client.read_exact(&mut request).await.is_ok() {
                        // The client may have closed.
                        drop(client.write_all(answer).await);
                    }
                });
            }
        });
        address
    }

    const MYSQL: &[u8] = b"\x4a\x00\x00\x00\x0a8.4.0\x00";

    #[tokio::test]
    async fn engines_are_distinguished_by_who_speaks_first() {
        for (greeting, answer, expected) in [
            (MYSQL, &b""[..], Some("MySQL")),
            (b"\x17\x00\x00\x00\xff\x10\x04Too many connections", b"", Some("MySQL")),
            (b"", b"S", Some("PostgreSQL")),
            (b"", b"N", Some("PostgreSQL")),
            (b"", b"?", None),
            (b"HTTP/1.1 400\r\n", b"", None),
            (b"", b"", None),
        ] {
            let address = server(greeting, answer).await;
            assert_eq!(engine_at(&address).await, expected, "{greeting:?} {answer:?}");
        }
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        assert_eq!(engine_at(&Endpoint::new("127.0.0.1", port).unwrap()).await, None);
    }

    async fn error_of<DB: Engine>(address: Endpoint) -> Error {
        let target = Target::new(address, "").connect_timeout(Duration::from_millis(200));
        let connected =
            connect::<DB>(&target, &"app".parse().unwrap(), Credential::Password("hunter2")).await;
        connected.err().unwrap()
    }

    #[tokio::test]
    async fn a_server_of_the_other_engine_is_named() {
        let error = error_of::<sqlx::Postgres>(server(MYSQL, b"").await).await;
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
        assert!(
            error.to_string().ends_with("failed: a MySQL server answered, and the login is for PostgreSQL")
        );
        assert!(error.hint().contains("engine"), "{}", error.hint());
        let error = error_of::<sqlx::MySql>(server(b"", b"S").await).await;
        assert!(
            error.to_string().ends_with("failed: a PostgreSQL server answered, and the login is for MySQL")
        );
        // Its own engine's server, and no server at all, leave the error as it is.
        let error = error_of::<sqlx::MySql>(server(b"", b"").await).await;
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
        let error = error_of::<sqlx::Postgres>(server(b"", b"N").await).await;
        assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    }
}
