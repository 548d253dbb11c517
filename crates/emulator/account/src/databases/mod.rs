//! The databases of an account: a server for each instance and each cluster of the AWS API, of its engine, which also
//! accepts tokens for the cluster's other endpoints, and the proxies before it. Finds either by host name.

mod names;
mod proxies;
mod running;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rds_iam_emulator_control::AccessKey;
use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::credentials::{credentials_file, own_key};
use rds_iam_emulator_server::host::file::{self, remove};
use rds_iam_report::ErrorReport;
use rds_iam_token::Endpoint;
use serde_json::json;
use tokio::task::JoinHandle;
use tracing::{error, info};

use self::proxies::Proxies;
use self::running::{Engine, Running, start};
use crate::aws::AwsApi;
use crate::folder::Folder;
use crate::name::Name;
use crate::snapshot;

/// The servers, by the resource id of their instance or cluster.
pub(crate) struct Databases {
    /// The access key that all of them accept, in place of the credentials of the account's roles.
    key: AccessKey,
    credentials_file: PathBuf,
    servers: HashMap<String, Database>,
    /// Databases whose identifiers are not valid names, by resource id.
    refused: HashSet<String>,
}

/// The server of an instance or cluster. Dropping it ends the server.
struct Database {
    identifier: Name,
    /// The endpoints that it has now, as `host:port`.
    endpoints: HashSet<String>,
    /// The hosts of the proxies before it, from their creation on.
    proxy_hosts: HashSet<String>,
    // Dropped, and thereby ended, before the server.
    proxies: Proxies,
    server: Server,
}

enum Server {
    Starting(JoinHandle<Result<Running, Error>>),
    Running(Running),
    /// The start failed, and is not repeated.
    Failed,
}

/// The result of a search by endpoint.
pub(crate) enum Found {
    /// The address, and the file with the authority that signed the certificate: the server's, or the proxy's.
    Ready { dial: String, ca_file: PathBuf },
    /// The server is starting.
    Starting,
    /// No database has this endpoint.
    None,
}

impl Databases {
    /// Creates an empty set, and writes this process's access key to the file `credentials` of the folder.
    pub(crate) fn new(folder: &Folder) -> Result<Self, Error> {
        let key = own_key()?;
        let file = folder.join("credentials");
        file::replace(&file, &credentials_file(&key), 0o600)?;
        Ok(Self { key, credentials_file: file, servers: HashMap::new(), refused: HashSet::new() })
    }

    /// Returns the path of the file with the access key.
    pub(crate) fn credentials_file(&self) -> &Path {
        &self.credentials_file
    }

    /// Returns the access key as a shared credentials file.
    pub(crate) fn credentials(&self) -> String {
        credentials_file(&self.key)
    }

    /// Starts servers of new databases, ends those of deleted ones, and writes their addresses into the folder.
    pub(crate) async fn follow(&mut self, found: &[snapshot::Database], aws: &AwsApi, folder: &Folder) {
        let there: HashSet<&str> = found.iter().map(|database| database.resource_id.as_str()).collect();
        self.servers.retain(|resource_id, database| {
            let stays = there.contains(resource_id.as_str());
            if !stays {
                info!("{}: deleted, so its server ends", database.identifier);
                database.withdraw(folder);
            }
            stays
        });
        for database in found {
            let Some(engine) = Engine::from_name(&database.engine) else { continue };
            match self.servers.get_mut(&database.resource_id) {
                None if database.accepts_logins() => {
                    let identifier = match Name::new(&database.identifier) {
                        Ok(identifier) => identifier,
                        Err(problem) => {
                            if self.refused.insert(database.resource_id.clone()) {
                                error!("a database gets no server: {problem}");
                            }
                            continue;
                        }
                    };
                    let of_region = database.region.parse().map(|region| aws.in_region(region));
                    let of_region =
                        of_region.map_err(Error::setting("the database's region", &database.region));
                    let (wanted, key) = (database.clone(), self.key.clone());
                    let server = tokio::spawn(async move { start(engine, wanted, of_region?, key).await });
                    let begun = Database {
                        identifier,
                        endpoints: database.all_endpoints().cloned().collect(),
                        proxy_hosts: HashSet::new(),
                        proxies: Proxies::default(),
                        server: Server::Starting(server),
                    };
                    self.servers.insert(database.resource_id.clone(), begun);
                }
                None => {}
                Some(begun) => {
                    let followed = begun.follow(database, folder, &self.credentials_file).await;
                    if let Err(e) = followed {
                        error!("{}: {}", database.identifier, ErrorReport(&e));
                        begun.server = Server::Failed;
                    }
                    begun.follow_proxies(database, &self.key, aws, folder).await;
                }
            }
        }
    }

    /// Returns the endpoints of all databases and proxies, as `host:port`, each with the address of its server if that
    /// runs.
    pub(crate) fn addresses(&self) -> HashMap<String, Option<SocketAddr>> {
        let mut addresses = HashMap::new();
        for database in self.servers.values() {
            let address = match &database.server {
                Server::Running(running) => socket_address(running.dial()),
                Server::Starting(_) | Server::Failed => None,
            };
            addresses.extend(database.endpoints.iter().map(|endpoint| (endpoint.clone(), address)));
            addresses.extend(database.proxies.addresses());
        }
        addresses
    }

    /// Returns the server of a host name: an instance's or a cluster's, or the proxy.
    pub(crate) fn find_by_host(&self, host: &str, folder: &Folder) -> Found {
        if let Some(database) = self.servers.values().find(|database| database.proxy_hosts.contains(host)) {
            return match (database.proxies.find_by_host(host), &database.server) {
                (Some(proxy), _) => Found::Ready { dial: proxy.dial().to_string(), ca_file: proxy.ca_path() },
                (None, Server::Starting(_)) => Found::Starting,
                (None, Server::Running(_) | Server::Failed) => Found::None,
            };
        }
        let of_host = |endpoint: &String| endpoint.rsplit_once(':').is_some_and(|(name, _)| name == host);
        let found = self.servers.values().find(|database| database.endpoints.iter().any(of_host));
        match found.map(|database| (&database.server, database)) {
            Some((Server::Running(running), database)) => Found::Ready {
                dial: running.dial().to_string(),
                ca_file: ca_file(folder, &database.identifier),
            },
            Some((Server::Starting(_), _)) => Found::Starting,
            Some((Server::Failed, _)) | None => Found::None,
        }
    }
}

impl Database {
    /// Starts, ends and replaces the proxies before the server, once that runs.
    async fn follow_proxies(
        &mut self,
        database: &snapshot::Database,
        key: &AccessKey,
        aws: &AwsApi,
        folder: &Folder,
    ) {
        if let Server::Running(running) = &self.server {
            match database.region.parse() {
                Ok(region) => {
                    let aws = aws.in_region(region);
                    let before_database = || running.proxy_settings();
                    self.proxies.follow(&database.proxies, before_database, key, &aws, folder).await;
                }
                Err(e) => error!("{}: {e}", database.identifier),
            }
        }
    }

    /// Writes the server's address once it runs, accepts new endpoints of the cluster, and forgets those that
    /// were deleted, so that no machine finds the server by them any more.
    async fn follow(
        &mut self,
        database: &snapshot::Database,
        folder: &Folder,
        credentials_file: &Path,
    ) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.endpoints, database.all_endpoints().cloned().collect());
        let hosts = database.proxies.iter().filter_map(|proxy| proxy.endpoint.rsplit_once(':'));
        self.proxy_hosts = hosts.map(|(host, _)| host.to_owned()).collect();
        if let Server::Starting(starting) = &mut self.server {
            if !starting.is_finished() {
                return Ok(());
            }
            let ended = |e| Error::aws("start a database")(e);
            let running = starting.await.map_err(ended)??;
            // The first one is accepted from the start, which changes nothing.
            self.endpoints.iter().try_for_each(|endpoint| running.accept(endpoint))?;
            let ca_file = ca_file(folder, &self.identifier);
            file::replace(&ca_file, running.ca_pem(), 0o644)?;
            let about = json!({
                "dial": running.dial().to_string(),
                "ca_file": ca_file,
                "credentials_file": credentials_file,
            });
            file::replace(&about_file(folder, &self.identifier), &format!("{about:#}\n"), 0o644)?;
            info!("{}: {running} at {}", self.identifier, running.dial());
            self.server = Server::Running(running);
        }
        if let Server::Running(running) = &self.server {
            self.endpoints.difference(&before).try_for_each(|endpoint| running.accept(endpoint))?;
        }
        Ok(())
    }

    fn withdraw(&self, folder: &Folder) {
        self.proxies.withdraw(folder);
        for path in [about_file(folder, &self.identifier), ca_file(folder, &self.identifier)] {
            if let Err(e) = remove(&path) {
                error!("{e}");
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Server::Starting(starting) = &self.server {
            starting.abort();
        }
    }
}

/// Returns the address of a server on this machine, which has an IP address.
fn socket_address(dial: &Endpoint) -> Option<SocketAddr> {
    dial.to_string().parse().ok()
}

fn about_file(folder: &Folder, identifier: &Name) -> PathBuf {
    folder.join("databases").join(format!("{identifier}.json"))
}

fn ca_file(folder: &Folder, identifier: &Name) -> PathBuf {
    folder.join("databases").join(format!("{identifier}.pem"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Kind;

    #[tokio::test]
    async fn a_database_is_found_by_the_endpoints_that_it_has_now() {
        let outer = tempfile::tempdir().unwrap();
        let folder = Folder::take(outer.path()).unwrap();
        let mut databases = Databases::new(&folder).unwrap();
        let mut orders = snapshot::Database {
            kind: Kind::Cluster,
            identifier: "orders".into(),
            region: "us-east-1".into(),
            engine: "aurora-postgresql".into(),
            engine_version: "17.5".into(),
            status: "available".into(),
            endpoint: "orders.cluster-a:5432".into(),
            endpoints: vec!["orders.cluster-ro-a:5432".into(), "reports.cluster-custom-a:5432".into()],
            instances: vec!["one".into()],
            proxies: vec![snapshot::Proxy { endpoint: "orders.proxy-a:5432".into(), secrets: Vec::new() }],
            resource_id: "cluster-A".into(),
            master_secret_arn: None,
            name: None,
        };
        let starting = Database {
            identifier: Name::new("orders").unwrap(),
            endpoints: HashSet::new(),
            proxy_hosts: HashSet::new(),
            proxies: Proxies::default(),
            server: Server::Starting(tokio::spawn(std::future::pending())),
        };
        databases.servers.insert(orders.resource_id.clone(), starting);
        let hosts = [
            "orders.cluster-a",
            "orders.cluster-ro-a",
            "reports.cluster-custom-a",
            "orders.proxy-a",
            "renamed.cluster-a",
        ];
        let mut found = async |database: &snapshot::Database| {
            let file = databases.credentials_file.clone();
            let server = databases.servers.get_mut("cluster-A").unwrap();
            server.follow(database, &folder, &file).await.unwrap();
            hosts.map(|host| matches!(databases.find_by_host(host, &folder), Found::Starting))
        };
        assert_eq!(found(&orders).await, [true, true, true, true, false]);
        // The custom endpoint and the proxy were deleted, and the cluster has another name.
        orders.endpoint = "renamed.cluster-a:5432".into();
        orders.endpoints.pop();
        orders.proxies.clear();
        assert_eq!(found(&orders).await, [false, true, false, false, true]);
    }
}
