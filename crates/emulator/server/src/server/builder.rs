//! The settings of a server, before it is started.

use std::fmt;

use rds_iam_token::{Endpoint, Region};

use super::Server;
use crate::credentials::MasterCredentials;
use crate::error::Error;
use crate::runtime::Runtime;
use crate::server::kind::Kind;

/// The settings of a [`Server`].
#[must_use = "nothing starts before `start` is awaited"]
pub struct Builder<E: Kind = sqlx::MySql> {
    pub(crate) runtime: Option<Runtime>,
    pub(crate) databases: Vec<String>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) other_endpoints: Vec<Endpoint>,
    pub(crate) certificate_names: Vec<String>,
    pub(crate) region: Option<Region>,
    pub(crate) resource_id: Option<String>,
    pub(crate) master: Option<MasterCredentials>,
    pub(crate) settings: E::Settings,
}

impl<E: Kind> Builder<E> {
    /// Sets the runtime of the server. The default comes from the environment: see [`Runtime::from_env`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Adds a database to create at the start. May be called several times.
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.databases.push(name.into());
        self
    }

    /// Sets the endpoint that tokens have to be signed for, in place of a made-up one.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Adds an endpoint that tokens may be signed for, for example if the server also emulates the proxy
    /// before it. The server's certificate names its host too. May be called several times.
    pub fn also_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.other_endpoints.push(endpoint);
        self
    }

    /// Adds a name to the server's certificate, such as the wildcard of proxies that are created later.
    pub fn certificate_name(mut self, name: impl Into<String>) -> Self {
        self.certificate_names.push(name.into());
        self
    }

    /// Sets the resource id (`db-…`), in place of a made-up one.
    pub fn resource_id(mut self, resource_id: impl Into<String>) -> Self {
        self.resource_id = Some(resource_id.into());
        self
    }

    /// Sets the master user, in place of [`Kind::MASTER`] with a made-up password: see
    /// `AwsApi::master_credentials` of `rds-iam-emulator-account`.
    pub fn master(mut self, master: MasterCredentials) -> Self {
        self.master = Some(master);
        self
    }

    /// Sets the region of the server, in place of us-east-1.
    pub fn region(mut self, region: Region) -> Self {
        self.region = Some(region);
        self
    }

    /// Starts the server and waits until it answers: about a second, or a minute at the first start on a
    /// machine, when it has to be downloaded. Slow steps are reported through `tracing`, at info.
    ///
    /// # Errors
    /// Returns [`Error`] with the missing program or the failed step. No process or file is left.
    pub async fn start(self) -> Result<Server<E>, Error> {
        Server::start(self).await
    }
}

impl<E: Kind> Default for Builder<E> {
    fn default() -> Self {
        Self {
            runtime: None,
            databases: Vec::new(),
            endpoint: None,
            other_endpoints: Vec::new(),
            certificate_names: Vec::new(),
            region: None,
            resource_id: None,
            master: None,
            settings: E::Settings::default(),
        }
    }
}

impl<E: Kind> Clone for Builder<E> {
    fn clone(&self) -> Self {
        Self {
            runtime: self.runtime,
            databases: self.databases.clone(),
            endpoint: self.endpoint.clone(),
            other_endpoints: self.other_endpoints.clone(),
            certificate_names: self.certificate_names.clone(),
            region: self.region.clone(),
            resource_id: self.resource_id.clone(),
            master: self.master.clone(),
            settings: self.settings.clone(),
        }
    }
}

impl<E: Kind> fmt::Debug for Builder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("kind", &E::NAME)
            .field("runtime", &self.runtime)
            .field("databases", &self.databases)
            .field("endpoint", &self.endpoint)
            .field("other_endpoints", &self.other_endpoints)
            .field("certificate_names", &self.certificate_names)
            .field("region", &self.region)
            .field("resource_id", &self.resource_id)
            .field("master", &self.master)
            .field("settings", &self.settings)
            .finish()
    }
}
