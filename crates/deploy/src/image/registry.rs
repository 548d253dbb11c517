//! A client of one repository in a registry, through the OCI distribution API: reads and writes blobs,
//! manifests, tags and the list of an image's artifacts. Also the errors of these calls.

use std::error::Error as _;
use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use rds_iam_token::Clock;
use serde_json::json;

use super::manifest::{Descriptor, INDEX, MANIFESTS, Manifest};
use super::{Digest, Repository, Tag};

/// The timeouts of connecting and of a read.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The number and interval of checks whether a registry lists a new artifact by itself.
const REFERRER_CHECKS: u32 = 3;
const REFERRER_INTERVAL: Duration = Duration::from_secs(1);

/// A repository with the login for its registry. It has no `Debug`, which would print the login.
pub(super) struct Registry {
    client: Client,
    /// The registry's `host[:port]`; on a single machine, not the one in the repository's URL.
    host: String,
    pub(super) repository: Repository,
}

/// The registry's error codes for a missing object.
const NOT_FOUND: [OciErrorCode; 4] = [
    OciErrorCode::ManifestUnknown,
    OciErrorCode::NotFound,
    OciErrorCode::NameUnknown,
    OciErrorCode::BlobUnknown,
];

impl Registry {
    /// Creates a client without connecting. `is_plain` means HTTP, for loopback addresses only.
    pub(super) async fn new(
        host: String,
        is_plain: bool,
        repository: Repository,
        login: RegistryAuth,
    ) -> Self {
        let client = Client::new(ClientConfig {
            protocol: if is_plain { ClientProtocol::Http } else { ClientProtocol::Https },
            // One request per blob: ECR requires chunks of at least 5 MiB, or none.
            use_monolithic_push: true,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: concat!("rds-iam/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        });
        client.store_auth_if_needed(&host, &login).await;
        Self { client, host, repository }
    }

    pub(super) async fn has_blob(&self, blob: &Descriptor) -> Result<bool, RegistryError> {
        let exists =
            self.client.blob_exists(&self.reference(blob.digest.as_str()), blob.digest.as_str()).await;
        exists.map_err(self.failed("check for the blob", blob.digest.as_str()))
    }

    pub(super) async fn blob(&self, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        let wanted = OciDescriptor { digest: blob.digest.to_string(), ..OciDescriptor::default() };
        let pulled = self.client.pull_blob(&self.reference(blob.digest.as_str()), &wanted, &mut bytes).await;
        pulled.map_err(self.failed("read the blob", blob.digest.as_str()))?;
        Ok(bytes)
    }

    pub(super) async fn put_blob(&self, digest: &Digest, bytes: Vec<u8>) -> Result<(), RegistryError> {
        let pushed = self.client.push_blob(&self.reference(digest.as_str()), bytes, digest.as_str()).await;
        pushed.map(drop).map_err(self.failed("write the blob", digest.as_str()))
    }

    /// Returns the manifest with that digest, if it exists.
    pub(super) async fn manifest(&self, digest: &Digest) -> Result<Option<Manifest>, RegistryError> {
        let reference =
            Reference::with_digest(self.host.clone(), self.repository.path().to_owned(), digest.to_string());
        let failed = self.failed("read the manifest", digest.as_str());
        match self.client.pull_manifest_raw(&reference, &RegistryAuth::Anonymous, &MANIFESTS).await {
            Ok((bytes, _)) => match Manifest::parse(bytes.to_vec()) {
                Some(manifest) => Ok(Some(manifest)),
                None => Err(self.error("read the manifest", digest.as_str(), RegistryErrorKind::NotAnImage)),
            },
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Returns the digest that a tag points at, if it exists.
    pub(super) async fn tagged(&self, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        let failed = self.failed("read the tag", tag.as_str());
        match self.client.fetch_manifest_digest(&self.reference(tag.as_str()), &RegistryAuth::Anonymous).await
        {
            Ok(digest) => match digest.parse() {
                Ok(digest) => Ok(Some(digest)),
                Err(_) => Err(self.error("read the tag", tag.as_str(), RegistryErrorKind::Protocol)),
            },
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes a manifest by digest or tag; its blobs must exist.
    pub(super) async fn put_manifest(&self, name: &str, manifest: &Manifest) -> Result<(), RegistryError> {
        self.put(name, manifest.bytes.clone(), &manifest.media_type).await
    }

    async fn put(&self, name: &str, bytes: Vec<u8>, media_type: &str) -> Result<(), RegistryError> {
        let content_type = media_type.parse().expect("accepted media types are header values");
        let pushed = self.client.push_manifest_raw(&self.reference(name), bytes, content_type).await;
        pushed.map(drop).map_err(self.failed("write the manifest", name))
    }

    /// Returns the artifacts that refer to an image.
    pub(super) async fn artifacts(&self, image: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let reference =
            Reference::with_digest(self.host.clone(), self.repository.path().to_owned(), image.to_string());
        let listed = self.client.pull_referrers(&reference, None).await;
        let listed = listed.map_err(self.failed("list the artifacts of", image.as_str()))?;
        let descriptor = |entry: oci_client::manifest::ImageIndexEntry| {
            Some(Descriptor {
                media_type: entry.media_type,
                digest: entry.digest.parse().ok()?,
                size: entry.size.try_into().ok()?,
                artifact_type: entry.artifact_type,
            })
        };
        Ok(listed.manifests.into_iter().filter_map(descriptor).collect())
    }

    /// Ensures that an artifact is listed with its image. A registry without the referrers API does not list it: then
    /// the client must maintain a list under the tag `sha256-<hex>` (OCI distribution specification 1.1, "Referrers
    /// Tag Schema").
    pub(super) async fn ensure_referrer(
        &self,
        image: &Digest,
        artifact: &Manifest,
        clock: &Clock,
    ) -> Result<(), RegistryError> {
        let is_listed = async || {
            let listed = self.artifacts(image).await?;
            Ok::<_, RegistryError>(listed.iter().any(|entry| entry.digest == artifact.digest))
        };
        let name = image.as_str().replace(':', "-");
        let list =
            self.client.pull_manifest_raw(&self.reference(&name), &RegistryAuth::Anonymous, &[INDEX]).await;
        let list = match list {
            Ok((bytes, _)) => Some(bytes),
            Err(error) if is_not_found(&error) => None,
            Err(error) => return Err(self.failed("read the list of artifacts", &name)(error)),
        };
        // A registry with such a list has no referrers API; one without may need a moment.
        for check in 0..if list.is_some() { 1 } else { REFERRER_CHECKS } {
            if check > 0 {
                clock.sleep(REFERRER_INTERVAL).await;
            }
            if is_listed().await? {
                return Ok(());
            }
        }
        let mut list = match list {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|_| self.error("read the list of artifacts", &name, RegistryErrorKind::Protocol))?,
            None => json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }),
        };
        match list["manifests"].as_array_mut() {
            Some(manifests) => manifests.push(json!(artifact.descriptor())),
            None => return Err(self.error("read the list of artifacts", &name, RegistryErrorKind::Protocol)),
        }
        self.put(&name, list.to_string().into_bytes(), INDEX).await?;
        if is_listed().await? {
            Ok(())
        } else {
            Err(self.error("list the artifact", artifact.digest.as_str(), RegistryErrorKind::Protocol))
        }
    }

    /// Returns the reference of a name in the repository. A digest is passed as a tag, which has the same URL: for
    /// registries that answer without `Location`, oci-client removes a tag from the URL and panics without one.
    fn reference(&self, name: &str) -> Reference {
        Reference::with_tag(self.host.clone(), self.repository.path().to_owned(), name.to_owned())
    }

    fn failed(
        &self,
        operation: &'static str,
        name: &str,
    ) -> impl FnOnce(OciDistributionError) -> RegistryError {
        let (name, repository) = (name.to_owned(), self.repository.to_string());
        move |error| RegistryError { operation, name, repository, kind: RegistryErrorKind::from_oci(&error) }
    }

    fn error(&self, operation: &'static str, name: &str, kind: RegistryErrorKind) -> RegistryError {
        RegistryError { operation, name: name.to_owned(), repository: self.repository.to_string(), kind }
    }
}

fn is_not_found(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.first().is_some_and(|error| NOT_FOUND.contains(&error.code))
        }
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        _ => false,
    }
}

/// A failed registry call. URLs are omitted: those of uploads and blobs contain signatures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation} {name} in {repository}: {kind}")]
#[non_exhaustive]
pub struct RegistryError {
    /// The operation.
    pub operation: &'static str,
    /// The operation's object: a digest or tag.
    pub name: String,
    /// The repository URL.
    pub repository: String,
    /// The kind of error.
    pub kind: RegistryErrorKind,
}

/// The kind of a [`RegistryError`]. `Display` names the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryErrorKind {
    /// The registry rejects the login.
    #[error("the registry rejected the login, which is valid for 12 hours: retry")]
    Unauthorized,
    /// The caller lacks a permission.
    #[error(
        "denied: allow ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and, to push, ecr:PutImage and the ecr:*LayerUpload actions in the caller's role"
    )]
    Denied,
    /// The registry answered with another error.
    #[error("the registry answered {status}{}: run the same command again to resume", detail(message))]
    Answered {
        /// The HTTP status, or the registry's own code.
        status: String,
        /// The registry's message; may be empty.
        message: String,
    },
    /// The connection failed or broke off.
    #[error(
        "the connection failed{}: check the network to the registry, and run the same command again to resume",
        detail(message)
    )]
    Broken {
        /// The system's message; may be empty.
        message: String,
    },
    /// The content does not have its digest.
    #[error("the content does not match its digest: retry")]
    Corrupt,
    /// The digest is not an image manifest's.
    #[error("it is not an image manifest: use the digest of an image for one platform")]
    NotAnImage,
    /// The registry violates the OCI distribution specification.
    #[error("its answer violates the OCI distribution specification: use a registry version that conforms")]
    Protocol,
}

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({message})") }
}

impl RegistryErrorKind {
    fn from_oci(error: &OciDistributionError) -> Self {
        match error {
            OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_) => Self::Unauthorized,
            OciDistributionError::RegistryError { envelope, .. } => match envelope.errors.first() {
                Some(error) if error.code == OciErrorCode::Unauthorized => Self::Unauthorized,
                Some(error) if error.code == OciErrorCode::Denied => Self::Denied,
                Some(error) => {
                    let code = serde_json::to_value(&error.code).ok();
                    let status = code.and_then(|code| Some(code.as_str()?.to_owned())).unwrap_or_default();
                    Self::Answered { status, message: one_line(&error.message) }
                }
                None => Self::Protocol,
            },
            OciDistributionError::ServerError { code, message, .. } => Self::status(*code, message),
            OciDistributionError::RequestError(error) => match error.status() {
                Some(status) => Self::status(status.as_u16(), ""),
                None => {
                    // The innermost cause; the others contain the URL.
                    let causes = std::iter::successors(error.source(), |&error| error.source());
                    Self::Broken {
                        message: causes.last().map(|error| one_line(&error.to_string())).unwrap_or_default(),
                    }
                }
            },
            OciDistributionError::IoError(error) => Self::Broken { message: error.kind().to_string() },
            OciDistributionError::DigestError(_) => Self::Corrupt,
            _ => Self::Protocol,
        }
    }

    fn status(status: u16, message: &str) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Denied,
            _ => Self::Answered { status: status.to_string(), message: one_line(message) },
        }
    }
}

/// Returns the first 200 characters of a registry's message, which may be an HTML page, on one line.
fn one_line(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(200).collect::<String>().trim().to_owned()
}
