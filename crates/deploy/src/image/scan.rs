//! Waits for ECR's own scan of a pushed image. Refuses an image with critical or high findings, and
//! one that was not scanned, unless its status is accepted.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::ProvideErrorMetadata as _;
use aws_sdk_ecr::types::{FindingSeverity, ImageIdentifier, ScanStatus};
use rds_iam_token::Clock;

use super::record::{SCAN_OFF, Scan};
use super::{Digest, ImageError, Repository};
use crate::aws::CallError;
use crate::aws::poll::Poll;

/// A scan takes about a minute.
const POLL: Poll = Poll { interval: Duration::from_secs(3), timeout: Duration::from_secs(15 * 60) };

fn not_scanned(status: &str) -> Scan {
    Scan { status: status.to_owned(), critical: 0, high: 0 }
}

/// Waits for the scan of an image. An unscanned image is refused, unless `accepted` contains its status.
pub(super) async fn wait_for_scan(
    repository: &Repository,
    image: &Digest,
    accepted: &[String],
    aws: &SdkConfig,
    clock: &Clock,
) -> Result<Scan, ImageError> {
    let client = Client::new(aws);
    let scan = if scans_on_push(repository, &client).await? {
        wait_for_findings(repository, image, &client, clock).await?
    } else {
        not_scanned(SCAN_OFF)
    };
    if scan.is_done() || accepted.contains(&scan.status) {
        return Ok(scan);
    }
    Err(ImageError::Unscanned { image: repository.image(image), status: scan.status })
}

async fn wait_for_findings(
    repository: &Repository,
    image: &Digest,
    client: &Client,
    clock: &Clock,
) -> Result<Scan, ImageError> {
    let scan = POLL.until(clock, async || read_findings(repository, image, client).await).await?;
    let scan = scan.unwrap_or_else(|| {
        let minutes = POLL.timeout.as_secs() / 60;
        Err(format!("is not finished after {minutes} minutes"))
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
    let operation = format!("read the scan settings of {repository}");
    let answer = call.await.map_err(CallError::from_sdk(operation, "ecr:DescribeRepositories"))?;
    let found = answer.repositories.unwrap_or_default().into_iter().next();
    let configuration = found.and_then(|repository| repository.image_scanning_configuration);
    Ok(configuration.is_some_and(|configuration| configuration.scan_on_push))
}

/// Returns the result of a scan, or the reason why there is none; `None` while it is running.
async fn read_findings(
    repository: &Repository,
    image: &Digest,
    client: &Client,
) -> Result<Option<Result<Scan, String>>, CallError> {
    let id = ImageIdentifier::builder().image_digest(image.as_str()).build();
    let call = client.describe_image_scan_findings().repository_name(repository.path()).image_id(id);
    let call = call.set_registry_id(repository.account().map(str::to_owned)).send();
    let answer = match call.await {
        Ok(answer) => answer,
        // The scan starts a moment after the push.
        Err(error) if error.code() == Some("ScanNotFoundException") => return Ok(None),
        Err(error) => {
            let operation = format!("read the scan findings of {}", repository.image(image));
            return Err(CallError::from_sdk(operation, "ecr:DescribeImageScanFindings")(error));
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
        ScanStatus::UnsupportedImage => Some(Ok(not_scanned(status.as_str()))),
        // Basic scanning reports an unsupported image this way: a code before a colon.
        ScanStatus::Failed if description.split(':').next() == Some("UnsupportedImageError") => {
            Some(Ok(not_scanned(ScanStatus::UnsupportedImage.as_str())))
        }
        ScanStatus::InProgress | ScanStatus::Pending => None,
        _ if description.is_empty() => Some(Err(format!("is {}", status.as_str()))),
        _ => Some(Err(format!("is {}: {description}", status.as_str()))),
    })
}
