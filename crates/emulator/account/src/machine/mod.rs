//! The machine of an Auto Scaling group, which stands for all of the group's. A refresh starts a new one beside it: the
//! group's own scripts, really run, and the container that they leave. The new one takes its place once its own script
//! has completed the launch hook; until then, and where that never happens, the old one serves.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::credentials::made_up_instance_id;
use rds_iam_emulator_server::host::command::{Command, tail};
use rds_iam_emulator_server::host::file::{remove, write_whole};
use rds_iam_emulator_server::host::free_port;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use crate::folder::Folder;
use crate::forward::Forward;
use crate::http::{self, HttpError};
use crate::name::Name;
use crate::shims::{SETTINGS_VARIABLE, Settings};
use crate::snapshot::{Group, Health, Launch, Progress, Report, TargetGroup};
use crate::user_data::UserData;

/// How long app-ready gives a new machine, in seconds. On AWS the module gives it more, for it installs Docker first.
const READY_WITHIN: &str = "60";

/// Where the start script has ended, systemd would start it again and again. Here app-ready decides at once.
const NO_MORE_TIME: &str = "0";

/// How many machines a refresh launches without success before it fails.
const LAUNCHES: u32 = 3;

/// How long a health check may take.
const HEALTH_WITHIN: Duration = Duration::from_secs(2);

/// What is asked where no load balancer says what to ask.
const HEALTH_PATH: &str = "/readyz";

/// The most characters of a reason that AWS forwards.
const REASON_LENGTH: usize = 1000;

/// Where the container finds what this machine needs.
const CREDENTIALS: &str = "/rds-iam/credentials";
const CA: &str = "/rds-iam/ca.pem";

pub(crate) struct Machine {
    group: Name,
    folder: PathBuf,
    log: PathBuf,
    /// What the names of its containers begin with.
    containers: String,
    /// The ports that the outside knows: the app's own and that for machines.
    ports: Option<[Forward; 2]>,
    serving: Option<Instance>,
    launching: Option<Launching>,
    /// How many the refresh has launched without success.
    abandoned: u32,
    /// What was reported last, and of which target groups.
    reported: Option<(Health, Vec<String>)>,
}

/// One that was launched.
struct Instance {
    id: String,
    folder: PathBuf,
    docker: PathBuf,
    container: String,
    /// As the module's scripts have them, in place of the ports that they name.
    port: u16,
    management_port: u16,
    health_path: String,
    /// The start script, which becomes Docker's client of the container.
    start: Child,
}

/// One that does not count yet.
struct Launching {
    instance: Instance,
    ready_script: PathBuf,
    environment: Vec<(&'static str, String)>,
    /// The script that completes the hook, once the hook is there to be completed.
    ready: Option<Child>,
    /// How the start script ended, where app-ready was given no more time for it.
    ended: Option<String>,
    /// Where its part of the log begins, in bytes.
    log_from: usize,
}

/// What a start takes.
pub(crate) struct Needs<'a> {
    pub(crate) user_data: UserData,
    pub(crate) region: &'a str,
    pub(crate) health_path: Option<String>,
    pub(crate) docker: PathBuf,
    pub(crate) docker_config: String,
    pub(crate) registry: &'a str,
    pub(crate) aws_endpoint_url: &'a str,
    pub(crate) credentials_file: &'a Path,
    /// A shared credentials file.
    pub(crate) credentials: String,
    /// Where the app's database listens, and the authority that signed its certificate.
    pub(crate) database: Option<(String, PathBuf)>,
    pub(crate) shims: PathBuf,
    /// What marks all containers of the account.
    pub(crate) label: String,
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
        write_whole(&docker_config.join("config.json"), &needs.docker_config, 0o600)?;
        let (start_script, ready_script) = (folder.join("app-start"), folder.join("app-ready"));
        write_whole(&start_script, &needs.user_data.start, 0o700)?;
        write_whole(&ready_script, &needs.user_data.ready, 0o700)?;
        let free = || free_port().map_err(Error::io("find a free port on", Path::new("127.0.0.1")));
        let settings = Settings {
            options: options(&folder, &needs)?,
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
        write_whole(&settings_file, &text, 0o600)?;

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

    /// Opens the ports that the outside knows, where other ones were open before.
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
                Err(e) => Some(crate::databases::chain(&e)),
            },
        };
        let Some(why) = given_up else {
            self.launching = Some(launching);
            return Step::Wait;
        };
        let ended = launching.ended.take().map(|ended| format!(" ({ended})")).unwrap_or_default();
        let reason = format!("{why}{ended}: {}", self.said(launching.log_from));
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

    /// Checks the scripts of a machine that does not serve yet; returns the reason where it never will.
    fn follow(&self, launching: &mut Launching) -> Result<Option<String>, Error> {
        let run = |launching: &Launching, seconds| {
            self.run(&launching.ready_script, &[seconds], &launching.environment)
        };
        let Some(ready) = &mut launching.ready else {
            // The hook has been reported by now.
            launching.ready = Some(run(launching, READY_WITHIN)?);
            return Ok(None);
        };
        if let Some(status) = ready.try_wait().ok().flatten() {
            // Where it has completed the hook, the next poll finds that.
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

    /// Gives the refresh up: what it has launched and does not count goes.
    pub(crate) async fn cancel(&mut self, group: &Group, report: &mut Report) {
        self.abandoned = 0;
        if let Some(launching) = self.launching.take() {
            let reason = Some("the instance refresh was cancelled".to_owned());
            report.launches.push(launch(group, &launching.instance, "Cancelled", reason));
            launching.end().await;
        }
    }

    /// Reports how the target groups of the machine are, where that has changed.
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

    /// Ends the machine, and removes what belonged to it but its log.
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

    /// Ends the scripts, and leaves the containers to what removes those of the whole account.
    pub(crate) fn end_scripts(&mut self) {
        if let Some(launching) = &mut self.launching {
            launching.ready.iter_mut().for_each(end_script);
            end_script(&mut launching.instance.start);
        }
        if let Some(serving) = &mut self.serving {
            end_script(&mut serving.start);
        }
    }

    /// The last lines that were logged since.
    fn said(&self, from: usize) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        tail(&String::from_utf8_lossy(log.get(from..).unwrap_or_default())).replace('\n', " | ")
    }
}

impl Launching {
    async fn end(mut self) {
        self.ready.iter_mut().for_each(end_script);
        self.instance.end().await;
    }
}

impl Instance {
    /// Has the ports that the outside knows lead here.
    fn take_over(&self, [app, management]: &[Forward; 2]) {
        app.lead_to(self.port);
        management.lead_to(self.management_port);
    }

    /// Ends it, and removes what belonged to it.
    async fn end(mut self) {
        end_script(&mut self.start);
        let removed = Command::new(&self.docker).args(["rm", "--force", &self.container]).output().await;
        if let Err(e) = removed {
            warn!("{}: {e}", self.id);
        }
        if let Err(e) = remove(&self.folder) {
            warn!("{}: {e}", self.id);
        }
    }
}

/// Ends a script, where it still runs.
fn end_script(script: &mut Child) {
    // It may have ended by itself.
    drop(script.kill());
    drop(script.wait());
}

fn launch(group: &Group, instance: &Instance, status: &'static str, reason: Option<String>) -> Launch {
    Launch { group: group.id.clone(), instance: instance.id.clone(), status, reason }
}

/// The options that the container gets besides those of the script. Its user is another one than this, so what it is to
/// read are copies that anybody may read who gets into their folder.
fn options(folder: &Path, needs: &Needs<'_>) -> Result<Vec<String>, Error> {
    let credentials = folder.join("credentials");
    write_whole(&credentials, &needs.credentials, 0o644)?;
    let mut options = Vec::new();
    let mut option = |name: &str, value: String| options.extend([name.to_owned(), value]);
    option("--label", needs.label.clone());
    option("--env", format!("AWS_ENDPOINT_URL={}", needs.aws_endpoint_url));
    option("--env", "AWS_EC2_METADATA_DISABLED=true".into());
    option("--env", format!("AWS_SHARED_CREDENTIALS_FILE={CREDENTIALS}"));
    // It shares this machine's network, and other machines have no business with it.
    option("--env", "RDS_IAM_BIND=127.0.0.1".into());
    option("--volume", format!("{}:{CREDENTIALS}:ro", credentials.display()));
    if let Some((dial, ca_file)) = &needs.database {
        let ca = folder.join("ca.pem");
        let pem = fs::read_to_string(ca_file).map_err(Error::io("read", ca_file))?;
        write_whole(&ca, &pem, 0o644)?;
        option("--env", format!("RDS_IAM_DIAL={dial}"));
        option("--env", format!("RDS_IAM_CA_BUNDLE={CA}"));
        option("--volume", format!("{}:{CA}:ro", ca.display()));
    }
    Ok(options)
}

/// What is wrong with the answer to a health check, if anything is.
fn description(answer: &Result<u16, HttpError>) -> Option<String> {
    match answer {
        Ok(200) => None,
        Ok(status) => Some(format!("Health checks failed with these codes: [{status}]")),
        Err(e) => Some(format!("Health checks failed: {e}")),
    }
}
