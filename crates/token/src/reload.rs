//! `ReloadingCredentials`: an AWS credentials provider that is built again when the content of one of its files
//! changes.

use std::env;
use std::fmt;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// The digest of a file's content; `None` if it can't be read.
type Content = Option<[u8; 32]>;

type Build = dyn Fn() -> Pin<Box<dyn Future<Output = SharedCredentialsProvider> + Send>> + Send + Sync;

/// A credentials provider that is built again whenever one of its files has changed.
///
/// The AWS SDK reads a profile once per process, so keys that another program writes into the shared
/// credentials file every hour reach a running service only through this. The files are compared by their
/// content each time credentials are requested, which a [`TokenSource`](crate::TokenSource) does once
/// per token. Between two changes the same provider answers, from its cache. A pipe instead of a file is an
/// error: the SDK would block on it, and with it the thread that runs the program.
///
/// ```
/// # use aws_credential_types::Credentials;
/// # use aws_credential_types::provider::SharedCredentialsProvider;
/// use rds_iam_token::{ReloadingCredentials, shared_files};
///
/// let credentials = ReloadingCredentials::new(shared_files(), || async {
///     // With aws-config:
///     // let aws = aws_config::defaults(BehaviorVersion::latest()).load().await;
///     // aws.credentials_provider().expect("there is a default chain")
///     # SharedCredentialsProvider::new(Credentials::new("AKIDEXAMPLE", "not-a-real-secret", None, None, "example"))
/// });
/// ```
pub struct ReloadingCredentials {
    files: Vec<PathBuf>,
    build: Box<Build>,
    built: Mutex<Option<(Vec<Content>, SharedCredentialsProvider)>>,
}

impl ReloadingCredentials {
    /// Creates a provider that calls `build`, whose result depends on `files`.
    pub fn new<F>(files: Vec<PathBuf>, build: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = SharedCredentialsProvider> + Send + 'static,
    {
        Self { files, build: Box::new(move || Box::pin(build())), built: Mutex::new(None) }
    }

    async fn credentials(&self) -> provider::Result {
        // Read before the provider reads: a change in between is then noticed the next time.
        let files = self.files.clone();
        let contents = tokio::task::spawn_blocking(move || {
            files.iter().map(|file| content(file)).collect::<Result<Vec<_>, _>>()
        });
        let contents = contents.await.map_err(CredentialsError::unhandled)??;
        let mut built = self.built.lock().await;
        let provider = match &*built {
            Some((before, provider)) if *before == contents => provider.clone(),
            before => {
                if before.is_some() {
                    tracing::info!("a file with AWS credentials or settings has changed; reading it again");
                }
                let provider = (self.build)().await;
                *built = Some((contents, provider.clone()));
                provider
            }
        };
        drop(built);
        provider.provide_credentials().await
    }
}

fn content(file: &Path) -> Result<Content, CredentialsError> {
    let Ok(found) = fs::metadata(file) else { return Ok(None) };
    if is_pipe(file) {
        let problem = format!("{} is a pipe: put a file there, which can be read again", file.display());
        return Err(CredentialsError::provider_error(problem));
    }
    // The path may be a device, such as /dev/null.
    let bytes = if found.is_file() { fs::read(file).ok() } else { None };
    Ok(bytes.map(|bytes| Sha256::digest(Zeroizing::new(bytes)).into()))
}

/// Returns whether the file is a pipe. The SDK would block until a writer opens it.
#[must_use]
pub fn is_pipe(file: &Path) -> bool {
    #[cfg(unix)]
    return fs::metadata(file).is_ok_and(|found| std::os::unix::fs::FileTypeExt::is_fifo(&found.file_type()));
    #[cfg(not(unix))]
    false
}

impl ProvideCredentials for ReloadingCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

impl fmt::Debug for ReloadingCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadingCredentials").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Returns the shared credentials and configuration files of the AWS SDKs and tools:
/// `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE`, or the two in `~/.aws`.
#[must_use]
pub fn shared_files() -> Vec<PathBuf> {
    let home = env::home_dir();
    [("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "~/.aws/config")]
        .into_iter()
        .filter_map(|(variable, default)| {
            let file = PathBuf::from(env::var_os(variable).unwrap_or_else(|| default.into()));
            match file.strip_prefix("~") {
                Ok(below) => home.as_ref().map(|home| home.join(below)),
                Err(_) => Some(file),
            }
        })
        .collect()
}
