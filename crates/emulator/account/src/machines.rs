//! The machines of an account: one for each Auto Scaling group whose instances were refreshed.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::command::{Command, find};
use rds_iam_emulator_server::host::file::remove;
use rds_iam_report::ErrorReport;
use tracing::{debug, info, warn};

use crate::aws::AwsApi;
use crate::child_guard::ChildGuard;
use crate::databases::{Databases, Found};
use crate::folder::Folder;
use crate::machine::{Machine, Needs, Step};
use crate::name::Name;
use crate::registry::Registry;
use crate::shims;
use crate::snapshot::{Group, Progress, Report, Status};
use crate::user_data::UserData;

/// The label of every container of an account; its value is the account's folder.
const LABEL: &str = "rds-iam-account";

/// Shell script: removes the containers that have the label `$2`, and then the images that were pulled from
/// the registry `$3`; `$1` is the Docker client.
const REMOVE: &str = r#""$1" ps --all --quiet --no-trunc --filter "label=$2" | xargs --no-run-if-empty "$1" rm --force
"$1" images --digests --filter "reference=$3/*" --filter "reference=$3/*/*" --format '{{.Repository}}@{{.Digest}}' |
    xargs --no-run-if-empty "$1" rmi"#;

/// The machines, by the id of their group.
pub(crate) struct Machines {
    /// Dropped before `containers`, which ends their scripts too.
    machines: HashMap<String, Machine>,
    /// Removes all containers and images when this is dropped, or this process ends by any cause.
    remover: Option<ChildGuard>,
    shims: PathBuf,
    label: String,
    log: File,
}

impl Machines {
    /// Creates an empty set, and removes the remains of a run that was killed. `program` is the one that calls
    /// [`shims::run`].
    pub(crate) async fn new(folder: &Folder, registry: &Registry, program: &Path) -> Result<Self, Error> {
        let shims = folder.join("shims");
        shims::write(&shims, program)?;
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

    /// Continues refreshes, ends machines of deleted groups, and reports.
    pub(crate) async fn follow(
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
                let progress = match Name::new(&group.name) {
                    Ok(name) => {
                        self.refresh(
                            refresh.status,
                            name,
                            group,
                            databases,
                            registry,
                            aws,
                            folder,
                            &mut report,
                        )
                        .await
                    }
                    Err(problem) => failed(problem),
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

    /// Continues a refresh; returns its progress, if there is any.
    #[expect(clippy::too_many_arguments, reason = "the parts of the account, each lent for this call")]
    async fn refresh(
        &mut self,
        status: Status,
        name: Name,
        group: &Group,
        databases: &Databases,
        registry: &Registry,
        aws: &AwsApi,
        folder: &Folder,
        report: &mut Report,
    ) -> Option<Progress> {
        let machine = self.machines.entry(group.id.clone()).or_insert_with(|| Machine::new(name, folder));
        let step = match status {
            Status::Pending => Step::Launch,
            Status::InProgress => machine.progress(group, report).await,
            Status::Cancelling => {
                machine.cancel(group, report).await;
                Step::Over(Progress { status: "Cancelled", reason: None })
            }
            Status::Over => Step::Wait,
        };
        match step {
            Step::Wait => None,
            Step::Over(progress) => Some(progress),
            Step::Launch => {
                let needs = match self.needs(group, databases, registry, aws, folder).await {
                    Ok(Some(needs)) => needs,
                    // The database does not exist yet.
                    Ok(None) => return None,
                    Err(reason) => return failed(reason),
                };
                match self.machines.get_mut(&group.id)?.launch(group, needs, report).await {
                    Ok(()) => {
                        (status == Status::Pending).then_some(Progress { status: "InProgress", reason: None })
                    }
                    Err(e) => failed(ErrorReport(&e).to_string()),
                }
            }
        }
    }

    /// Returns the input of a launch, once the app's database has started.
    async fn needs<'a>(
        &mut self,
        group: &'a Group,
        databases: &'a Databases,
        registry: &'a Registry,
        aws: &'a AwsApi,
        folder: &Folder,
    ) -> Result<Option<Needs<'a>>, String> {
        let user_data = UserData::parse(&group.user_data)?;
        let docker =
            find("docker").ok_or("the computer that emulates the machine has no docker on its PATH")?;
        let database = match self.database_of(&user_data, group, databases, aws, folder).await {
            Ok(Found::Starting) => return Ok(None),
            Ok(Found::Ready { dial, ca_file }) => Some((dial, ca_file)),
            Ok(Found::None) => None,
            Err(e) => return Err(ErrorReport(&e).to_string()),
        };
        let label = self.label.clone();
        if self.remover.is_none() {
            let remove = remove_command(&docker, &label, registry);
            self.remover = Some(ChildGuard::at_the_end(&remove, &self.log).map_err(|e| e.to_string())?);
        }
        Ok(Some(Needs {
            user_data,
            region: &group.region,
            health_path: group.target_groups.iter().find_map(|of| of.health_path.clone()),
            docker,
            docker_config: registry.docker_config(),
            registry: registry.address(),
            aws_endpoint_url: aws.url(),
            credentials_file: databases.credentials_file(),
            credentials: databases.credentials(),
            database,
            shims: self.shims.clone(),
            label,
        }))
    }

    /// Returns the database in the app's settings.
    async fn database_of(
        &self,
        user_data: &UserData,
        group: &Group,
        databases: &Databases,
        aws: &AwsApi,
        folder: &Folder,
    ) -> Result<Found, Error> {
        let region = group.region.parse().map_err(Error::setting("the group's region", &group.region))?;
        let name = format!("{}/endpoint", user_data.parameter_path);
        let Some(host) = aws.in_region(region).parameter(&name).await? else {
            warn!("{}: there is no parameter {name}, so the app gets no database", group.name);
            return Ok(Found::None);
        };
        let found = databases.find_by_host(&host, folder);
        if matches!(found, Found::None) {
            warn!("{}: {name} is {host}, which is no database here", group.name);
        }
        Ok(found)
    }
}

fn failed(reason: String) -> Option<Progress> {
    Some(Progress { status: "Failed", reason: Some(reason) })
}

/// Returns the command that removes all containers and images of an account's machines.
fn remove_command(docker: &Path, label: &str, registry: &Registry) -> [String; 7] {
    let docker = docker.display().to_string();
    ["sh", "-c", REMOVE, "sh", &docker, label, registry.address()].map(String::from)
}

impl Drop for Machines {
    fn drop(&mut self) {
        self.machines.values_mut().for_each(Machine::end_scripts);
        drop(self.remover.take());
        for machine in self.machines.values() {
            if let Err(e) = remove(machine.folder()) {
                warn!("{e}");
            }
        }
    }
}
