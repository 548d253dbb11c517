//! A database server that checks IAM tokens as RDS does.

mod builder;
mod container;
mod control;
pub(crate) mod kind;
pub(crate) mod launch;
mod process;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use aws_credential_types::Credentials;
use rds_iam_emulator_control::{AccessKey, AuthSwitch, LoginEvent, Refuse, State};
use rds_iam_token::{Endpoint, Region};
use tracing::info;

use crate::credentials::{MasterCredentials, credentials_file, made_up_resource_id, own_key};
use crate::error::Error;
use crate::host::file;
use crate::relay::Relay;
use crate::run_folder::RunFolder;
use crate::runtime::Runtime;
use crate::tls::ServerIdentity;

use self::kind::launch::Root as _;
use self::launch::{POLL, READY_TIMEOUT, Started};

pub use self::builder::Builder;
pub use self::kind::{Kind, OptionsOf};

/// The time limit for ended connections to leave the server: 10 seconds.
const CUT_TIMEOUT: Duration = Duration::from_secs(10);

/// A running database server. On MySQL, accounts `IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'` log in by a valid
/// token only; on PostgreSQL, members of `rds_iam`.
///
/// Dropping it ends the server and removes its files. So does the end of the process, however it ends, a moment
/// later.
///
/// ```no_run
/// # async fn example() -> Result<(), rds_iam_emulator_server::Error> {
/// let server = rds_iam_emulator_server::Postgres::builder().database("shop").start().await?;
/// println!("{}: sign for {}, dial {}", server.describe(), server.endpoint(), server.dial());
/// # Ok(())
/// # }
/// ```
pub struct Server<E: Kind> {
    /// `None` only while this is dropped.
    parts: Option<(Started, RunFolder)>,
    pub(crate) state: Mutex<State>,
    endpoint: Endpoint,
    dial: Endpoint,
    region: Region,
    resource_id: String,
    ca_pem: String,
    master: MasterCredentials,
    pub(crate) key: AccessKey,
    description: String,
    database: String,
    pub(crate) settings: Mutex<E::Settings>,
}

impl<E: Kind> Server<E> {
    /// Returns a builder with the defaults.
    pub fn builder() -> Builder<E> {
        Builder::default()
    }

    pub(crate) async fn start(wanted: Builder<E>) -> Result<Self, Error> {
        let runtime = match wanted.runtime {
            Some(runtime) => runtime,
            None => Runtime::from_env()?,
        };
        let settings = E::complete(wanted.settings)?;
        let master = wanted.master.unwrap_or_else(|| MasterCredentials::made_up(E::MASTER));
        if E::is_reserved(master.username()) {
            return Err(Error::Setting {
                setting: "the master user's name",
                value: master.username().into(),
                problem: "RDS keeps that to itself: take another".into(),
            });
        }
        let chosen = runtime.choose().await?;
        let libraries = E::libraries(&settings).await?;
        let region = match wanted.region {
            Some(region) => region,
            None => parsed("region", "us-east-1")?,
        };
        let endpoint = match wanted.endpoint {
            Some(endpoint) => endpoint,
            None => {
                let host = format!("local-{}.c0ffee123456.{region}.rds.amazonaws.com", E::SLUG);
                parsed("endpoint", &format!("{host}:{}", E::PORT))?
            }
        };
        let mut endpoints = vec![endpoint.clone()];
        endpoints.extend(wanted.other_endpoints);
        let identity = ServerIdentity::new(&endpoints, &wanted.certificate_names)?;
        let key = own_key()?;
        let state = State {
            region: region.to_string(),
            endpoints: endpoints.iter().map(Endpoint::to_string).collect(),
            keys: vec![key.clone()],
            clock_offset_seconds: 0,
            refuse: Refuse::default(),
            throttle: Refuse::default(),
            auth_switch: AuthSwitch::default(),
        };

        let started = launch::start::<E>(&chosen, &libraries, &settings, &identity, &state);
        let (server, folder) = started.await?;
        let port = server.port();
        let origin = match &server {
            Started::Process(_) => "from Debian's packages, as a child process".into(),
            Started::Container(container) => container.origin.clone(),
        };
        // From here on, dropping `new` cleans up.
        let mut new = Self {
            parts: Some((server, folder)),
            state: Mutex::new(state),
            dial: parsed("address", &format!("127.0.0.1:{port}"))?,
            resource_id: wanted.resource_id.unwrap_or_else(made_up_resource_id),
            ca_pem: identity.ca_pem().to_owned(),
            database: wanted.databases.first().map_or(E::DATABASE, String::as_str).to_owned(),
            master,
            endpoint,
            region,
            key,
            description: String::new(),
            settings: Mutex::new(settings),
        };
        let mut root = new.root("let root in").await?;
        new.description = format!("{} {} {origin}", E::NAME, root.version().await?);
        root.create_master(&new.master).await?;
        for database in &wanted.databases {
            root.create_database(database, &new.master).await?;
        }
        root.close().await;
        info!("{} at {}", new.description, new.dial);
        Ok(new)
    }

    /// Returns the endpoint that tokens have to be signed for, unless it is one of
    /// [`Builder::also_endpoint`]. The server's certificate names its host. It has the form of an RDS
    /// endpoint, and does not exist in DNS.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the address that the server listens on. Its certificate does not name it.
    #[must_use]
    pub fn dial(&self) -> &Endpoint {
        &self.dial
    }

    /// Returns the region that tokens have to be signed for.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Returns the resource id (`db-…`) that the server would have in an ARN.
    #[must_use]
    pub fn resource_id(&self) -> &str {
        &self.resource_id
    }

    /// Returns the certificate, as PEM, of the authority that signed the server's.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Returns the path of a file with [`Server::ca_pem`], which exists as long as the server.
    #[must_use]
    pub fn ca_path(&self) -> PathBuf {
        self.folder().ca()
    }

    /// Returns the path of the record of all logins by token, one line of JSON each, with the reason for each refusal,
    /// as in RDS's log `iam-db-auth-error`. [`Server::logins`] reads it. It has no logins of users that do not exist.
    #[must_use]
    pub fn login_log(&self) -> PathBuf {
        LoginEvent::record(&self.folder().control())
    }

    /// Returns the master user, with the privileges of RDS's. It has to use TLS.
    #[must_use]
    pub fn master(&self) -> &MasterCredentials {
        &self.master
    }

    /// Returns the first database of [`Builder::database`], or else [`Kind::DATABASE`].
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Returns temporary AWS credentials that the server accepts: a client that signs with them may log in as
    /// any user, unless [`Server::allow_users`] limits that.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        let AccessKey { id, secret, session_token, .. } = &self.key;
        Credentials::new(id, secret, session_token.clone(), None, "rds-iam-emulator")
    }

    /// Returns the access key of [`Server::credentials`].
    #[must_use]
    pub fn key(&self) -> &AccessKey {
        &self.key
    }

    /// Writes [`Server::credentials`] to `path` as an AWS shared credentials file that only its owner may
    /// read, for child processes (`AWS_SHARED_CREDENTIALS_FILE`), so that no environment holds a secret.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be written.
    pub fn write_credentials_file(&self, path: &Path) -> Result<(), Error> {
        file::replace(path, &credentials_file(&self.key), 0o600)
    }

    /// Returns the runtime of the server: [`Runtime::Docker`] or [`Runtime::Process`].
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        match &self.parts {
            Some((Started::Container(_), _)) => Runtime::Docker,
            _ => Runtime::Process,
        }
    }

    /// Returns a description of the server, such as "MySQL 9.7.4 from Debian's packages, in a container of Docker
    /// 20.10.24".
    #[must_use]
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// Returns all logins by token so far, oldest first, with the reasons that clients do not get.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the server's folder is gone.
    pub fn logins(&self) -> Result<Vec<LoginEvent>, Error> {
        let control = self.folder().control();
        LoginEvent::read_all(&control).map_err(Error::io("read the logins in", &control))
    }

    /// Waits for a login, earlier ones included, that `wanted` accepts.
    ///
    /// # Errors
    /// Returns [`Error::TimedOut`] if there is none `within` that time.
    pub async fn wait_for_login(
        &self,
        mut wanted: impl FnMut(&LoginEvent) -> bool,
        within: Duration,
    ) -> Result<LoginEvent, Error> {
        let wait = async {
            loop {
                if let Some(event) = self.logins()?.into_iter().find(&mut wanted) {
                    return Ok(event);
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let timed_out = Error::TimedOut { awaited: "a login", within };
        tokio::time::timeout(within, wait).await.unwrap_or(Err(timed_out))
    }

    /// Cuts the connections of all clients and waits until they have left the server. Returns their number. New
    /// connections are accepted meanwhile.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the server does not answer.
    pub async fn cut_connections(&self) -> Result<usize, Error> {
        let mut root = self.root("answer").await?;
        let cut = root.cut_connections(CUT_TIMEOUT).await?;
        root.close().await;
        Ok(cut)
    }

    /// Ends the server at once, as a crash does; its data stays.
    ///
    /// # Errors
    /// Returns [`Error::TimedOut`] if it does not end.
    pub async fn stop(&self) -> Result<(), Error> {
        let folder = self.folder();
        folder.order_kill()?;
        let gone = async {
            while folder.exit_status().is_none() {
                tokio::time::sleep(POLL).await;
            }
        };
        let timed_out = |_| Error::TimedOut { awaited: "the server to end", within: READY_TIMEOUT };
        tokio::time::timeout(READY_TIMEOUT, gone).await.map_err(timed_out)
    }

    /// Starts the server again after [`Server::stop`], at the same address, and waits until it answers.
    ///
    /// # Errors
    /// Returns [`Error::NotReady`] if it does not.
    pub async fn restart(&self) -> Result<(), Error> {
        self.folder().order_start()?;
        launch::wait_until_ready::<E>(self.folder(), self.started()).await
    }

    /// Starts a relay in front of the server, which can be cut, made unreachable and made to throttle.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if it cannot listen.
    pub async fn relay(&self) -> Result<Relay, Error> {
        Relay::start(self.dial.clone()).await
    }

    pub(crate) fn folder(&self) -> &RunFolder {
        &self.parts().1
    }

    pub(crate) async fn root(&self, operation: &'static str) -> Result<E::Root, Error> {
        E::Root::connect(&self.folder().run(), self.inner_port()).await.map_err(Error::database(operation))
    }

    /// Returns the port that the server itself listens on.
    pub(crate) fn inner_port(&self) -> u16 {
        self.started().inner_port::<E>()
    }

    fn started(&self) -> &Started {
        &self.parts().0
    }

    fn parts(&self) -> &(Started, RunFolder) {
        self.parts.as_ref().expect("the parts are taken only by drop")
    }
}

impl<E: Kind> Drop for Server<E> {
    fn drop(&mut self) {
        if let Some((server, folder)) = self.parts.take() {
            launch::end(server, folder);
        }
    }
}

impl<E: Kind> fmt::Debug for Server<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(E::NAME)
            .field("description", &self.description)
            .field("endpoint", &self.endpoint)
            .field("dial", &self.dial)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn parsed<T: std::str::FromStr<Err: fmt::Display>>(setting: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|e: T::Err| Error::Setting { setting, value: text.into(), problem: e.to_string() })
}
