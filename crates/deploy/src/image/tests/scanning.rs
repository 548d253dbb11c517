use super::*;
use crate::image::scan::scan;

/// The result of a scan with these answers of ECR.
async fn scanned(answers: &[(u16, Value)], accepted: &[&str]) -> Result<Scan, ImageError> {
    let aws = TestClient::new();
    let repository = json!({ "repositories": [{ "imageScanningConfiguration": { "scanOnPush": true } }] });
    aws.on("DescribeRepositories", 200, repository.to_string());
    for (status, answer) in answers {
        aws.on("DescribeImageScanFindings", *status, answer.to_string());
    }
    let accepted: Vec<String> = accepted.iter().map(|&status| status.to_owned()).collect();
    scan(&REPOSITORY.parse().unwrap(), &Digest::sha256(b"image"), &accepted, &aws.config(), &clock()).await
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
    let scan = scanned(&[(400, not_yet), (200, status("IN_PROGRESS", "")), (200, done)], &[]).await.unwrap();
    assert_eq!((scan.is_done(), scan.critical, scan.high), (true, 0, 0));
}

#[tokio::test]
async fn an_image_that_was_not_scanned_is_refused_unless_that_is_accepted_by_name() {
    for answer in [
        status("UNSUPPORTED_IMAGE", ""),
        status("FAILED", "UnsupportedImageError: The operating system '' version '' is not supported."),
    ] {
        for accepted in [&[][..], &["off"], &["unsupported_image"]] {
            let error = scanned(&[(200, answer.clone())], accepted).await.unwrap_err();
            assert!(text(&error).contains("was not scanned (UNSUPPORTED_IMAGE)"), "{error}");
        }
        let scan = scanned(&[(200, answer)], &["off", "UNSUPPORTED_IMAGE"]).await.unwrap();
        assert_eq!((scan.is_done(), scan.status.as_str()), (false, "UNSUPPORTED_IMAGE"));
    }
}

#[tokio::test]
async fn a_repository_that_does_not_scan_is_refused_unless_that_is_accepted_by_name() {
    let aws = TestClient::new();
    aws.on(
        "DescribeRepositories",
        200,
        r#"{"repositories":[{"imageScanningConfiguration":{"scanOnPush":false}}]}"#,
    );
    let (repository, image) = (REPOSITORY.parse().unwrap(), Digest::sha256(b"image"));
    let refused = scan(&repository, &image, &[], &aws.config(), &clock()).await.unwrap_err();
    insta::assert_snapshot!(text(&refused).replace(image.as_str(), "<image>"), @"123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image> was not scanned (off): the image was pushed, and must not be rolled out. Let the repository scan on push; or accept that by name (--accept-scan off)");
    let accepted = scan(&repository, &image, &["off".to_owned()], &aws.config(), &clock()).await.unwrap();
    assert_eq!(accepted.status, "off");
    // It is not waited for.
    assert_eq!(aws.operations(), ["DescribeRepositories", "DescribeRepositories"]);
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
            text(&scanned(&[(200, answer)], &[]).await.unwrap_err())
                .replace(Digest::sha256(b"image").as_str(), "<image>"),
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
