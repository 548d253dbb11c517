//! The machine of an Auto Scaling group, which represents all instances of the group. A refresh starts a new
//! one beside it: it runs the group's own scripts, which start a container. The new machine replaces the old
//! one once its script has completed the launch hook; until then, and if that never happens, the old one
//! stays in service.

mod instance;
mod needs;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::command::{Command, tail};
use rds_iam_emulator_server::credentials::made_up_instance_id;
use rds_iam_emulator_server::host::file::{self, remove};
use rds_iam_emulator_server::host::free_port;
use rds_iam_report::ErrorReport;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use self::instance::{Instance, Launching, end_script};
pub(crate) use self::needs::Needs;
use crate::folder::Folder;
use crate::forward::Forward;
use crate::http::{self, HttpError};
use crate::name::Name;
use crate::shims::{SETTINGS_VARIABLE, Settings};
use crate::snapshot::{Group, Health, Launch, Progress, Report, TargetGroup};

/// The time that app-ready gives a new machine, in seconds. On AWS it is longer, because the machine installs
/// Docker first.
const READY_WITHIN: &str = "60";

/// The time for app-ready once the start script has ended: systemd would restart the script; here app-ready
/// fails at once.
const NO_MORE_TIME: &str = "0";

/// The number of unsuccessful launches after which a refresh fails.
const LAUNCHES: u32 = 3;

/// The time limit of a health check.
const HEALTH_WITHIN: Duration = Duration::from_secs(2);

/// The path of health checks if no load balancer has one.
const HEALTH_PATH: &str = "/readyz";

/// The maximum length of a reason that AWS forwards, in characters.
const REASON_LENGTH: usize = 1000;

pub(crate) struct Machine {
    group: Name,
    folder: PathBuf,
    log: PathBuf,
    /// The prefix of its containers' names.
    containers: String,
    /// The public ports: the app's own and the management port.
    ports: Option<[Forward; 2]>,
    serving: Option<Instance>,
    launching: Option<Launching>,
    /// The number of unsuccessful launches of the refresh.
    abandoned: u32,
    /// The latest report, and its target groups.
    reported: Option<(Health, Vec<String>)>,
}

/// The next step of a refresh.
pub(crate) enum Step {
    Wait,
    /// Another machine has to be launched.
    Launch,
    Over(Progress),
}

impl Machine {
    pub(crate) fn new(group: Name, folder: &Folder) -> Self {
        // Other accounts on this machine have groups of the same names.
        let account = hex::encode(&Sha256::digest(folder.path().as_os_str().as_encoded_bytes())[..3]);
        Self {
            folder: folder.join("machines").join(group.as_str()),
            log: folder.join(&format!("machine-{group}.log")),
            containers: format!("rds-iam-{group}-{account}"),
            group,
            ports: None,
            serving: None,
            launching: None,
            abandoned: 0,
            reported: None,
        }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.group
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Launches a machine: runs its start script.
    pub(crate) async fn launch(
        &mut self,
        group: &Group,
        needs: Needs<'_>,
        report: &mut Report,
    ) -> Result<(), Error> {
        self.open([needs.user_data.port, needs.user_data.management_port]).await?;
        let id = made_up_instance_id();
        let folder = self.folder.join(&id);
        let docker_config = folder.join("docker");
        fs::create_dir_all(&docker_config).map_err(Error::io("create", &docker_config))?;
        file::replace(&docker_config.join("config.json"), &needs.docker_config, 0o600)?;
        let (start_script, ready_script) = (folder.join("app-start"), folder.join("app-ready"));
        file::replace(&start_script, &needs.user_data.start, 0o700)?;
        file::replace(&ready_script, &needs.user_data.ready, 0o700)?;
        let free = || free_port().map_err(Error::io("find a free port on", Path::new("127.0.0.1")));
        let settings = Settings {
            options: needs.container_options(&folder)?,
            docker: needs.docker.clone(),
            container: format!("{}-{id}", self.containers),
            registry: needs.registry.to_owned(),
            aws_endpoint_url: needs.aws_endpoint_url.to_owned(),
            credentials_file: needs.credentials_file.to_owned(),
            region: needs.region.to_owned(),
            instance: id.clone(),
            port: free()?,
            management_port: free()?,
        };
        let settings_file = folder.join("settings.json");
        let text =
            serde_json::to_string(&settings).map_err(Error::setting("a machine", self.group.as_str()))?;
        file::replace(&settings_file, &text, 0o600)?;

        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths([needs.shims.clone()].into_iter().chain(std::env::split_paths(&path)));
        let path = path.map_err(Error::setting("PATH", &needs.shims.display().to_string()))?;
        // The environment of the units in the user data.
        let environment = vec![
            ("PATH", path.to_string_lossy().into_owned()),
            ("AWS_REGION", needs.region.to_owned()),
            ("DOCKER_CONFIG", docker_config.display().to_string()),
            (SETTINGS_VARIABLE, settings_file.display().to_string()),
        ];
        let log_from = fs::metadata(&self.log).map_or(0, |log| log.len()).try_into().unwrap_or(0);
        let start = self.run(&start_script, &[], &environment)?;
        let Settings { docker, container, port, management_port, .. } = settings;
        let health_path = needs.health_path.unwrap_or_else(|| HEALTH_PATH.to_owned());
        let instance = Instance { id, folder, docker, container, port, management_port, health_path, start };
        report.launches.push(launch(group, &instance, "MidLifecycleAction", None));
        self.launching =
            Some(Launching { instance, ready_script, environment, ready: None, ended: None, log_from });
        Ok(())
    }

    /// Opens the public ports, unless they are open already.
    async fn open(&mut self, ports: [u16; 2]) -> Result<(), Error> {
        if self.ports.as_ref().is_some_and(|open| open.each_ref().map(Forward::port) == ports) {
            return Ok(());
        }
        drop(self.ports.take());
        let [app, management] = ports;
        let address = PathBuf::from(format!("127.0.0.1, ports {app} and {management}"));
        let failed = || Error::io("listen on", &address);
        let opened =
            [Forward::open(app).await.map_err(failed())?, Forward::open(management).await.map_err(failed())?];
        if let Some(serving) = &self.serving {
            serving.take_over(&opened);
        }
        self.ports = Some(opened);
        Ok(())
    }

    /// Runs a script of the module, into the log.
    fn run(
        &self,
        script: &Path,
        arguments: &[&str],
        environment: &[(&'static str, String)],
    ) -> Result<Child, Error> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(Error::io("open", &self.log))?;
        let errors = log.try_clone().map_err(Error::io("open", &self.log))?;
        let command = Command::new("bash").arg(script).args(arguments.iter().copied());
        let command = environment.iter().fold(command, |command, (name, value)| command.env(name, value));
        Ok(command.spawn(Stdio::null(), log, errors)?)
    }

    /// Continues the refresh; returns its next step.
    pub(crate) async fn progress(&mut self, group: &Group, report: &mut Report) -> Step {
        let Some(mut launching) = self.launching.take() else { return Step::Launch };
        let completed = group.completed.get(&launching.instance.id).map(String::as_str);
        if completed == Some("CONTINUE") || !group.has_hook {
            report.launches.push(launch(group, &launching.instance, "Successful", None));
            self.put_into_service(launching).await;
            return Step::Over(Progress { status: "Successful", reason: None });
        }
        let given_up = match completed {
            Some(_) => Some("app-ready abandoned it".to_owned()),
            None => match self.follow(&mut launching) {
                Ok(given_up) => given_up,
                Err(e) => Some(ErrorReport(&e).to_string()),
            },
        };
        let Some(why) = given_up else {
            self.launching = Some(launching);
            return Step::Wait;
        };
        let ended = launching.ended.take().map(|ended| format!(" ({ended})")).unwrap_or_default();
        let reason = format!("{why}{ended}: {}", self.log_since(launching.log_from));
        let reason: String = reason.chars().take(REASON_LENGTH).collect();
        info!("{}: {} was abandoned: {reason}", self.group, launching.instance.id);
        report.launches.push(launch(group, &launching.instance, "Cancelled", Some(reason.clone())));
        launching.end().await;
        self.abandoned += 1;
        if self.abandoned < LAUNCHES {
            return Step::Launch;
        }
        self.abandoned = 0;
        Step::Over(Progress { status: "Failed", reason: Some(reason) })
    }

    /// Checks the scripts of a machine that is not in service yet. Returns the reason if it failed.
    fn follow(&self, launching: &mut Launching) -> Result<Option<String>, Error> {
        let run = |launching: &Launching, seconds| {
            self.run(&launching.ready_script, &[seconds], &launching.environment)
        };
        let Some(ready) = &mut launching.ready else {
            // The hook has been reported before.
            launching.ready = Some(run(launching, READY_WITHIN)?);
            return Ok(None);
        };
        if let Some(status) = ready.try_wait().ok().flatten() {
            // If it has completed the hook, the next poll detects that.
            return Ok((!status.success()).then(|| format!("app-ready ended ({status})")));
        }
        if launching.ended.is_none()
            && let Some(status) = launching.instance.start.try_wait().ok().flatten()
        {
            launching.ended = Some(format!("the start script of the machine ended: {status}"));
            end_script(ready);
            launching.ready = Some(run(launching, NO_MORE_TIME)?);
        }
        Ok(None)
    }

    async fn put_into_service(&mut self, launching: Launching) {
        let Launching { instance, ready, .. } = launching;
        ready.into_iter().for_each(|mut ready| end_script(&mut ready));
        if let Some(ports) = &self.ports {
            instance.take_over(ports);
        }
        self.abandoned = 0;
        if let Some(old) = self.serving.replace(instance) {
            old.end().await;
        }
    }

    /// Cancels the refresh, and ends the machine that is not in service yet.
    pub(crate) async fn cancel(&mut self, group: &Group, report: &mut Report) {
        self.abandoned = 0;
        if let Some(launching) = self.launching.take() {
            let reason = Some("the instance refresh was cancelled".to_owned());
            report.launches.push(launch(group, &launching.instance, "Cancelled", reason));
            launching.end().await;
        }
    }

    /// Reports the health of the machine's target groups, if it has changed.
    pub(crate) async fn health(&mut self, target_groups: &[TargetGroup], report: &mut Report) {
        let Some(serving) = &self.serving else { return };
        let address = format!("127.0.0.1:{}", serving.management_port);
        let answer =
            http::get(&address, &serving.health_path, HEALTH_WITHIN).await.map(|answer| answer.status);
        let health: Health = match description(&answer) {
            None => ("healthy", None, None),
            Some(description) => ("unhealthy", Some("Target.FailedHealthChecks"), Some(description)),
        };
        let arns: Vec<String> = target_groups.iter().map(|of| of.arn.clone()).collect();
        let now = Some((health.clone(), arns));
        if self.reported != now {
            report.health.extend(target_groups.iter().map(|of| (of.arn.clone(), health.clone())));
            self.reported = now;
        }
    }

    /// Ends the machine, and removes everything but its log.
    pub(crate) async fn end(mut self) {
        if let Some(launching) = self.launching.take() {
            launching.end().await;
        }
        if let Some(serving) = self.serving.take() {
            serving.end().await;
        }
        if let Err(e) = remove(&self.folder) {
            warn!("{}: {e}", self.group);
        }
    }

    /// Ends the scripts. The containers are removed with those of the whole account.
    pub(crate) fn end_scripts(&mut self) {
        if let Some(launching) = &mut self.launching {
            launching.ready.iter_mut().for_each(end_script);
            end_script(&mut launching.instance.start);
        }
        if let Some(serving) = &mut self.serving {
            end_script(&mut serving.start);
        }
    }

    /// Returns the last lines logged since the offset `from`.
    fn log_since(&self, from: usize) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        tail(&String::from_utf8_lossy(log.get(from..).unwrap_or_default())).replace('\n', " | ")
    }
}

fn launch(group: &Group, instance: &Instance, status: &'static str, reason: Option<String>) -> Launch {
    Launch { group: group.id.clone(), instance: instance.id.clone(), status, reason }
}

/// Returns the reason why a health check failed, if it did.
fn description(answer: &Result<u16, HttpError>) -> Option<String> {
    match answer {
        Ok(200) => None,
        Ok(status) => Some(format!("Health checks failed with these codes: [{status}]")),
        Err(e) => Some(format!("Health checks failed: {e}")),
    }
}
