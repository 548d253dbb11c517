//! Starts and ends the whole platform on this machine: the AWS API and the database server, then the programs
//! bootstrap and app with their settings.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_proxy::Proxy;
use rds_iam_emulator_server::Server;
use rds_iam_infra::RdsConf;
use tempfile::TempDir;
use tracing::info;

use crate::app::App;
use crate::applied;
use crate::deployment::{Deployed, Options, put_by_hand, put_parameters};
use crate::engine::Engine;
use crate::program::{self, Ended, Environment};

const BOOTSTRAP: &str = "rds-iam-bootstrap";
const APP: &str = "rds-iam-app";
/// The programs to start.
pub(crate) const PROGRAMS: [&str; 2] = [BOOTSTRAP, APP];

/// All running parts. Dropping it ends and removes all of them.
pub(crate) struct Platform<E: Engine> {
    // The fields are dropped, and thereby ended, in this order.
    pub(crate) app: App,
    pub(crate) bootstrap: Bootstrap,
    pub(crate) proxy: Proxy,
    pub(crate) server: Server<E>,
    aws: AwsApi,
    folder: TempDir,
    /// The folder of the programs.
    programs: PathBuf,
    /// The environment of all programs.
    environment: Environment,
    /// The seconds until the platform served, for the table.
    pub(crate) seconds_to_start: f64,
}

/// The bootstrap program with its settings.
pub(crate) struct Bootstrap {
    program: PathBuf,
    conf: PathBuf,
    users: PathBuf,
    environment: Environment,
}

impl<E: Engine> Platform<E> {
    pub(crate) async fn start(options: &Options<'_>) -> anyhow::Result<Self> {
        let started = Instant::now();
        let programs = options.programs;
        info!(
            "starting the AWS API and the database server (the first time on a machine, they are fetched and built)"
        );
        let deployed = match options.deploy {
            None => put_by_hand::<E>(options.runtime).await?,
            Some(deploy) => applied::apply::<E>(options, deploy).await?,
        };
        let Deployed { server, proxy, aws, conf, parameters } = deployed;

        // Inside the server's folder, which is removed even if this process is killed.
        let ca = server.ca_path();
        let folder = tempfile::tempdir_in(ca.parent().context("the server has a folder")?)?;
        let credentials = folder.path().join("credentials");
        server.write_credentials_file(&credentials)?;
        let mut environment = aws.env();
        environment.push(("AWS_SHARED_CREDENTIALS_FILE".into(), credentials.display().to_string()));
        let conf_file = folder.path().join("rds.conf");
        on_this_machine(conf, &server)?.write(&conf_file)?;

        for (name, text) in E::APP_FILES {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
            std::fs::write(file, text)?;
        }
        let bootstrap = Bootstrap {
            program: programs.join(BOOTSTRAP),
            conf: conf_file,
            users: folder.path().join(E::APP_FILES[0].0),
            environment: with(&environment, [("RUST_LOG", "info")]),
        };
        info!("bootstrap: making the database users");
        println!("{}", bootstrap.run(&[]).await?.trim_end());

        info!("starting the app, which reads its settings from Parameter Store");
        let programs = programs.to_owned();
        let (program, log) = (programs.join(APP), folder.path().join("app.log"));
        let ports = (free_or("3000").await, free_or("3001").await);
        let settings = app_settings(&environment, &parameters, &proxy, ports);
        let app = App::start(&program, &settings, &log).await?;
        let seconds_to_start = started.elapsed().as_secs_f64();
        Ok(Self { app, bootstrap, proxy, server, aws, folder, programs, environment, seconds_to_start })
    }

    /// Starts another app, which reads its settings from the path `parameters`: it connects to `proxy` as `user`.
    pub(crate) async fn start_app(&self, parameters: &str, user: &str, proxy: &Proxy) -> anyhow::Result<App> {
        put_parameters(&self.aws, parameters, E::ENGINE, user, proxy, self.server.region()).await?;
        let (program, log) = (self.programs.join(APP), self.folder.path().join(format!("{user}.log")));
        let settings = app_settings(&self.environment, parameters, proxy, ("0".into(), "0".into()));
        App::start(&program, &settings, &log).await
    }

    /// Returns the path of `rds.conf`, to be searched for secrets.
    pub(crate) fn conf_file(&self) -> &Path {
        &self.bootstrap.conf
    }

    /// Returns a folder for more files, which is removed at the end.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends everything in order.
    pub(crate) async fn end(self) {
        let Self { app, proxy, server, aws, folder, .. } = self;
        app.end().await;
        drop((proxy, server, aws, folder));
    }
}

impl Bootstrap {
    /// Runs the program and returns its report.
    pub(crate) async fn run(&self, flags: &[&str]) -> anyhow::Result<String> {
        let ended = self.run_with(&self.users, flags).await?;
        if ended.status != Some(0) {
            bail!("bootstrap ended with {}:\n{}{}", ended.shown_status(), ended.stdout, ended.stderr);
        }
        Ok(ended.stdout)
    }

    /// Runs the program with another users file.
    pub(crate) async fn run_with(&self, users: &Path, flags: &[&str]) -> anyhow::Result<Ended> {
        let (conf, users) = (self.conf.display().to_string(), users.display().to_string());
        let files = ["--config", &conf, "--users", &users];
        let arguments: Vec<&str> = files.into_iter().chain(flags.iter().copied()).collect();
        Ok(program::output(&self.program, &arguments, &self.environment).await?.into())
    }
}

/// Adds the settings that differ on one machine: the address to dial, and the certificate authority.
fn on_this_machine<E: Engine>(mut conf: RdsConf, server: &Server<E>) -> anyhow::Result<RdsConf> {
    conf.dial = Some(server.dial().clone());
    conf.ca_bundle = Some(server.ca_path().display().to_string().parse()?);
    Ok(conf)
}

/// Returns the environment of an app that connects to `proxy`, with its public and its management port.
fn app_settings(
    environment: &Environment,
    parameters: &str,
    proxy: &Proxy,
    (port, management): (String, String),
) -> Environment {
    let settings = [
        ("RDS_IAM_SSM_PREFIX", parameters),
        ("RDS_IAM_DIAL", &proxy.dial().to_string()),
        ("RDS_IAM_CA_BUNDLE", &proxy.ca_path().display().to_string()),
        ("RDS_IAM_BIND", "127.0.0.1"),
        ("PORT", &port),
        ("RDS_IAM_MANAGEMENT_PORT", &management),
        ("RDS_IAM_LOG", "json"),
    ];
    // The region is in Parameter Store too, but the SDK must know the region of the store itself.
    with(environment, settings)
}

fn with<'a>(environment: &Environment, more: impl IntoIterator<Item = (&'a str, &'a str)>) -> Environment {
    let more = more.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    environment.iter().cloned().chain(more).collect()
}

/// Returns the port, if it is free; otherwise 0, for any other.
async fn free_or(port: &str) -> String {
    let free = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.is_ok();
    if free { port.to_owned() } else { "0".to_owned() }
}

/// Reads a file of the platform.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}
