//! One machine, which stands for all of its Auto Scaling group: the group's start script, really run, and the
//! container that it leaves. A refresh replaces it in place.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tracing::warn;

use super::folder::{Folder, remove, write_whole};
use super::seen::{Health, Progress, Report, TargetGroup};
use super::stand_in::{SETTINGS_VARIABLE, Settings};
use super::user_data::StartScript;
use crate::command::{Command, tail};
use crate::error::Error;
use crate::http::{self, HttpError};

/// How long a new container may take until it is healthy. The app takes a second or two.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long a health check may take.
const HEALTH_WITHIN: Duration = Duration::from_secs(2);

/// What is asked where no load balancer says what to ask.
const HEALTH_PATH: &str = "/readyz";

/// The most characters of a reason that AWS hands on.
const REASON_LENGTH: usize = 1000;

/// Where the container finds what this machine needs.
const CREDENTIALS: &str = "/rds-iam/credentials";
const CA: &str = "/rds-iam/ca.pem";

/// The label of a container that says which refresh it is of.
const REFRESH_LABEL: &str = "rds-iam-refresh";

pub(super) struct Machine {
    group: String,
    folder: PathBuf,
    log: PathBuf,
    container: String,
    docker: PathBuf,
    /// The script of the latest refresh, which becomes Docker's client of the container.
    script: Option<Child>,
    /// Those of earlier ones, which end with their containers.
    earlier: Vec<Child>,
    refresh: Option<Refresh>,
    /// Where and what to ask for its health, once something was started.
    asked: Option<(String, String)>,
    /// What was reported last, and of which target groups.
    reported: Option<(Health, Vec<String>)>,
}

/// A refresh in progress.
struct Refresh {
    id: String,
    begun: Instant,
    /// Where its part of the log begins, in bytes.
    log_from: usize,
}

/// What a start takes.
pub(super) struct Needs<'a> {
    pub(super) script: StartScript,
    pub(super) region: &'a str,
    pub(super) health_path: Option<String>,
    pub(super) docker: PathBuf,
    pub(super) docker_config: String,
    pub(super) registry: &'a str,
    pub(super) aws_endpoint_url: &'a str,
    /// A shared credentials file.
    pub(super) credentials: String,
    /// Where the app's database listens, and the authority that signed its certificate.
    pub(super) database: Option<(String, PathBuf)>,
    pub(super) shims: &'a Path,
    /// What marks all containers of the account.
    pub(super) label: String,
}

impl Machine {
    pub(super) fn new(group: &str, folder: &Folder) -> Self {
        // Other accounts on this machine have groups of the same names.
        let account = hex::encode(&Sha256::digest(folder.path().as_os_str().as_encoded_bytes())[..3]);
        Self {
            group: group.to_owned(),
            folder: folder.join("machines").join(group),
            log: folder.join(&format!("machine-{group}.log")),
            container: format!("rds-iam-{group}-{account}"),
            docker: PathBuf::new(),
            script: None,
            earlier: Vec::new(),
            refresh: None,
            asked: None,
            reported: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.group
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs the start script, as a new machine would.
    pub(super) fn begin(&mut self, refresh: &str, needs: Needs<'_>) -> Result<(), Error> {
        let docker_config = self.folder.join("docker");
        fs::create_dir_all(&docker_config).map_err(Error::io("create", &docker_config))?;
        write_whole(&docker_config.join("config.json"), &needs.docker_config, 0o600)?;
        let script = self.folder.join("app-start");
        write_whole(&script, &needs.script.text, 0o700)?;
        let options = self.options(refresh, &needs)?;
        self.docker.clone_from(&needs.docker);
        let settings = Settings {
            docker: needs.docker,
            container: self.container.clone(),
            registry: needs.registry.to_owned(),
            options,
            aws_endpoint_url: needs.aws_endpoint_url.to_owned(),
            region: needs.region.to_owned(),
        };
        let settings_file = self.folder.join("settings.json");
        let settings = serde_json::to_string(&settings).map_err(Error::setting("a machine", &self.group))?;
        write_whole(&settings_file, &settings, 0o600)?;

        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths([needs.shims.to_owned()].into_iter().chain(std::env::split_paths(&path)));
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(Error::io("open", &self.log))?;
        let log_from = log.metadata().map_or(0, |log| log.len()).try_into().unwrap_or(0);
        let errors = log.try_clone().map_err(Error::io("open", &self.log))?;
        // As its unit in the user data has it.
        let started = Command::new("bash")
            .arg(&script)
            .env("PATH", path.map_err(Error::setting("PATH", &needs.shims.display().to_string()))?)
            .env("AWS_REGION", needs.region)
            .env("DOCKER_CONFIG", docker_config)
            .env(SETTINGS_VARIABLE, settings_file)
            .spawn(Stdio::null(), log, errors)?;
        self.earlier.extend(self.script.replace(started));
        self.refresh = Some(Refresh { id: refresh.to_owned(), begun: Instant::now(), log_from });
        let health_path = needs.health_path.unwrap_or_else(|| HEALTH_PATH.to_owned());
        self.asked = Some((format!("127.0.0.1:{}", needs.script.port), health_path));
        Ok(())
    }

    /// The options that the container gets besides those of the script. Its user is another one than this, so
    /// what it is to read are copies that anybody may read who gets into their folder.
    fn options(&self, refresh: &str, needs: &Needs<'_>) -> Result<Vec<String>, Error> {
        let credentials = self.folder.join("credentials");
        write_whole(&credentials, &needs.credentials, 0o644)?;
        let mut options = Vec::new();
        let mut option = |name: &str, value: String| options.extend([name.to_owned(), value]);
        option("--label", needs.label.clone());
        option("--label", format!("{REFRESH_LABEL}={refresh}"));
        option("--env", format!("AWS_ENDPOINT_URL={}", needs.aws_endpoint_url));
        option("--env", "AWS_EC2_METADATA_DISABLED=true".into());
        option("--env", format!("AWS_SHARED_CREDENTIALS_FILE={CREDENTIALS}"));
        option("--volume", format!("{}:{CREDENTIALS}:ro", credentials.display()));
        if let Some((dial, ca_file)) = &needs.database {
            let ca = self.folder.join("ca.pem");
            let pem = fs::read_to_string(ca_file).map_err(Error::io("read", ca_file))?;
            write_whole(&ca, &pem, 0o644)?;
            option("--env", format!("RDS_IAM_DIAL={dial}"));
            option("--env", format!("RDS_IAM_CA_BUNDLE={CA}"));
            option("--volume", format!("{}:{CA}:ro", ca.display()));
        }
        Ok(options)
    }

    /// How the refresh ended, if it did.
    pub(super) async fn progress(&mut self) -> Option<Progress> {
        let refresh = self.refresh.as_ref()?;
        let (address, path) = self.asked.as_ref()?;
        let failed = |reason: String| {
            let reason = reason.chars().take(REASON_LENGTH).collect();
            Some(Progress { status: "Failed", reason: Some(reason) })
        };
        let ended = self.script.as_mut().and_then(|script| script.try_wait().ok().flatten());
        let progress = if let Some(status) = ended {
            failed(format!(
                "the start script of the machine ended ({status}): {}",
                self.said(refresh.log_from)
            ))
        } else {
            let answer = http::get(address, path, HEALTH_WITHIN).await.map(|answer| answer.status);
            // What answers may still be the container of before.
            if matches!(answer, Ok(200)) && self.runs(&refresh.id).await {
                Some(Progress { status: "Successful", reason: None })
            } else if refresh.begun.elapsed() > READY_WITHIN {
                let health = description(&answer).unwrap_or_default();
                let within = READY_WITHIN.as_secs();
                failed(format!("http://{address}{path} was not healthy within {within} s: {health}"))
            } else {
                None
            }
        };
        if progress.is_some() {
            self.refresh = None;
        }
        progress
    }

    /// Whether the container of this refresh runs.
    async fn runs(&self, refresh: &str) -> bool {
        let filter = format!("label={REFRESH_LABEL}={refresh}");
        let listed = Command::new(&self.docker).args(["ps", "--quiet", "--filter", &filter]).output().await;
        listed.is_ok_and(|listed| !listed.trim().is_empty())
    }

    /// Gives the refresh up. What has been started stays.
    pub(super) fn cancel(&mut self) {
        self.refresh = None;
        if let Some(mut script) = self.script.take() {
            if let Err(e) = script.kill() {
                warn!("{}: ending the start script: {e}", self.group);
            }
            self.earlier.push(script);
        }
    }

    /// Reports how the target groups of the machine are, where that has changed.
    pub(super) async fn health(&mut self, target_groups: &[TargetGroup], report: &mut Report) {
        self.earlier.retain_mut(|script| script.try_wait().is_ok_and(|status| status.is_none()));
        let Some((address, path)) = &self.asked else { return };
        let answer = http::get(address, path, HEALTH_WITHIN).await.map(|answer| answer.status);
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
    pub(super) async fn end(mut self) {
        self.cancel();
        let removed = Command::new(&self.docker).args(["rm", "--force", &self.container]).output().await;
        if let Err(e) = removed {
            warn!("{}: {e}", self.group);
        }
        for mut script in self.earlier.drain(..) {
            drop(script.wait());
        }
        if let Err(e) = remove(&self.folder) {
            warn!("{}: {e}", self.group);
        }
    }

    /// The last lines that were logged since.
    fn said(&self, from: usize) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        tail(&String::from_utf8_lossy(log.get(from..).unwrap_or_default())).replace('\n', " | ")
    }
}

/// What is wrong with the answer to a health check, if anything is.
fn description(answer: &Result<u16, HttpError>) -> Option<String> {
    match answer {
        Ok(200) => None,
        Ok(status) => Some(format!("Health checks failed with these codes: [{status}]")),
        Err(e) => Some(format!("Health checks failed: {e}")),
    }
}
