//! The databases of an account: a MySQL server for each database instance of the AWS API, which also accepts tokens
//! for the endpoints of its proxies. Finds a database by host name.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rds_iam_emulator_control::AccessKey;
use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::MySql;
use rds_iam_emulator_server::credentials::{credentials_file, own_key};
use rds_iam_emulator_server::host::file::{self, remove};
use rds_iam_report::ErrorReport;
use serde_json::json;
use tokio::task::JoinHandle;
use tracing::{error, info};

use crate::aws::AwsApi;
use crate::folder::Folder;
use crate::name::Name;
use crate::snapshot;

/// The servers, by the resource id of their instance.
pub(crate) struct Databases {
    /// The access key that all of them accept, in place of the credentials of the account's roles.
    key: AccessKey,
    credentials_file: PathBuf,
    servers: HashMap<String, Database>,
    /// Instances whose identifiers are not valid names, by resource id.
    refused: HashSet<String>,
}

/// The server of a database instance. Dropping it ends the server.
struct Database {
    identifier: Name,
    /// The endpoints that tokens may be signed for, as `host:port`.
    endpoints: HashSet<String>,
    server: Server,
}

enum Server {
    Starting(JoinHandle<Result<MySql, Error>>),
    Running(Box<MySql>),
    /// The start failed, and is not repeated.
    Failed,
}

/// The result of a search by endpoint.
pub(crate) enum Found {
    /// The address, and the file with the authority that signed the certificate.
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

    /// Starts servers of new instances, ends those of deleted ones, and writes their addresses into the
    /// folder.
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
        for database in found.iter().filter(|database| database.engine == "mysql") {
            match self.servers.get_mut(&database.resource_id) {
                None if database.status == "available" => {
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
                        of_region.map_err(Error::setting("the instance's region", &database.region));
                    let (wanted, key) = (database.clone(), self.key.clone());
                    let server = tokio::spawn(async move { start(wanted, of_region?, key).await });
                    let begun = Database {
                        identifier,
                        endpoints: HashSet::from([database.endpoint.clone()]),
                        server: Server::Starting(server),
                    };
                    self.servers.insert(database.resource_id.clone(), begun);
                }
                None => {}
                Some(begun) => {
                    let followed = begun.follow(&database.proxies, folder, &self.credentials_file).await;
                    if let Err(e) = followed {
                        error!("{}: {}", database.identifier, ErrorReport(&e));
                        begun.server = Server::Failed;
                    }
                }
            }
        }
    }

    /// Returns the database of a host name, an instance's or a proxy's.
    pub(crate) fn find_by_host(&self, host: &str, folder: &Folder) -> Found {
        let of_host = |endpoint: &String| endpoint.rsplit_once(':').is_some_and(|(name, _)| name == host);
        let found = self.servers.values().find(|database| database.endpoints.iter().any(of_host));
        match found.map(|database| (&database.server, database)) {
            Some((Server::Running(mysql), database)) => Found::Ready {
                dial: mysql.dial().to_string(),
                ca_file: ca_file(folder, &database.identifier),
            },
            Some((Server::Starting(_), _)) => Found::Starting,
            Some((Server::Failed, _)) | None => Found::None,
        }
    }
}

impl Database {
    /// Writes the server's address once it runs, and adds the endpoints of new proxies.
    async fn follow(
        &mut self,
        proxies: &[String],
        folder: &Folder,
        credentials_file: &Path,
    ) -> Result<(), Error> {
        if let Server::Starting(starting) = &mut self.server {
            if !starting.is_finished() {
                self.endpoints.extend(proxies.iter().cloned());
                return Ok(());
            }
            let ended = |e| Error::aws("start a database")(e);
            let mysql = starting.await.map_err(ended)??;
            self.endpoints.drain().try_for_each(|endpoint| accept(&mysql, &endpoint))?;
            let ca_file = ca_file(folder, &self.identifier);
            file::replace(&ca_file, mysql.ca_pem(), 0o644)?;
            let about = json!({
                "dial": mysql.dial().to_string(),
                "ca_file": ca_file,
                "credentials_file": credentials_file,
            });
            file::replace(&about_file(folder, &self.identifier), &format!("{about:#}\n"), 0o644)?;
            info!("{}: {} at {}", self.identifier, mysql.describe(), mysql.dial());
            self.endpoints.insert(mysql.endpoint().to_string());
            self.server = Server::Running(Box::new(mysql));
        }
        if let Server::Running(mysql) = &self.server {
            for proxy in proxies {
                if !self.endpoints.contains(proxy) {
                    accept(mysql, proxy)?;
                    self.endpoints.insert(proxy.clone());
                }
            }
        }
        Ok(())
    }

    fn withdraw(&self, folder: &Folder) {
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

/// Starts the server of an instance, with the master secret that RDS would have made.
async fn start(database: snapshot::Database, aws: AwsApi, key: AccessKey) -> Result<MySql, Error> {
    let Some(secret) = &database.master_secret_arn else {
        return Err(Error::Setting {
            setting: "ManageMasterUserPassword of the instance",
            value: "false".into(),
            problem: "a server is started for an instance with a managed master secret only".into(),
        });
    };
    let endpoint = database.endpoint.parse();
    let mut mysql = MySql::builder()
        .region(aws.region().clone())
        .endpoint(endpoint.map_err(Error::setting("the instance's endpoint", &database.endpoint))?)
        .certificate_name(proxies_of(&database.endpoint))
        .resource_id(database.resource_id)
        .master(aws.master_credentials(secret).await?);
    if let Some(name) = database.name {
        mysql = mysql.database(name);
    }
    let mysql = mysql.start().await?;
    mysql.enter_key(key)?;
    Ok(mysql)
}

/// Returns the wildcard name of the proxies beside an instance, as a proxy's certificate has it on AWS: an account's
/// identifier in a region is in both names (`orders.c0ffee.eu-west-1…` and `orders.proxy-c0ffee.eu-west-1…`).
fn proxies_of(endpoint: &str) -> String {
    let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
    format!("*.proxy-{}", host.split_once('.').map_or(host, |(_, rest)| rest))
}

fn accept(mysql: &MySql, endpoint: &str) -> Result<(), Error> {
    mysql.accept_endpoint(&endpoint.parse().map_err(Error::setting("a proxy's endpoint", endpoint))?)
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

    // The endpoints are those of `test_a_proxy_has_the_identifier_of_its_account`, which moto's patch makes.
    #[test]
    fn the_certificate_of_an_instance_names_the_proxies_of_its_account() {
        let names = proxies_of("db.aaaaaaaaaa.us-east-1.rds.amazonaws.com:3306");
        assert_eq!(names, "*.proxy-aaaaaaaaaa.us-east-1.rds.amazonaws.com");
    }
}
