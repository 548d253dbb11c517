//! The settings of a server, before it is started.

use rds_iam_token::{Endpoint, Region};

use crate::credentials::MasterCredentials;
use crate::runtime::Runtime;

/// The settings of a [`MySql`](crate::MySql) server.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing starts before `start` is awaited"]
pub struct Builder {
    pub(super) runtime: Option<Runtime>,
    pub(super) databases: Vec<String>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) other_endpoints: Vec<Endpoint>,
    pub(super) certificate_names: Vec<String>,
    pub(super) region: Option<Region>,
    pub(super) resource_id: Option<String>,
    pub(super) master: Option<MasterCredentials>,
}

impl Builder {
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

    /// Sets the master user, in place of `admin` with a made-up password: see
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
}
