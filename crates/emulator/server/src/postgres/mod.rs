//! PostgreSQL: the server with RDS's role `rds_iam`, whose members log in by token through PAM.
//!
//! Only PostgreSQL: its SQL, its configuration files, its libraries and its versions.

pub(crate) mod clients;
mod config;
mod control;
mod data;
mod hook;
mod image;
mod root;
mod set_up;
mod tree;
mod versions;

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use testcontainers::bollard::Docker;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::data::Libraries;
use self::root::Root;
use self::versions::Settings;
pub use self::versions::{CreatorEdges, PostgresVersion};
use crate::error::Error;
use crate::host::shared::server_user;
use crate::library;
use crate::run_folder::RunFolder;
use crate::server::Server;
use crate::server::kind::Kind;
use crate::server::kind::launch::{Contained, Launch};

/// The first message of a client that wants TLS: its length, and the number of the request.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The time zone that sqlx sets in every session, on this machine.
const TIME_ZONE: &str = "/usr/share/zoneinfo/UTC";

impl Kind for sqlx::Postgres {
    const SLUG: &'static str = "postgres";
    const PORT: u16 = 5432;
    const MASTER: &'static str = "postgres";
    const DATABASE: &'static str = "postgres";

    fn connect_options(server: &Server<Self>) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(&server.dial().host().to_string())
            .port(server.dial().port())
            .database(server.database())
            .ssl_mode(PgSslMode::VerifyCa)
            .ssl_root_cert_from_pem(server.ca_pem().into())
            .disable_statement_logging()
    }
}

impl Launch for sqlx::Postgres {
    type Settings = Settings;
    type Libraries = Libraries;
    type Root = Root;

    fn complete(settings: Settings) -> Result<Settings, Error> {
        settings.with_version()
    }

    fn is_reserved(user: &str) -> bool {
        ["rds_iam", "rds_password", "rds_replication", "rds_superuser", "rdsadmin_scram"].contains(&user)
            || user.starts_with("pg_")
    }

    fn process_user() -> Option<u32> {
        server_user()
    }

    fn environment(run: &Path) -> Vec<(&'static str, String)> {
        vec![
            (tree::PAM_VARIABLE, run.join("pam").display().to_string()),
            // A server that is killed leaves a segment of System V's shared memory; after this signal it leaves none.
            ("SIGNAL", "QUIT".into()),
        ]
    }

    async fn libraries(settings: &Settings) -> Result<Libraries, Error> {
        let (pam, hook) = (library::POSTGRES_PAM.path().await?, hook::module(settings.version()).await?);
        Ok(Libraries { pam, hook })
    }

    async fn process(
        folder: &RunFolder,
        libraries: &Libraries,
        settings: &Settings,
        port: u16,
    ) -> Result<Vec<String>, Error> {
        if !Path::new(TIME_ZONE).is_file() {
            return Err(Error::MissingTools {
                purpose: "run PostgreSQL, which reads the time zones of the machine",
                tools: vec!["tzdata"],
                hint: "`apt-get install tzdata`",
            });
        }
        data::prepare(folder, libraries, settings, port).await
    }

    async fn container(
        docker: &Docker,
        folder: &RunFolder,
        libraries: &Libraries,
        settings: &Settings,
    ) -> Result<Contained, Error> {
        image::prepare(docker, folder, libraries, settings).await
    }

    /// A server of PostgreSQL answers a request for TLS with one byte.
    async fn answers(port: u16) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return false };
        let mut answer = [0];
        stream.write_all(&SSL_REQUEST).await.is_ok()
            && stream.read_exact(&mut answer).await.is_ok()
            && &answer == b"S"
    }

    /// The loader takes the machine's libpam where it does not find ours, and reports nothing.
    async fn verify(root: &mut Root, run: &Path) -> Result<Option<String>, Error> {
        let ours = fs::metadata(data::pam_in(run)).map_or(0, |file| file.ino());
        Ok(foreign_pam(&root.memory_map().await?, ours))
    }
}

/// Returns what is wrong with the libpam in a process's memory map, whose file should have this number.
fn foreign_pam(map: &str, ours: u64) -> Option<String> {
    // address, permissions, offset, device, number of the file, path
    let files = map.lines().filter_map(|line| {
        let mut columns = line.split_whitespace();
        Some((columns.nth(4)?.parse::<u64>().ok()?, columns.next()?))
    });
    let mut pams =
        files.filter(|(_, path)| path.rsplit('/').next().is_some_and(|f| f.starts_with("libpam.so")));
    let mut found = pams.next();
    while let Some((file, path)) = found {
        if file != ours {
            return Some(format!(
                "it loaded {path}, which checks no tokens, in place of the emulator's libpam"
            ));
        }
        match pams.next() {
            Some(next) => found = Some(next),
            None => return None,
        }
    }
    Some("it loaded no libpam".into())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_that_only_closes_is_not_ready() {
        let answers = sqlx::Postgres::answers;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let closing = tokio::spawn(async move { listener.accept().await.map(|_| listener) });
        assert!(!answers(port).await);
        let listener = closing.await.unwrap().unwrap();
        for (answer, expected) in [(b"N", false), (b"S", true)] {
            let speaking = async { listener.accept().await.unwrap().0.write_all(answer).await };
            let (answered, written) = tokio::join!(answers(port), speaking);
            written.unwrap();
            assert_eq!(answered, expected);
        }
    }

    #[test]
    fn another_libpam_is_found_in_the_memory_map() {
        let map = |file: &str| {
            format!(
                "7f00-7f01 r-xp 00000000 fe:00 12 /usr/lib/libc.so.6\n7f02-7f03 r--p 00000000 fe:00 {file}\n7f04-7f05 rw-p 00000000 00:00 0\n"
            )
        };
        assert_eq!(foreign_pam(&map("7 /tmp/run/pam/libpam.so.0"), 7), None);
        let other = foreign_pam(&map("8 /usr/lib/x86_64-linux-gnu/libpam.so.0.85.1"), 7).unwrap();
        assert!(other.starts_with("it loaded /usr/lib/x86_64-linux-gnu/libpam.so.0.85.1, which"), "{other}");
        let both = map("7 /tmp/run/pam/libpam.so.0") + &map("8 /usr/lib/libpam.so.0");
        assert!(foreign_pam(&both, 7).is_some());
        assert_eq!(foreign_pam(&map("7 /tmp/libpam_misc.so.0"), 7).unwrap(), "it loaded no libpam");
    }
}
