//! The machines of an account: one for each Auto Scaling group whose instances were refreshed.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use tracing::{debug, info, warn};

use super::databases::{Databases, Found, chain};
use super::folder::{Folder, remove};
use super::machine::{Machine, Needs};
use super::registry::Registry;
use super::seen::{Group, Progress, Report, Status};
use super::stand_in;
use super::user_data::StartScript;
use crate::aws::AwsApi;
use crate::command::{Command, find};
use crate::error::Error;
use crate::tied::Tied;

/// The label of every container of an account; its value is the account's folder.
const LABEL: &str = "rds-iam-account";

/// Removes the containers that have the label `$2`, and then the images that were pulled from the registry `$3`;
/// `$1` is Docker's client.
const REMOVE: &str = r#""$1" ps --all --quiet --no-trunc --filter "label=$2" | xargs --no-run-if-empty "$1" rm --force
"$1" images --digests --filter "reference=$3/*" --filter "reference=$3/*/*" --format '{{.Repository}}@{{.Digest}}' |
    xargs --no-run-if-empty "$1" rmi"#;

/// The machines, by the id of their group.
pub(super) struct Machines {
    /// Before what removes their containers, which ends their scripts too.
    machines: HashMap<String, Machine>,
    /// Removes the containers and images of all when this is dropped, or this process ends in any way.
    remover: Option<Tied>,
    shims: PathBuf,
    label: String,
    log: File,
}

impl Machines {
    /// None yet. What a run left that was killed is removed. `program` is the one that calls
    /// [`stand_in::run`].
    pub(super) async fn new(folder: &Folder, registry: &Registry, program: &Path) -> Result<Self, Error> {
        let shims = folder.join("shims");
        stand_in::write(&shims, program)?;
        let label = format!("{LABEL}={}", folder.path().display());
        if let Some(docker) = find("docker") {
            let [sh, arguments @ ..] = remove_command(&docker, &label, registry);
            if let Err(e) = Command::new(sh).args(arguments).output().await {
                debug!("no containers of an earlier run are removed: {e}");
            }
        }
        let log = folder.log("machines")?;
        Ok(Self { machines: HashMap::new(), remover: None, shims, label, log })
    }

    /// Refreshes what is to be refreshed, ends what is gone, and reports.
    pub(super) async fn follow(
        &mut self,
        groups: &[Group],
        databases: &Databases,
        registry: &Registry,
        aws: &AwsApi,
        folder: &Folder,
    ) -> Report {
        let there: HashSet<&str> = groups.iter().map(|group| group.id.as_str()).collect();
        let gone: Vec<String> =
            self.machines.keys().filter(|id| !there.contains(id.as_str())).cloned().collect();
        for id in gone {
            if let Some(machine) = self.machines.remove(&id) {
                info!("{}: deleted, so its machine ends", machine.name());
                machine.end().await;
            }
        }
        let mut report = Report::default();
        for group in groups {
            if let Some(refresh) = group.active_refresh() {
                let progress = match refresh.status {
                    Status::Pending => self.begin(group, &refresh.id, databases, registry, aws, folder).await,
                    Status::InProgress => self.machine(group, folder).progress().await,
                    Status::Cancelling => {
                        self.machine(group, folder).cancel();
                        Some(Progress { status: "Cancelled", reason: None })
                    }
                    Status::Over => None,
                };
                if let Some(progress) = progress {
                    let reason =
                        progress.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                    info!("{}: the refresh is {}{reason}", group.name, progress.status);
                    report.refreshes.insert(refresh.id.clone(), progress);
                }
            }
            if let Some(machine) = self.machines.get_mut(&group.id) {
                machine.health(&group.target_groups, &mut report).await;
            }
        }
        report
    }

    fn machine(&mut self, group: &Group, folder: &Folder) -> &mut Machine {
        let new = || Machine::new(&group.name, folder);
        self.machines.entry(group.id.clone()).or_insert_with(new)
    }

    /// Begins a refresh, once the database is there that the app will want.
    async fn begin(
        &mut self,
        group: &Group,
        refresh: &str,
        databases: &Databases,
        registry: &Registry,
        aws: &AwsApi,
        folder: &Folder,
    ) -> Option<Progress> {
        let failed = |reason: String| Some(Progress { status: "Failed", reason: Some(reason) });
        let script = match StartScript::in_user_data(&group.user_data) {
            Ok(script) => script,
            Err(reason) => return failed(reason),
        };
        let Some(docker) = find("docker") else {
            return failed("the computer that plays the machine has no docker on its PATH".into());
        };
        let database = match self.database_of(&script, group, databases, aws, folder).await {
            Ok(Found::Starting) => return None,
            Ok(Found::Ready { dial, ca_file }) => Some((dial, ca_file)),
            Ok(Found::None) => None,
            Err(e) => return failed(chain(&e)),
        };
        let label = self.label.clone();
        if self.remover.is_none() {
            let remove = remove_command(&docker, &label, registry);
            match Tied::at_the_end(&remove, &self.log) {
                Ok(remover) => self.remover = Some(remover),
                Err(e) => return failed(e.to_string()),
            }
        }
        let needs = Needs {
            script,
            region: &group.region,
            health_path: group.target_groups.iter().find_map(|of| of.health_path.clone()),
            docker,
            docker_config: registry.docker_config(),
            registry: registry.address(),
            aws_endpoint_url: aws.url(),
            credentials: databases.credentials(),
            database,
            shims: &self.shims.clone(),
            label,
        };
        match self.machine(group, folder).begin(refresh, needs) {
            Ok(()) => Some(Progress { status: "InProgress", reason: None }),
            Err(e) => failed(chain(&e)),
        }
    }

    /// The database that the app is to find in its settings.
    async fn database_of(
        &self,
        script: &StartScript,
        group: &Group,
        databases: &Databases,
        aws: &AwsApi,
        folder: &Folder,
    ) -> Result<Found, Error> {
        let region = group.region.parse().map_err(Error::setting("the group's region", &group.region))?;
        let name = format!("{}/endpoint", script.parameter_path);
        let Some(host) = aws.in_region(region).parameter(&name).await? else {
            warn!("{}: there is no parameter {name}, so the app gets no database", group.name);
            return Ok(Found::None);
        };
        let found = databases.at(&host, folder);
        if matches!(found, Found::None) {
            warn!("{}: {name} is {host}, which is no database here", group.name);
        }
        Ok(found)
    }
}

/// What removes all that the machines of an account leave with Docker.
fn remove_command(docker: &Path, label: &str, registry: &Registry) -> [String; 7] {
    let docker = docker.display().to_string();
    ["sh", "-c", REMOVE, "sh", &docker, label, registry.address()].map(String::from)
}

impl Drop for Machines {
    fn drop(&mut self) {
        self.machines.values_mut().for_each(Machine::cancel);
        drop(self.remover.take());
        for machine in self.machines.values() {
            if let Err(e) = remove(machine.folder()) {
                warn!("{e}");
            }
        }
    }
}
