//! Sessions of the auth proxy as a whole, TLS included: the client is in memory, the database in this thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rds_iam_gateway::mysql::packet;
use rds_iam_gateway::postgres::CancelKeys;
use rds_iam_gateway::postgres::startup::{CancelKey, read_first};
use rds_iam_gateway::{Failure, MAX_LOGIN_PACKET, Upstream, UserRule, mysql, postgres};
use rds_iam_roots::Roots;
use rds_iam_token::aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use rds_iam_token::aws_smithy_async::time::TimeSource;
use rds_iam_token::{Clock, Endpoint, Minter, Token, TokenSource};
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::input::Input;
use crate::login::{PASSWORD, Settings, USER, assert_no_token, credentials, endpoint, login};
use crate::stream::Scripted;

/// The time limit of an input: only one that waits forever reaches it.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The key of a session that a client may cancel.
pub(crate) const KEY: (u32, [u8; 4]) = (9, [1, 2, 3, 4]);

/// The limit of a login, which the driver does not reach.
const LIMIT: Duration = Duration::from_secs(60);

/// The flags of an input, in addition to those of a login: the engine, and what is not drawn from them.
const IS_UNREACHABLE: u8 = 1 << 1;
const IS_FULL: u8 = 3 << 2;
const POSTGRES: u8 = 1 << 4;
const IS_CACHED: u8 = 1 << 6;
const IS_TEST: u8 = 1 << 7;

/// The runtime that both sides run in, and the database's certificate.
struct Shared {
    runtime: Runtime,
    tls: TlsAcceptor,
    roots: Roots,
}

thread_local! {
    static SHARED: Shared = Shared::new().expect("a certificate");
}

/// The database of one input: connections that another input left unaccepted are not its own.
struct Database {
    listener: TcpListener,
    address: SocketAddr,
    tls: TlsAcceptor,
    upstream: Upstream,
}

impl Shared {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([endpoint().host().to_string()])?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], signing_key.serialize_der().try_into()?)?;
        let roots = Roots::parse(cert.pem().as_bytes())?;
        Ok(Self { runtime, tls: TlsAcceptor::from(Arc::new(config)), roots })
    }

    async fn database(&self) -> std::io::Result<Database> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let dial = Endpoint::new("127.0.0.1", address.port()).expect("an endpoint");
        let upstream = Upstream::new(endpoint(), Some(dial), &self.roots)?;
        Ok(Database { listener, address, tls: self.tls.clone(), upstream })
    }
}

impl Database {
    /// Serves connections: of each, the bytes before TLS are the same, and those inside are its own.
    async fn serve(&self, script: &Script<'_>) {
        for inside in script.inside {
            let Ok((mut stream, _)) = self.listener.accept().await else { return };
            if script.is_postgres {
                let Ok(_request) = read_first(&mut stream).await else { continue };
                let sent = stream.write_all(script.plain).await;
                if sent.is_err() || script.plain != b"S" {
                    continue;
                }
            } else {
                // Half a packet would be waited for.
                let sent = stream.write_all(script.plain).await;
                let whole = packet::read(&mut &*script.plain, MAX_LOGIN_PACKET).await;
                let (Ok(()), Ok(Some(_))) = (sent, whole) else { continue };
                let Ok(Some(_)) = packet::read(&mut stream, MAX_LOGIN_PACKET).await else { continue };
            }
            if inside.is_empty() {
                continue;
            }
            let Ok(mut stream) = self.tls.accept(stream).await else { continue };
            // The gateway may close at any byte.
            let _sent = stream.write_all(inside).await;
            let _closed = stream.shutdown().await;
            let _received = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
        std::future::pending::<()>().await;
    }
}

/// The bytes of the database.
struct Script<'a> {
    is_postgres: bool,
    plain: &'a [u8],
    inside: [&'a [u8]; 2],
}

impl<'a> Script<'a> {
    /// Two bytes with the number of bytes before TLS, two with that of the first connection inside TLS, and the bytes.
    fn parse(is_postgres: bool, bytes: &'a [u8]) -> Self {
        let (&[a, b, c, d], rest) = bytes.split_first_chunk().unwrap_or((&[0; 4], bytes));
        let (plain, rest) = rest.split_at(rest.len().min(u16::from_le_bytes([a, b]).into()));
        let (first, second) = rest.split_at(rest.len().min(u16::from_le_bytes([c, d]).into()));
        Self { is_postgres, plain, inside: [first, second] }
    }
}

#[derive(Clone, Debug)]
struct Time(Arc<AtomicU64>);

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct Never;

impl AsyncSleep for Never {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(std::future::pending())
    }
}

/// Returns the tokens, and the one that they return first: signed long before the login, or in its second.
async fn tokens(is_cached: bool) -> (TokenSource, Token) {
    let time = Time(Arc::new(AtomicU64::new(1_800_000_000)));
    let clock = Clock::new(time.clone(), Never);
    let tokens = TokenSource::lazy(Minter::new(login(USER), credentials(None), clock));
    let token = tokens.token().await.expect("a token");
    time.0.fetch_add(if is_cached { 60 } else { 0 }, Ordering::Relaxed);
    (tokens, token)
}

/// Opens a session of the engine in the fifth flag, or logs in without a client if the last flag is set.
///
/// # Panics
/// If a property of the login is violated, or it waits for the database forever.
pub fn sessions(data: &[u8]) {
    let input = Input::parse(data);
    SHARED.with(|shared| {
        let script = Script::parse(input.driver & POSTGRES != 0, &input.database);
        let (mut client, _) = input.connections();
        let settings = Settings::parse(input.driver & !IS_CACHED);
        let (result, token) = shared.runtime.block_on(async {
            let mut database = shared.database().await.expect("a database");
            if input.driver & IS_UNREACHABLE != 0 {
                database.listener = TcpListener::bind("127.0.0.1:0").await.expect("another port");
            }
            let (tokens, token) = tokens(input.driver & IS_CACHED != 0).await;
            let opened = open(&mut client, &database, &settings, input.driver, &tokens);
            let served = async {
                tokio::select! {
                    biased;
                    result = opened => result,
                    () = database.serve(&script) => unreachable!("it serves until it is dropped"),
                }
            };
            (tokio::time::timeout(TIMEOUT, served).await.expect("an end"), token)
        });
        assert_no_token(&token, result.as_ref().err(), &client.written, data);
        if result.is_ok() && input.driver & IS_TEST != 0 {
            assert!(client.written.is_empty());
        }
    });
}

async fn open(
    client: &mut Scripted,
    database: &Database,
    settings: &Settings,
    flags: u8,
    tokens: &TokenSource,
) -> Result<(), Failure> {
    let upstream = &database.upstream;
    let password = (flags & 1 != 0).then_some(PASSWORD);
    let allow = |rule: &UserRule, user: &str| match flags & IS_FULL {
        IS_FULL => Err(Failure::Full { limit: 1 }),
        _ => rule.decide(user).map(|_| tokens.clone()),
    };
    let user = USER.parse().expect("a user");
    let token = tokens.token().await.expect("a token");
    match (flags & POSTGRES != 0, flags & IS_TEST != 0) {
        (false, true) => mysql::session::test(upstream, &user, settings.database, &token).await,
        (true, true) => postgres::session::test(upstream, &user, settings.database, &token).await,
        (false, false) => {
            let authorize = async |login: &mut mysql::accept::ClientLogin| {
                login.database = login.database.take().or(settings.database.map(Into::into));
                allow(&settings.rule, &login.user)
            };
            let session = mysql::session::open(client, upstream, password, LIMIT, authorize).await?;
            assert!(session.client.written.len() > 4);
            Ok(())
        }
        (true, false) => {
            let keys = CancelKeys::default();
            let key = CancelKey { process: KEY.0, key: KEY.1.to_vec() };
            let _guard = keys.register(key, upstream, database.address);
            let authorize = async |user: &str| allow(&settings.rule, user);
            let session =
                postgres::session::open(client, upstream, &keys, password, LIMIT, authorize).await?;
            drop(session);
            Ok(())
        }
    }
}
