//! Starts moto, the AWS API on this machine, as a Python process or in a container, or connects to a running one.
//! `AwsApi` returns the SDK configuration and the environment for its clients.

mod key;
mod process;
mod requests;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use rds_iam_emulator_control::AccessKey;
use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::host::cache::Entry;
use rds_iam_emulator_server::host::docker;
use rds_iam_emulator_server::host::docker::for_this_machine;
use rds_iam_token::Region;
use sha2::{Digest, Sha256};
use testcontainers::core::IntoContainerPort;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};
use tracing::info;

use self::key::Key;
use self::process::Process;
use crate::python::{is_possible, python};

/// The Python files that start and patch moto; see their own comments.
const PROGRAM: [(&str, &str); 8] = [
    ("serve.py", include_str!("../../aws/serve.py")),
    ("guard.py", include_str!("../../aws/guard.py")),
    ("moto_patches.py", include_str!("../../aws/moto_patches.py")),
    ("rds_patches.py", include_str!("../../aws/rds_patches.py")),
    ("rds_endpoints.py", include_str!("../../aws/rds_endpoints.py")),
    ("account_databases.py", include_str!("../../aws/account_databases.py")),
    ("account_sessions.py", include_str!("../../aws/account_sessions.py")),
    ("account.py", include_str!("../../aws/account.py")),
];

/// Moto's own image, for machines without Python, of the version in `aws/requirements.txt`.
const IMAGE: (&str, &str) = ("motoserver/moto", "5.2.5");
const IMAGE_PORT: u16 = 5000;
const IN_IMAGE: &str = "/rds-iam";

/// The time limit of the start of moto's container.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The environment variable with the key that moto accepts: [`Key::known`].
const KEY_VARIABLE: &str = "RDS_IAM_EMULATOR_KEY";

/// A running AWS API endpoint, with Secrets Manager and the SSM Parameter Store among others. It starts
/// empty, answers only callers with its access key, and proves nothing about permissions. Dropping it ends it.
///
/// ```no_run
/// # async fn example() -> Result<(), rds_iam_emulator_account::Error> {
/// let aws = rds_iam_emulator_account::AwsApi::start().await?;
/// aws.put_parameter("/dev/database/port", "3306").await?;
/// // A program under test gets the endpoint from its environment …
/// let environment = aws.env();
/// // … and code under test from its configuration.
/// let config = aws.sdk_config();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AwsApi {
    server: Server,
    url: String,
    region: Region,
    key: Key,
}

#[derive(Debug)]
enum Server {
    Process {
        python: PathBuf,
        process: Process,
    },
    /// Removed when dropped.
    Container {
        _container: Box<ContainerAsync<GenericImage>>,
    },
    /// Started by another process.
    Elsewhere,
}

impl AwsApi {
    /// Starts the endpoint, for clients in us-east-1.
    ///
    /// # Errors
    /// Returns the errors of [`AwsApi::start_in`].
    pub async fn start() -> Result<Self, Error> {
        let region = "us-east-1";
        let wrong = |problem: rds_iam_token::RegionError| Error::Setting {
            setting: "region",
            value: region.into(),
            problem: problem.to_string(),
        };
        Self::start_in(region.parse().map_err(wrong)?).await
    }

    /// Starts the endpoint, for clients in `region`. The first start on a machine installs it.
    ///
    /// # Errors
    /// Returns [`Error`] if a program is missing or a step fails. No process or file is left.
    pub async fn start_in(region: Region) -> Result<Self, Error> {
        if is_possible().await {
            let key = Key::new()?;
            let folder = key.file.parent().unwrap_or(Path::new(""));
            let options = ["--folder".into(), folder.into()];
            let log = folder.join("log");
            return Self::start_process(&options, &log, region, key).await;
        }
        if docker::connect().await.is_some() {
            return Self::start_container(region).await;
        }
        Err(Error::MissingTools {
            purpose: "run the AWS API endpoint",
            tools: vec!["python3 with its venv module", "a Docker engine"],
            hint: "either will do: on Debian, `apt-get install python3-venv`",
        })
    }

    /// Connects to a running API at a URL such as `http://127.0.0.1:34567`, for clients in `region`. Its access key is
    /// in `credentials_file`. Dropping this does not end it.
    ///
    /// # Errors
    /// Returns [`Error::Setting`] if the URL or the file is invalid, [`Error::Io`] if the file can't be read,
    /// [`Error::Aws`] without a response.
    pub async fn connect(url: &str, region: Region, credentials_file: &Path) -> Result<Self, Error> {
        let url = url.trim_end_matches('/');
        let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '@', '?', '#', ' '])) {
            return Err(Error::Setting {
                setting: "the URL of the AWS API endpoint",
                value: url.into(),
                problem: "it takes the form http://127.0.0.1:34567".into(),
            });
        }
        let key = Key::read(credentials_file)?;
        let aws = Self { server: Server::Elsewhere, url: url.into(), region, key };
        let answer = aws.ssm().describe_parameters().send().await;
        answer.map_err(Error::aws(format!("answer at {url}: is it running there?")))?;
        Ok(aws)
    }

    /// Starts the endpoint of an account whose registry, machines and Session Manager are emulated: see
    /// `aws/account.py`. `options` are those of `aws/serve.py` for an account. Its output is appended to the file `log`;
    /// its access key is in `credentials_file`.
    pub(crate) async fn start_for_account(
        options: &[OsString],
        log: &Path,
        region: Region,
        credentials_file: &Path,
    ) -> Result<Self, Error> {
        let key = Key::read(credentials_file)?;
        Self::start_process(options, log, region, key).await
    }

    async fn start_process(
        options: &[OsString],
        log: &Path,
        region: Region,
        key: Key,
    ) -> Result<Self, Error> {
        let (python, program) = (python().await?, program().await?);
        let process = process::start(&python, &program, options, &key.known(), log).await?;
        // An IP address: for a host name, S3 clients add the bucket as a subdomain.
        let url = format!("http://127.0.0.1:{}", process.port);
        info!("the AWS API (moto, from the Python Package Index) at {url}");
        Ok(Self { server: Server::Process { python, process }, url, region, key })
    }

    async fn start_container(region: Region) -> Result<Self, Error> {
        let port = IMAGE_PORT.to_string();
        let key = Key::new()?;
        let image = GenericImage::new(IMAGE.0, IMAGE.1)
            .with_entrypoint("python3")
            .with_exposed_port(IMAGE_PORT.tcp())
            .with_cmd([&format!("{IN_IMAGE}/serve.py"), "--host", "0.0.0.0", "--port", &port])
            .with_env_var(KEY_VARIABLE, key.known())
            .with_label("rds-iam-emulator", "aws")
            .with_host_config_modifier(for_this_machine(IMAGE_PORT));
        let put = |image: ContainerRequest<_>, (name, text): (&str, &str)| {
            image.with_copy_to(format!("{IN_IMAGE}/{name}"), text.as_bytes().to_vec())
        };
        let image = PROGRAM.into_iter().fold(image, put);
        let container = image.start().await.map_err(Error::docker("start moto's container"))?;
        let port = container.get_host_port_ipv4(IMAGE_PORT.tcp()).await;
        let port = port.map_err(Error::docker("report the port of moto's container"))?;
        let url = format!("http://127.0.0.1:{port}");
        let aws = Self { server: Server::Container { _container: Box::new(container) }, url, region, key };
        let answers = async {
            // The port is open before moto listens behind it.
            while aws.ssm().describe_parameters().send().await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let timed_out = |_| Error::TimedOut { awaited: "moto to answer", within: READY_TIMEOUT };
        tokio::time::timeout(READY_TIMEOUT, answers).await.map_err(timed_out)?;
        info!("the AWS API (moto, in a container) at {}", aws.url);
        Ok(aws)
    }

    /// Returns the same endpoint for clients in another region. Dropping it does not end it.
    pub(crate) fn in_region(&self, region: Region) -> Self {
        Self { server: Server::Elsewhere, url: self.url.clone(), region, key: self.key.clone() }
    }

    /// Returns whether it ended unexpectedly.
    pub(crate) fn has_ended(&self) -> bool {
        match &self.server {
            Server::Process { process, .. } => process.has_ended(),
            Server::Container { .. } | Server::Elsewhere => false,
        }
    }

    /// Returns the endpoint's address, such as `http://127.0.0.1:34567`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the region that clients are for.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Returns the AWS shared credentials file with the endpoint's access key, which only its owner may read.
    /// The servers that this process starts accept that key too.
    #[must_use]
    pub fn credentials_file(&self) -> &Path {
        &self.key.file
    }

    /// Returns a configuration that directs AWS SDK clients to this endpoint, with its access key.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let AccessKey { id, secret, session_token, .. } = &self.key.key;
        let credentials = Credentials::new(id, secret, session_token.clone(), None, "rds-iam-emulator");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(aws_config::Region::new(self.region.to_string()))
            .endpoint_url(&self.url)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    /// Returns the environment that directs a program's AWS SDK to this endpoint. It names
    /// [`AwsApi::credentials_file`], and contains no secret.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        let region = self.region.as_str();
        let credentials_file = self.key.file.display().to_string();
        [
            ("AWS_SHARED_CREDENTIALS_FILE", credentials_file.as_str()),
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_REGION", region),
            ("AWS_DEFAULT_REGION", region),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into()
    }

    /// Returns the Python that the endpoint runs in, which has botocore too; `None` if it runs in a
    /// container, or another process started it.
    #[must_use]
    pub fn python(&self) -> Option<&Path> {
        match &self.server {
            Server::Process { python, .. } => Some(python),
            Server::Container { .. } | Server::Elsewhere => None,
        }
    }

    fn ssm(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::new(&self.sdk_config())
    }
}

/// Returns the program in the cache, so that tracebacks name its files.
async fn program() -> Result<PathBuf, Error> {
    let digest = PROGRAM.iter().fold(Sha256::new(), |digest, (_, text)| digest.chain_update(text)).finalize();
    let entry = Entry::lock(&format!("moto-{}", hex::encode(&digest[..6]))).await?;
    let main = PROGRAM[0].0;
    if let Some(existing) = entry.existing() {
        return Ok(existing.join(main));
    }
    let scratch = entry.begin()?;
    for (name, text) in PROGRAM {
        let path = scratch.join(name);
        fs::write(&path, text).map_err(Error::io("write", &path))?;
    }
    Ok(entry.finish(&scratch)?.join(main))
}
