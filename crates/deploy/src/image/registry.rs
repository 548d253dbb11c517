//! A repository in a registry, by the OCI distribution API.

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

/// How long a connection may take, and how long a registry may say nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How often to look whether a registry lists a new artifact by itself, before it is listed for it.
const LOOKS: u32 = 3;
const LOOK: Duration = Duration::from_secs(1);

/// A repository, and the login for its registry. It has no `Debug`, for the login's sake.
pub(super) struct Registry {
    client: Client,
    /// `host[:port]` that is spoken to; on one machine, another than the repository's.
    host: String,
    pub(super) repository: Repository,
}

/// The registry's own codes for something that is not there.
const NOT_THERE: [OciErrorCode; 4] = [
    OciErrorCode::ManifestUnknown,
    OciErrorCode::NotFound,
    OciErrorCode::NameUnknown,
    OciErrorCode::BlobUnknown,
];

impl Registry {
    /// Does not speak to it yet. `is_plain` is for loopback alone: http.
    pub(super) async fn new(
        host: String,
        is_plain: bool,
        repository: Repository,
        login: RegistryAuth,
    ) -> Self {
        let client = Client::new(ClientConfig {
            protocol: if is_plain { ClientProtocol::Http } else { ClientProtocol::Https },
            // A blob in one request: ECR wants chunks of 5 MiB and more, or none.
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
        let asked = self.client.blob_exists(&self.at(blob.digest.as_str()), blob.digest.as_str()).await;
        asked.map_err(self.failed("look for the blob", blob.digest.as_str()))
    }

    pub(super) async fn blob(&self, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        let wanted = OciDescriptor { digest: blob.digest.to_string(), ..OciDescriptor::default() };
        let pulled = self.client.pull_blob(&self.at(blob.digest.as_str()), &wanted, &mut bytes).await;
        pulled.map_err(self.failed("read the blob", blob.digest.as_str()))?;
        Ok(bytes)
    }

    pub(super) async fn put_blob(&self, digest: &Digest, bytes: Vec<u8>) -> Result<(), RegistryError> {
        let pushed = self.client.push_blob(&self.at(digest.as_str()), bytes, digest.as_str()).await;
        pushed.map(drop).map_err(self.failed("write the blob", digest.as_str()))
    }

    /// The manifest of that digest, as it lies there.
    pub(super) async fn manifest(&self, digest: &Digest) -> Result<Option<Manifest>, RegistryError> {
        let reference =
            Reference::with_digest(self.host.clone(), self.repository.path().to_owned(), digest.to_string());
        let failed = self.failed("read the manifest", digest.as_str());
        match self.client.pull_manifest_raw(&reference, &RegistryAuth::Anonymous, &MANIFESTS).await {
            Ok((bytes, _)) => match Manifest::parse(bytes.to_vec()) {
                Some(manifest) => Ok(Some(manifest)),
                None => Err(self.error("read the manifest", digest.as_str(), Cause::NoImage)),
            },
            Err(error) if is_not_there(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Which manifest a tag names.
    pub(super) async fn tagged(&self, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        let failed = self.failed("look for the tag", tag.as_str());
        match self.client.fetch_manifest_digest(&self.at(tag.as_str()), &RegistryAuth::Anonymous).await {
            Ok(digest) => match digest.parse() {
                Ok(digest) => Ok(Some(digest)),
                Err(_) => Err(self.error("look for the tag", tag.as_str(), Cause::Protocol)),
            },
            Err(error) if is_not_there(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Puts a manifest by its digest, or under a tag; its blobs must be there.
    pub(super) async fn put_manifest(&self, name: &str, manifest: &Manifest) -> Result<(), RegistryError> {
        self.put(name, manifest.bytes.clone(), &manifest.media_type).await
    }

    async fn put(&self, name: &str, bytes: Vec<u8>, media_type: &str) -> Result<(), RegistryError> {
        let content_type = media_type.parse().expect("the media types that are taken are header values");
        let pushed = self.client.push_manifest_raw(&self.at(name), bytes, content_type).await;
        pushed.map(drop).map_err(self.failed("write the manifest", name))
    }

    /// The artifacts that refer to an image.
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

    /// Sees to it that an artifact is listed with its image. A registry without the referrers API does not do that
    /// itself: then it is the client's part to keep the list, under the tag `sha256-<hex>` (OCI distribution
    /// specification 1.1, "Referrers Tag Schema").
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
        let list = self.client.pull_manifest_raw(&self.at(&name), &RegistryAuth::Anonymous, &[INDEX]).await;
        let list = match list {
            Ok((bytes, _)) => Some(bytes),
            Err(error) if is_not_there(&error) => None,
            Err(error) => return Err(self.failed("read the list of artifacts", &name)(error)),
        };
        // Where there is such a list, the registry keeps none itself; where not, it may need a moment.
        for look in 0..if list.is_some() { 1 } else { LOOKS } {
            if look > 0 {
                clock.sleep(LOOK).await;
            }
            if is_listed().await? {
                return Ok(());
            }
        }
        let mut list = match list {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|_| self.error("read the list of artifacts", &name, Cause::Protocol))?,
            None => json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }),
        };
        match list["manifests"].as_array_mut() {
            Some(manifests) => manifests.push(json!(artifact.descriptor())),
            None => return Err(self.error("read the list of artifacts", &name, Cause::Protocol)),
        }
        self.put(&name, list.to_string().into_bytes(), INDEX).await?;
        if is_listed().await? {
            Ok(())
        } else {
            Err(self.error("list the artifact", artifact.digest.as_str(), Cause::Protocol))
        }
    }

    /// A name in the repository. A digest is given as a tag, which comes to the same address: for registries that
    /// answer without `Location`, oci-client takes a tag off that address and panics where there is none.
    fn at(&self, name: &str) -> Reference {
        Reference::with_tag(self.host.clone(), self.repository.path().to_owned(), name.to_owned())
    }

    fn failed(&self, doing: &'static str, name: &str) -> impl FnOnce(OciDistributionError) -> RegistryError {
        let (name, repository) = (name.to_owned(), self.repository.to_string());
        move |error| RegistryError { doing, name, repository, cause: Cause::from_oci(&error) }
    }

    fn error(&self, doing: &'static str, name: &str, cause: Cause) -> RegistryError {
        RegistryError { doing, name: name.to_owned(), repository: self.repository.to_string(), cause }
    }
}

fn is_not_there(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.first().is_some_and(|error| NOT_THERE.contains(&error.code))
        }
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        _ => false,
    }
}

/// A registry did not do what it was asked. Its addresses are not repeated: those of uploads and blobs carry
/// signatures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {doing} {name} in {repository}: {cause}")]
#[non_exhaustive]
pub struct RegistryError {
    /// What was to be done.
    pub doing: &'static str,
    /// To what.
    pub name: String,
    /// The repository.
    pub repository: String,
    /// Why it was not, and what to do.
    pub cause: Cause,
}

/// Why a registry did not do what it was asked. `Display` says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The login is no good (any more).
    #[error("the registry does not accept the login, which holds for 12 hours: run this again")]
    Unauthorized,
    /// The caller may not.
    #[error(
        "denied: allow the caller's role ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and, to push, ecr:PutImage and the ecr:*LayerUpload actions there"
    )]
    Denied,
    /// Another answer.
    #[error(
        "the registry answered {status}{}: run this again, which goes on where this stopped",
        because(said)
    )]
    Answered {
        /// The HTTP status, or the registry's own code.
        status: String,
        /// What it says; it may be empty.
        said: String,
    },
    /// No answer, or half of one.
    #[error(
        "the connection failed{}: check the way to the registry, and run this again, which goes on where this stopped",
        because(said)
    )]
    Broken {
        /// What the system says; it may be empty.
        said: String,
    },
    /// What came is not what its digest says.
    #[error("what came is something else than the digest says: run this again")]
    Corrupt,
    /// The digest is that of a list of images, or something else.
    #[error("it is no image's manifest: name an image for one platform")]
    NoImage,
    /// The registry does not keep to the OCI distribution specification.
    #[error(
        "its answer does not keep to the OCI distribution specification: see whether that registry is of a version that does"
    )]
    Protocol,
}

fn because(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" ({said})") }
}

impl Cause {
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
                    Self::Answered { status, said: one_line(&error.message) }
                }
                None => Self::Protocol,
            },
            OciDistributionError::ServerError { code, message, .. } => Self::status(*code, message),
            OciDistributionError::RequestError(error) => match error.status() {
                Some(status) => Self::status(status.as_u16(), ""),
                None => {
                    // The first cause; the others name the address.
                    let causes = std::iter::successors(error.source(), |&error| error.source());
                    Self::Broken {
                        said: causes.last().map(|error| one_line(&error.to_string())).unwrap_or_default(),
                    }
                }
            },
            OciDistributionError::IoError(error) => Self::Broken { said: error.kind().to_string() },
            OciDistributionError::DigestError(_) => Self::Corrupt,
            _ => Self::Protocol,
        }
    }

    fn status(status: u16, said: &str) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Denied,
            _ => Self::Answered { status: status.to_string(), said: one_line(said) },
        }
    }
}

/// The beginning of what a registry says, which may be a page of HTML.
fn one_line(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(200).collect::<String>().trim().to_owned()
}
