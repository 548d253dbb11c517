//! The proxies before a database: an emulated RDS Proxy for each endpoint, with the logins that the AWS API has for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use rds_iam_emulator_control::AccessKey;
use rds_iam_emulator_proxy::{Backend, Proxy, Secret, Settings};
use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::host::file::{self, remove};
use rds_iam_report::ErrorReport;
use rds_iam_token::Endpoint;
use serde_json::json;
use tracing::{error, info};

use super::socket_address;
use crate::aws::AwsApi;
use crate::folder::Folder;
use crate::snapshot;

/// The running proxies of a database, by their endpoint.
#[derive(Default)]
pub(super) struct Proxies(HashMap<String, Started>);

/// A proxy, and the description that it was started with. `None` if it could not be started: the next poll tries again.
struct Started {
    described: snapshot::Proxy,
    proxy: Option<Proxy>,
}

impl Proxies {
    /// Starts new proxies, ends deleted ones, and replaces those whose logins have changed. A start that failed is
    /// repeated at each call: a secret may be there later. `before_database` returns the settings of a proxy that logs
    /// in by IAM. Clients log in with `key`.
    pub(super) async fn follow(
        &mut self,
        wanted: &[snapshot::Proxy],
        before_database: impl Fn() -> Result<Settings, Error>,
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
            let before = self.0.get(&described.endpoint);
            if before.is_some_and(|started| started.proxy.is_some()) {
                continue;
            }
            let is_first = before.is_none();
            let proxy = start(described, &before_database, key, aws, folder).await;
            let proxy = proxy.inspect_err(|e| {
                // An error that stays is reported once.
                if is_first {
                    error!("{}: {}", described.endpoint, ErrorReport(e));
                }
            });
            let proxy = proxy.ok();
            self.0.insert(described.endpoint.clone(), Started { described: described.clone(), proxy });
        }
    }

    /// Returns the proxy of a host name.
    pub(super) fn find_by_host(&self, host: &str) -> Option<&Proxy> {
        let mut proxies = self.0.values().filter_map(|started| started.proxy.as_ref());
        proxies.find(|proxy| proxy.endpoint().host().to_string() == host)
    }

    /// Returns the endpoints of all proxies, each with its address if it runs.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (String, Option<SocketAddr>)> {
        let address = |started: &Started| socket_address(started.proxy.as_ref()?.dial());
        self.0.iter().map(move |(endpoint, started)| (endpoint.clone(), address(started)))
    }

    /// Removes the files about all proxies.
    pub(super) fn withdraw(&self, folder: &Folder) {
        self.0.keys().for_each(|endpoint| withdraw(endpoint, folder));
    }
}

async fn start(
    described: &snapshot::Proxy,
    before_database: impl Fn() -> Result<Settings, Error>,
    key: &AccessKey,
    aws: &AwsApi,
    folder: &Folder,
) -> Result<Proxy, Error> {
    let endpoint: Result<Endpoint, _> = described.endpoint.parse();
    let endpoint = endpoint.map_err(Error::setting("a proxy's endpoint", &described.endpoint))?;
    let mut secrets = Vec::new();
    for arn in &described.secrets {
        secrets.push(Secret::from(&aws.master_credentials(arn).await?));
    }
    // Last of what may fail at each repetition: the database accepts another key for each settings.
    let mut settings = before_database()?;
    settings.endpoint = endpoint;
    settings.keys = vec![key.clone()];
    if !secrets.is_empty() {
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

#[cfg(test)]
mod tests {
    use rds_iam_emulator_proxy::{Engine as _, Limits};
    use rds_iam_emulator_server::credentials::own_key;
    use rds_iam_emulator_server::tls::ServerIdentity;

    use super::*;

    /// Returns the settings of a proxy before a database that does not run: no client logs in.
    fn before_database() -> Result<Settings, Error> {
        let endpoint: Endpoint = "db.c0ffee123456.us-east-1.rds.amazonaws.com:3306".parse().unwrap();
        let dial = "127.0.0.1:3306".parse().unwrap();
        let identity = ServerIdentity::new(std::slice::from_ref(&endpoint), &[])?;
        let region = "us-east-1".parse().unwrap();
        Ok(Settings {
            engine: sqlx::MySql::FAMILY,
            backend: Backend::token(&endpoint, &region, &own_key()?),
            upstream: rds_iam_emulator_proxy::upstream(&endpoint, &dial, identity.ca_pem())?,
            endpoint,
            region,
            keys: Vec::new(),
            limits: Limits::default(),
        })
    }

    #[tokio::test]
    async fn a_proxy_without_its_secret_is_started_once_that_can_be_read() {
        let outer = tempfile::tempdir().unwrap();
        let folder = Folder::take(outer.path()).unwrap();
        let (aws, key) = (AwsApi::start().await.unwrap(), own_key().unwrap());
        let host = "late.proxy-c0ffee123456.us-east-1.rds.amazonaws.com";
        let wanted = [snapshot::Proxy { endpoint: format!("{host}:3306"), secrets: vec!["late".into()] }];
        let mut proxies = Proxies::default();
        let dial = |proxies: &Proxies| proxies.find_by_host(host).map(|proxy| proxy.dial().to_string());

        proxies.follow(&wanted, before_database, &key, &aws, &folder).await;
        assert_eq!(dial(&proxies), None);
        aws.put_secret("late", r#"{"username": "app", "password": "made-up"}"#).await.unwrap();
        proxies.follow(&wanted, before_database, &key, &aws, &folder).await;
        let started = dial(&proxies);
        assert!(started.is_some(), "the start is not repeated");
        proxies.follow(&wanted, before_database, &key, &aws, &folder).await;
        assert_eq!(dial(&proxies), started, "a proxy that runs is not replaced");
    }
}
