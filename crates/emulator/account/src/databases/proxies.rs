//! The proxies before a database: an emulated RDS Proxy for each endpoint, with the logins that the AWS API has for it.

use std::collections::HashMap;
use std::path::PathBuf;

use rds_iam_emulator_control::AccessKey;
use rds_iam_emulator_proxy::{Backend, Proxy, Secret};
use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::host::file::{self, remove};
use rds_iam_report::ErrorReport;
use rds_iam_token::Endpoint;
use serde_json::json;
use tracing::{error, info};

use super::running::Running;
use crate::aws::AwsApi;
use crate::folder::Folder;
use crate::snapshot;

/// The running proxies of a database, by their endpoint.
#[derive(Default)]
pub(super) struct Proxies(HashMap<String, Started>);

/// A proxy, and the description that it was started with. `None` if it could not be started, which is not repeated.
struct Started {
    described: snapshot::Proxy,
    proxy: Option<Proxy>,
}

impl Proxies {
    /// Starts new proxies, ends deleted ones, and replaces those whose logins have changed. Clients log in with `key`.
    pub(super) async fn follow(
        &mut self,
        wanted: &[snapshot::Proxy],
        running: &Running,
        key: &AccessKey,
        aws: &AwsApi,
        folder: &Folder,
    ) {
        self.0.retain(|endpoint, started| {
            let stays = wanted.contains(&started.described);
            if !stays {
                info!("{endpoint}: the proxy was deleted or changed, so it ends");
                withdraw(endpoint, folder);
            }
            stays
        });
        for described in wanted {
            if self.0.contains_key(&described.endpoint) {
                continue;
            }
            let proxy = start(described, running, key, aws, folder).await;
            let proxy = proxy.inspect_err(|e| error!("{}: {}", described.endpoint, ErrorReport(e))).ok();
            self.0.insert(described.endpoint.clone(), Started { described: described.clone(), proxy });
        }
    }

    /// Returns the proxy of a host name.
    pub(super) fn find_by_host(&self, host: &str) -> Option<&Proxy> {
        let mut proxies = self.0.values().filter_map(|started| started.proxy.as_ref());
        proxies.find(|proxy| proxy.endpoint().host().to_string() == host)
    }

    /// Removes the files about all proxies.
    pub(super) fn withdraw(&self, folder: &Folder) {
        self.0.keys().for_each(|endpoint| withdraw(endpoint, folder));
    }
}

async fn start(
    described: &snapshot::Proxy,
    running: &Running,
    key: &AccessKey,
    aws: &AwsApi,
    folder: &Folder,
) -> Result<Proxy, Error> {
    let mut settings = running.proxy_settings()?;
    let endpoint: Result<Endpoint, _> = described.endpoint.parse();
    settings.endpoint = endpoint.map_err(Error::setting("a proxy's endpoint", &described.endpoint))?;
    settings.keys = vec![key.clone()];
    if !described.secrets.is_empty() {
        let mut secrets = Vec::new();
        for arn in &described.secrets {
            secrets.push(Secret::from(&aws.master_credentials(arn).await?));
        }
        settings.backend = Backend::Secrets(secrets);
    }
    let proxy = Proxy::start(settings).await?;
    let about = json!({
        "endpoint": described.endpoint,
        "dial": proxy.dial().to_string(),
        "ca_file": proxy.ca_path(),
    });
    file::replace(&about_file(&described.endpoint, folder), &format!("{about:#}\n"), 0o644)?;
    info!("{}: that proxy is at {}", described.endpoint, proxy.dial());
    Ok(proxy)
}

fn withdraw(endpoint: &str, folder: &Folder) {
    if let Err(e) = remove(&about_file(endpoint, folder)) {
        error!("{e}");
    }
}

/// Returns the path of the file about a proxy, whose endpoint was parsed: its host has no `/`.
fn about_file(endpoint: &str, folder: &Folder) -> PathBuf {
    let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
    folder.join("proxies").join(format!("{host}.json"))
}
