//! The targets that clients log in to: one database server of each engine, the auth proxy and the emulated RDS Proxy.

use std::future::pending;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rds_iam_emulator_proxy::{Engine, Proxy, Settings, upstream};
use rds_iam_emulator_server::{Server, fixtures};
use rds_iam_gateway::{Address, Gateway, Limits, LocalPassword, Tokens, UserRule};
use rds_iam_token::{Clock, Login, Minter, TokenSource};
use tokio::sync::OnceCell;

use super::Result;

pub(super) const DATABASE: &str = "shop";

/// A target of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The auth proxy.
    Gateway,
    /// The auth proxy with a local password.
    Password,
    /// The emulated RDS Proxy.
    Proxy,
}

/// A target, and the user that one client logs in as.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) secret: Secret,
    /// `None` without TLS.
    pub(super) tls: Option<Tls>,
}

/// What a client proves its user with.
#[derive(Clone)]
pub(super) enum Secret {
    Nothing,
    Password(String),
    Token(Arc<Minter>),
}

/// What a client needs for TLS.
#[derive(Clone)]
pub(super) struct Tls {
    /// The name to verify.
    pub(super) name: String,
    /// The file with the authority.
    pub(super) ca: PathBuf,
    proxy: &'static Proxy,
}

/// The servers of one engine.
struct Servers<E: Engine> {
    database: Server<E>,
    gateway: SocketAddr,
    password_gateway: SocketAddr,
    password: LocalPassword,
    proxy: Proxy,
}

static MYSQL: OnceCell<Servers<sqlx::MySql>> = OnceCell::const_new();
static POSTGRES: OnceCell<Servers<sqlx::Postgres>> = OnceCell::const_new();

/// Returns whether a client is one of MySQL.
pub(super) fn is_mysql(client: &str) -> bool {
    client.contains("mysql") || client.contains("mariadb")
}

impl Target {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Password => "password",
            Self::Proxy => "proxy",
        }
    }

    /// Returns the user of a client.
    pub(super) fn database_user(self, client: &str) -> String {
        format!("{}_{}", self.name(), client.replace('-', "_"))
    }
}

impl Site {
    /// Returns the target of a client, whose user is created. The first call starts the servers of the engine.
    pub(super) async fn prepare(client: &str, target: Target) -> Result<Self> {
        if is_mysql(client) {
            let servers = MYSQL.get_or_try_init(mysql).await?;
            servers.site(client, target, &format!("ALL ON {DATABASE}.*")).await
        } else {
            let servers = POSTGRES.get_or_try_init(Servers::start).await?;
            servers.site(client, target, "CREATE ON SCHEMA public").await
        }
    }

    /// Returns the same target, as if it had another name.
    pub(super) fn with_name(&self, name: &str) -> Self {
        let tls = self.tls.clone().map(|tls| Tls { name: name.into(), ..tls });
        Self { tls, ..self.clone() }
    }

    /// Returns the number of logins by token of the user so far.
    pub(super) fn logins(&self) -> Result<usize> {
        let Some(Tls { proxy, .. }) = &self.tls else { return Ok(0) };
        Ok(proxy.logins()?.iter().filter(|login| login.user == self.user).count())
    }
}

impl Secret {
    /// Returns the client's password: a new token, where it is one.
    pub(super) async fn password(&self) -> Result<String> {
        Ok(match self {
            Self::Nothing => String::new(),
            Self::Password(password) => password.clone(),
            Self::Token(minter) => minter.mint().await?.expose().to_owned(),
        })
    }
}

impl<E: Engine> Servers<E> {
    async fn start() -> Result<Self> {
        let database = Server::<E>::builder().database(DATABASE).start().await?;
        let proxy = Proxy::start(Settings::before(&database)?).await?;
        let password = LocalPassword::random()?;
        let open = gateway(&database, None).await?;
        let password_gateway = gateway(&database, Some(password.clone())).await?;
        Ok(Self { database, gateway: open, password_gateway, password, proxy })
    }

    async fn site(&'static self, client: &str, target: Target, privileges: &str) -> Result<Site> {
        let user = target.database_user(client);
        fixtures::create_user(&self.database, &user, privileges).await?;
        let without_tls = |at: SocketAddr, user, secret| Site {
            host: at.ip().to_string(),
            port: at.port(),
            user,
            secret,
            tls: None,
        };
        match target {
            Target::Gateway => return Ok(without_tls(self.gateway, user, Secret::Nothing)),
            Target::Password => {
                let secret = Secret::Password(self.password.expose().to_owned());
                return Ok(without_tls(self.password_gateway, user, secret));
            }
            Target::Proxy => {}
        }
        let proxy = &self.proxy;
        let login = Login::new(proxy.endpoint().clone(), self.database.region().clone(), user.parse()?);
        let minter = Minter::new(login, self.database.credentials(), Clock::system());
        Ok(Site {
            host: proxy.dial().host().to_string(),
            port: proxy.dial().port(),
            user,
            secret: Secret::Token(Arc::new(minter)),
            tls: Some(Tls { name: proxy.endpoint().host().to_string(), ca: proxy.ca_path(), proxy }),
        })
    }
}

/// Starts the servers of MySQL, which accepts files of its clients.
async fn mysql() -> Result<Servers<sqlx::MySql>> {
    let servers = Servers::<sqlx::MySql>::start().await?;
    servers.database.as_superuser("SET GLOBAL local_infile = ON").await?;
    Ok(servers)
}

/// Starts an auth proxy before the server, for users that clients name.
async fn gateway<E: Engine>(server: &Server<E>, password: Option<LocalPassword>) -> Result<SocketAddr> {
    let (endpoint, region, credentials) =
        (server.endpoint().clone(), server.region().clone(), server.credentials());
    let tokens = Tokens::new(move |user| {
        let login = Login::new(endpoint.clone(), region.clone(), user.clone());
        Ok(TokenSource::refresh_ahead(Minter::new(login, credentials.clone(), Clock::system())))
    });
    let target = rds_iam_gateway::Target {
        name: "clients".into(),
        engine: E::FAMILY,
        address: "0".parse()?,
        upstream: upstream(server.endpoint(), server.dial(), server.ca_pem())?,
        user: UserRule::Client,
        database: None,
        tokens: Arc::new(tokens),
        password,
        limits: Limits { logins_per_second: 1_000, ..Limits::default() },
    };
    let gateway = Gateway::bind(vec![target]).await?;
    let address = gateway.addresses().next().cloned();
    // It serves until the program ends.
    tokio::spawn(gateway.serve(pending(), pending(), Duration::from_secs(20)));
    match address {
        Some(Address::Tcp(address)) => Ok(address),
        other => Err(format!("the auth proxy listens on {other:?}").into()),
    }
}
