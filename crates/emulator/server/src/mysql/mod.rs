//! A MySQL server that checks IAM tokens as RDS does.

mod accounts;
mod builder;
mod container;
mod debian_root;
mod launch;
mod plugin;
mod process;
mod server;

use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use rds_iam_emulator_control::{AccessKey, AuthSwitch, LoginEvent, Refuse, State};
use rds_iam_token::{Endpoint, Region};
use tracing::info;

use self::accounts::{POLL, Root};
pub use self::builder::Builder;
use self::launch::{READY_TIMEOUT, Server};
use crate::credentials::{MasterCredentials, credentials_file, made_up_resource_id, own_key};
use crate::error::Error;
use crate::relay::Relay;
use crate::run_folder::RunFolder;
use crate::runtime::Runtime;
use crate::tls::ServerIdentity;

/// How long ended connections may take until the server has forgotten them.
const CUT_TIMEOUT: Duration = Duration::from_secs(10);

/// A running MySQL server with RDS's `AWSAuthenticationPlugin`: accounts `IDENTIFIED WITH
/// AWSAuthenticationPlugin AS 'RDS'` log in by token, and only by one that is really good.
///
/// Dropping it ends the server and removes all that belonged to it. So does the end of the process, in
/// whatever way it comes, a moment later.
///
/// ```no_run
/// # async fn example() -> Result<(), rds_iam_emulator_server::Error> {
/// let mysql = rds_iam_emulator_server::MySql::builder().database("shop").start().await?;
/// println!("{}: sign for {}, dial {}", mysql.describe(), mysql.endpoint(), mysql.dial());
/// # Ok(())
/// # }
/// ```
pub struct MySql {
    /// Taken only when this is dropped.
    parts: Option<(Server, RunFolder)>,
    state: Mutex<State>,
    endpoint: Endpoint,
    dial: Endpoint,
    region: Region,
    resource_id: String,
    ca_pem: String,
    master: MasterCredentials,
    key: AccessKey,
    description: String,
}

impl MySql {
    /// A server with the defaults, to be changed and started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    async fn start(wanted: Builder) -> Result<Self, Error> {
        let runtime = match wanted.runtime {
            Some(runtime) => runtime,
            None => Runtime::from_env()?,
        };
        let chosen = runtime.choose().await?;
        let plugin = plugin::library().await?;
        let region = match wanted.region {
            Some(region) => region,
            None => parsed("region", "us-east-1")?,
        };
        let endpoint = match wanted.endpoint {
            Some(endpoint) => endpoint,
            None => parsed("endpoint", &format!("local-mysql.c0ffee123456.{region}.rds.amazonaws.com:3306"))?,
        };
        let mut endpoints = vec![endpoint.clone()];
        endpoints.extend(wanted.other_endpoints);
        let identity = ServerIdentity::new(&endpoints)?;
        let key = own_key()?;
        let state = State {
            region: region.to_string(),
            endpoints: endpoints.iter().map(Endpoint::to_string).collect(),
            keys: vec![key.clone()],
            clock_offset_seconds: 0,
            refuse: Refuse::default(),
            auth_switch: AuthSwitch::default(),
        };

        let (server, folder) = launch::start(&chosen, &plugin, &identity, &state).await?;
        let port = server.port();
        let origin = match &server {
            Server::Process(_) => "from Debian's packages, as a child process".into(),
            Server::Container(container) => container.origin.clone(),
        };
        // From here on, dropping `mysql` cleans up.
        let mut mysql = Self {
            parts: Some((server, folder)),
            state: Mutex::new(state),
            dial: parsed("address", &format!("127.0.0.1:{port}"))?,
            resource_id: wanted.resource_id.unwrap_or_else(made_up_resource_id),
            ca_pem: identity.ca_pem().to_owned(),
            master: wanted.master.unwrap_or_else(MasterCredentials::made_up),
            endpoint,
            region,
            key,
            description: String::new(),
        };
        let mut root = mysql.root().await?;
        mysql.description = format!("MySQL {} {origin}", root.version().await?);
        root.create_master(&mysql.master).await?;
        for database in &wanted.databases {
            root.create_database(database).await?;
        }
        root.close().await;
        info!("{} at {}", mysql.description, mysql.dial);
        Ok(mysql)
    }

    /// The endpoint that tokens have to be signed for, unless it is for one of [`Builder::also_endpoint`].
    /// The server's certificate names its host. It looks like RDS's and leads nowhere.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The address that the server listens on. Its certificate does not name it.
    #[must_use]
    pub fn dial(&self) -> &Endpoint {
        &self.dial
    }

    /// The region that tokens have to be signed for.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The resource id (`db-…`) that the server would have in an ARN.
    #[must_use]
    pub fn resource_id(&self) -> &str {
        &self.resource_id
    }

    /// The certificate, as PEM, of the authority that signed the server's.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A file with [`MySql::ca_pem`], there as long as the server is.
    #[must_use]
    pub fn ca_path(&self) -> PathBuf {
        self.folder().ca()
    }

    /// The file with all logins by token, one line of JSON each, with the reason for each refusal: what the log
    /// `iam-db-auth-error` is on RDS. [`MySql::logins`] reads it. A user that doesn't exist does not get that far.
    #[must_use]
    pub fn login_log(&self) -> PathBuf {
        LoginEvent::record(&self.folder().control())
    }

    /// The master user: not root, but what RDS gives its customers. It has to use TLS.
    #[must_use]
    pub fn master(&self) -> &MasterCredentials {
        &self.master
    }

    /// Temporary AWS credentials that the server accepts: a client that signs with them may log in as any user,
    /// until [`MySql::allow_users`] says otherwise.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        let AccessKey { id, secret, session_token, .. } = &self.key;
        Credentials::new(id, secret, session_token.clone(), None, "rds-iam-emulator")
    }

    /// Writes [`MySql::credentials`] to `path` as an AWS shared credentials file that only its owner may
    /// read, for child processes (`AWS_SHARED_CREDENTIALS_FILE`): so no secret gets into an environment.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn write_credentials_file(&self, path: &Path) -> Result<(), Error> {
        let text = credentials_file(&self.key);
        let write = || {
            // A file that is there already may be open to others.
            match fs::remove_file(path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
        };
        write().map_err(Error::io("write", path))
    }

    /// The runtime of the server: [`Runtime::Docker`] or [`Runtime::Process`].
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        match &self.parts {
            Some((Server::Container(_), _)) => Runtime::Docker,
            _ => Runtime::Process,
        }
    }

    /// What runs here, such as "MySQL 9.7.4 from Debian's packages, in a container of Docker
    /// 20.10.24".
    #[must_use]
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// Makes the server accept another access key, or replaces one with the same id.
    ///
    /// # Errors
    /// [`Error::Io`] when the server's folder is gone.
    pub fn enter_key(&self, key: AccessKey) -> Result<(), Error> {
        self.change(|state| {
            state.keys.retain(|known| known.id != key.id);
            state.keys.push(key);
        })
    }

    /// Makes tokens for another endpoint good too, as where a proxy comes before the server later on. Unlike
    /// that of [`Builder::also_endpoint`], its name is not in the server's certificate.
    ///
    /// # Errors
    /// [`Error::Io`] when the server's folder is gone.
    pub fn accept_endpoint(&self, endpoint: &Endpoint) -> Result<(), Error> {
        let endpoint = endpoint.to_string();
        self.change(|state| {
            state.endpoints.retain(|known| *known != endpoint);
            state.endpoints.push(endpoint);
        })
    }

    /// Limits the default credentials to these users, as an `rds-db:connect` policy does.
    ///
    /// # Errors
    /// [`Error::Io`] when the server's folder is gone.
    pub fn allow_users<U: Into<String>>(&self, users: impl IntoIterator<Item = U>) -> Result<(), Error> {
        let users: Vec<String> = users.into_iter().map(Into::into).collect();
        self.change(|state| {
            state.keys.iter_mut().filter(|k| k.id == self.key.id).for_each(|k| k.users = Some(users.clone()));
        })
    }

    /// Moves the server's clock, by which tokens expire, this many seconds away from the real time.
    ///
    /// # Errors
    /// [`Error::Io`] when the server's folder is gone.
    pub fn set_clock(&self, offset_seconds: i64) -> Result<(), Error> {
        self.change(|state| state.clock_offset_seconds = offset_seconds)
    }

    /// Refuses the next `count` logins by token, whatever they bring; zero withdraws what is left of an
    /// earlier order. The record calls them `500 Internal`.
    ///
    /// # Errors
    /// [`Error::Io`] when the server's folder is gone.
    pub fn refuse_next(&self, count: u32) -> Result<(), Error> {
        self.change(|state| state.refuse = Refuse { serial: state.refuse.serial + 1, count })
    }

    /// Chooses what the server sends with its request for a token: nothing, as RDS, which is the default, or
    /// what a stock server's plugins send.
    ///
    /// # Errors
    /// [`Error::Io`] when the server's folder is gone.
    pub fn set_auth_switch(&self, form: AuthSwitch) -> Result<(), Error> {
        self.change(|state| state.auth_switch = form)
    }

    /// Makes the server refuse writes (1290), as a writer that has become a reader, or accept them again. The
    /// connections of clients stay.
    ///
    /// # Errors
    /// [`Error::Database`] when the server does not answer.
    pub async fn set_read_only(&self, read_only: bool) -> Result<(), Error> {
        let mut root = self.connect_root().await.map_err(Error::database("answer"))?;
        root.set_read_only(read_only).await?;
        root.close().await;
        Ok(())
    }

    /// All logins by token so far, oldest first, with the reasons that clients do not get.
    ///
    /// # Errors
    /// [`Error::Io`] when the server's folder is gone.
    pub fn logins(&self) -> Result<Vec<LoginEvent>, Error> {
        let control = self.folder().control();
        LoginEvent::read_all(&control).map_err(Error::io("read the logins in", &control))
    }

    /// Waits until there is a login (one that was there before counts too) that `wanted` accepts.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when there is none `within` that time.
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

    /// Cuts the connections of all clients and returns when the server has let go of them; how many
    /// there were. New ones are welcome, even meanwhile.
    ///
    /// # Errors
    /// [`Error::Database`] when the server does not answer.
    pub async fn cut_connections(&self) -> Result<usize, Error> {
        let mut root = self.connect_root().await.map_err(Error::database("answer"))?;
        let cut = root.cut_connections(CUT_TIMEOUT).await?;
        root.close().await;
        Ok(cut)
    }

    /// Ends the server at once, as a crash does; its data stays.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it does not end.
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

    /// Starts the server again after [`MySql::stop`], at the same address, and waits until it answers.
    ///
    /// # Errors
    /// [`Error::NotReady`] when it does not.
    pub async fn restart(&self) -> Result<(), Error> {
        self.folder().order_start()?;
        launch::wait_until_ready(self.folder(), self.dial.port()).await
    }

    /// A relay in front of the server, which can be cut, made unreachable and made to throttle.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot listen.
    pub async fn relay(&self) -> Result<Relay, Error> {
        Relay::start(self.dial.clone()).await
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let control = self.folder().control();
        state.write(&control).map_err(Error::io("write the state into", &control))
    }

    fn folder(&self) -> &RunFolder {
        let (_, folder) = self.parts.as_ref().expect("the parts are taken only by drop");
        folder
    }

    async fn connect_root(&self) -> Result<Root, sqlx::Error> {
        Root::connect(&self.folder().socket()).await
    }

    async fn root(&self) -> Result<Root, Error> {
        self.connect_root().await.map_err(Error::database("let root in"))
    }
}

impl Drop for MySql {
    fn drop(&mut self) {
        if let Some((server, folder)) = self.parts.take() {
            launch::end(server, folder);
        }
    }
}

impl fmt::Debug for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySql")
            .field("description", &self.description)
            .field("endpoint", &self.endpoint)
            .field("dial", &self.dial)
            .finish_non_exhaustive()
    }
}

fn parsed<T: std::str::FromStr<Err: fmt::Display>>(setting: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|e: T::Err| Error::Setting { setting, value: text.into(), problem: e.to_string() })
}
