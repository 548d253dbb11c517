//! What ECR's own scan finds in an image that was pushed.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::ProvideErrorMetadata as _;
use aws_sdk_ecr::types::{FindingSeverity, ImageIdentifier, ScanStatus};
use rds_iam_token::Clock;
use serde::Serialize;

use super::{Digest, ImageError, Repository};
use crate::aws::CallError;
use crate::aws::wait::{Poll, until};

/// A scan takes a minute or so.
const POLL: Poll = Poll { interval: Duration::from_secs(3), timeout: Duration::from_secs(15 * 60) };

/// The status of an image whose repository does not scan what is pushed.
pub(super) const OFF: &str = "off";

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Scan {
    /// ECR's name for how it went (`COMPLETE`, `ACTIVE`, `UNSUPPORTED_IMAGE`), or `off` where the repository does
    /// not scan what is pushed.
    pub status: String,
    /// How many findings are critical.
    pub critical: u32,
    /// How many are high.
    pub high: u32,
}

impl Scan {
    fn without(status: &str) -> Self {
        Self { status: status.to_owned(), critical: 0, high: 0 }
    }

    /// Whether the image was really looked at.
    pub fn is_done(&self) -> bool {
        self.status == ScanStatus::Complete.as_str() || self.status == ScanStatus::Active.as_str()
    }
}

/// Waits for the scan. An image that was not scanned is refused, unless `accepted` names that status.
pub(super) async fn scan(
    repository: &Repository,
    image: &Digest,
    accepted: &[String],
    aws: &SdkConfig,
    clock: &Clock,
) -> Result<Scan, ImageError> {
    let client = Client::new(aws);
    let scan = if scans_on_push(repository, &client).await? {
        finished(repository, image, &client, clock).await?
    } else {
        Scan::without(OFF)
    };
    if scan.is_done() || accepted.contains(&scan.status) {
        return Ok(scan);
    }
    Err(ImageError::Unscanned { image: repository.image(image), status: scan.status })
}

async fn finished(
    repository: &Repository,
    image: &Digest,
    client: &Client,
    clock: &Clock,
) -> Result<Scan, ImageError> {
    let seen = until(clock, POLL, async || look(repository, image, client).await).await?;
    let scan = seen.unwrap_or_else(|| {
        let minutes = POLL.timeout.as_secs() / 60;
        Err(format!("is not done after {minutes} minutes"))
    });
    let scan = scan.map_err(|problem| ImageError::NoScan { image: repository.image(image), problem })?;
    if scan.critical + scan.high > 0 {
        return Err(ImageError::Findings { image: repository.image(image), scan });
    }
    Ok(scan)
}

async fn scans_on_push(repository: &Repository, client: &Client) -> Result<bool, CallError> {
    let call = client.describe_repositories().repository_names(repository.path());
    let call = call.set_registry_id(repository.account().map(str::to_owned)).send();
    let doing = format!("look whether {repository} scans");
    let answer = call.await.map_err(CallError::from_sdk(doing, "ecr:DescribeRepositories"))?;
    let found = answer.repositories.unwrap_or_default().into_iter().next();
    let configuration = found.and_then(|repository| repository.image_scanning_configuration);
    Ok(configuration.is_some_and(|configuration| configuration.scan_on_push))
}

/// Nothing while it is going on; an error where it came to a bad end.
async fn look(
    repository: &Repository,
    image: &Digest,
    client: &Client,
) -> Result<Option<Result<Scan, String>>, CallError> {
    let id = ImageIdentifier::builder().image_digest(image.as_str()).build();
    let call = client.describe_image_scan_findings().repository_name(repository.path()).image_id(id);
    let call = call.set_registry_id(repository.account().map(str::to_owned)).send();
    let answer = match call.await {
        Ok(answer) => answer,
        // It begins a moment after the push.
        Err(error) if error.code() == Some("ScanNotFoundException") => return Ok(None),
        Err(error) => {
            let doing = format!("see what the scan of {} found", repository.image(image));
            return Err(CallError::from_sdk(doing, "ecr:DescribeImageScanFindings")(error));
        }
    };
    let status = answer.image_scan_status;
    let description = status.as_ref().and_then(|status| status.description.clone()).unwrap_or_default();
    let Some(status) = status.and_then(|status| status.status) else { return Ok(None) };
    Ok(match status {
        ScanStatus::Complete | ScanStatus::Active => {
            let counts = answer.image_scan_findings.and_then(|findings| findings.finding_severity_counts);
            let count = |severity| {
                let count = counts.as_ref().and_then(|counts| counts.get(&severity)).copied();
                count.map_or(0, |count| u32::try_from(count).unwrap_or_default())
            };
            let (critical, high) = (count(FindingSeverity::Critical), count(FindingSeverity::High));
            Some(Ok(Scan { status: status.as_str().to_owned(), critical, high }))
        }
        ScanStatus::UnsupportedImage => Some(Ok(Scan::without(status.as_str()))),
        // Basic scanning says so in this way; the code stands before a colon.
        ScanStatus::Failed if description.split(':').next() == Some("UnsupportedImageError") => {
            Some(Ok(Scan::without(ScanStatus::UnsupportedImage.as_str())))
        }
        ScanStatus::InProgress | ScanStatus::Pending => None,
        _ if description.is_empty() => Some(Err(format!("is {}", status.as_str()))),
        _ => Some(Err(format!("is {}: {description}", status.as_str()))),
    })
}
