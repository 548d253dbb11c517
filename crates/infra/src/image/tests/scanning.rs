use super::*;
use crate::image::scan::scan;

/// What comes of a scan that ECR tells of in this way.
async fn scanned(answers: &[(u16, Value)]) -> Result<Scan, ImageError> {
    let aws = Canned::new();
    let repository = json!({ "repositories": [{ "imageScanningConfiguration": { "scanOnPush": true } }] });
    aws.on("DescribeRepositories", 200, repository.to_string());
    for (status, answer) in answers {
        aws.on("DescribeImageScanFindings", *status, answer.to_string());
    }
    scan(&REPOSITORY.parse().unwrap(), &Digest::of(b"image"), &aws.config(), &clock()).await
}

fn status(status: &str, description: &str) -> Value {
    json!({ "imageScanStatus": { "status": status, "description": description } })
}

fn found(counts: &Value) -> Value {
    json!({
        "imageScanStatus": { "status": "COMPLETE" },
        "imageScanFindings": { "findingSeverityCounts": counts }
    })
}

#[tokio::test]
async fn a_scan_is_waited_for() {
    let not_yet = json!({ "__type": "ScanNotFoundException" });
    let done = found(&json!({ "MEDIUM": 4 }));
    let scan = scanned(&[(400, not_yet), (200, status("IN_PROGRESS", "")), (200, done)]).await.unwrap();
    assert_eq!((scan.is_done(), scan.critical, scan.high), (true, 0, 0));
}

#[tokio::test]
async fn an_image_that_can_t_be_scanned_is_told_as_such() {
    for answer in [
        status("UNSUPPORTED_IMAGE", ""),
        status("FAILED", "UnsupportedImageError: The operating system '' version '' is not supported."),
    ] {
        let scan = scanned(&[(200, answer)]).await.unwrap();
        assert_eq!((scan.is_done(), scan.status.as_str()), (false, "UNSUPPORTED_IMAGE"));
    }
}

#[tokio::test]
async fn a_repository_that_does_not_scan_is_not_waited_for() {
    let aws = Canned::new();
    aws.on(
        "DescribeRepositories",
        200,
        r#"{"repositories":[{"imageScanningConfiguration":{"scanOnPush":false}}]}"#,
    );
    let scan =
        scan(&REPOSITORY.parse().unwrap(), &Digest::of(b"image"), &aws.config(), &clock()).await.unwrap();
    assert_eq!(scan.status, "off");
    assert_eq!(aws.operations(), ["DescribeRepositories"]);
}

#[tokio::test]
async fn findings_and_scans_without_an_end_are_refused() {
    let mut said = Vec::new();
    for answer in [
        found(&json!({ "CRITICAL": 1, "HIGH": 2, "LOW": 9 })),
        found(&json!({ "HIGH": 1 })),
        status("FAILED", "ScanError: try again"),
        status("LIMIT_EXCEEDED", ""),
        status("IN_PROGRESS", ""),
    ] {
        said.push(
            text(&scanned(&[(200, answer)]).await.unwrap_err())
                .replace(Digest::of(b"image").as_str(), "<image>"),
        );
    }
    insta::assert_snapshot!(said.join("\n"), @"
    the scan of 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image> found 1 critical and 2 high: the image was pushed, and must not be rolled out; see `aws ecr describe-image-scan-findings`, and build it on a base without them
    the scan of 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image> found 0 critical and 1 high: the image was pushed, and must not be rolled out; see `aws ecr describe-image-scan-findings`, and build it on a base without them
    the scan of 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image> is FAILED: ScanError: try again: the image was pushed; run this again, which looks at the scan again
    the scan of 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image> is LIMIT_EXCEEDED: the image was pushed; run this again, which looks at the scan again
    the scan of 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image> is not done after 15 minutes: the image was pushed; run this again, which looks at the scan again
    ");
}
