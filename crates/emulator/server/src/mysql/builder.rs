//! The settings of a server that is to be started.

use rds_iam_token::{Endpoint, Region};

use super::MySql;
use crate::credentials::MasterCredentials;
use crate::error::Error;
use crate::runtime::Runtime;

/// The settings of a [`MySql`] server.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing starts before `start` is awaited"]
pub struct Builder {
    pub(super) runtime: Option<Runtime>,
    pub(super) databases: Vec<String>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) other_endpoints: Vec<Endpoint>,
    pub(super) region: Option<Region>,
    pub(super) resource_id: Option<String>,
    pub(super) master: Option<MasterCredentials>,
}

impl Builder {
    /// The runtime of the server. Without this, the environment decides: see [`Runtime::from_env`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// A database to create at the start. May be called several times.
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.databases.push(name.into());
        self
    }

    /// The endpoint that tokens are to be signed for, in place of a made-up one.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Another endpoint that tokens may be signed for, as where the server also emulates the proxy before it.
    /// The server's certificate is good for its name too. May be called several times.
    pub fn also_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.other_endpoints.push(endpoint);
        self
    }

    /// The resource id (`db-…`) that the server is to have, in place of a made-up one.
    pub fn resource_id(mut self, resource_id: impl Into<String>) -> Self {
        self.resource_id = Some(resource_id.into());
        self
    }

    /// The master user, in place of `admin` with a made-up password: see
    /// `AwsApi::master_credentials` of `rds-iam-emulator-account`.
    pub fn master(mut self, master: MasterCredentials) -> Self {
        self.master = Some(master);
        self
    }

    /// The region of the server, in place of us-east-1.
    pub fn region(mut self, region: Region) -> Self {
        self.region = Some(region);
        self
    }

    /// Starts the server and waits until it answers: about a second, or a minute at the first start on
    /// a machine, when it has to be fetched. Slow steps are reported through `tracing`, at info.
    ///
    /// # Errors
    /// [`Error`] says what is missing or went wrong. Nothing stays behind.
    pub async fn start(self) -> Result<MySql, Error> {
        MySql::start(self).await
    }
}
