//! Tests of waiting for ECR's scan.

use super::*;
use crate::image::scan::wait_for_scan;

/// Waits for a scan with these answers of ECR.
async fn scanned(answers: &[(u16, Value)], accepted: &[&str]) -> Result<Scan, ImageError> {
    let aws = TestClient::new();
    let repository = json!({ "repositories": [{ "imageScanningConfiguration": { "scanOnPush": true } }] });
    aws.on("DescribeRepositories", 200, repository.to_string());
    for (status, answer) in answers {
        aws.on("DescribeImageScanFindings", *status, answer.to_string());
    }
    let accepted: Vec<String> = accepted.iter().map(|&status| status.to_owned()).collect();
    let image = Digest::sha256(b"image");
    wait_for_scan(&REPOSITORY.parse().unwrap(), &image, &accepted, &aws.config(), &clock()).await
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
async fn a_push_waits_for_the_scan() {
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
            assert!(
                matches!(&error, ImageError::Unscanned { status, .. } if status == "UNSUPPORTED_IMAGE"),
                "{error}"
            );
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
    let wait = async |accepted: &[String]| {
        wait_for_scan(&repository, &image, accepted, &aws.config(), &clock()).await
    };
    let error = wait(&[]).await.unwrap_err();
    assert!(matches!(&error, ImageError::Unscanned { status, .. } if status == "off"), "{error}");
    assert_eq!(wait(&["off".to_owned()]).await.unwrap().status, "off");
    // No findings are polled for.
    assert_eq!(aws.operations(), ["DescribeRepositories", "DescribeRepositories"]);
}

#[tokio::test]
async fn findings_and_unfinished_scans_are_refused() {
    for counts in [json!({ "CRITICAL": 1, "HIGH": 2, "LOW": 9 }), json!({ "HIGH": 1 })] {
        let error = scanned(&[(200, found(&counts))], &[]).await.unwrap_err();
        let number = |severity: &str| counts[severity].as_u64().unwrap_or_default();
        assert!(
            matches!(&error, ImageError::Findings { scan, .. }
                if u64::from(scan.critical) == number("CRITICAL") && u64::from(scan.high) == number("HIGH")),
            "{error}"
        );
    }
    for (answer, expected) in [
        (status("FAILED", "ScanError: try again"), "is FAILED: ScanError: try again"),
        (status("LIMIT_EXCEEDED", ""), "is LIMIT_EXCEEDED"),
        (status("IN_PROGRESS", ""), "is not finished after 15 minutes"),
    ] {
        let error = scanned(&[(200, answer)], &[]).await.unwrap_err();
        assert!(matches!(&error, ImageError::NoScan { problem, .. } if problem == expected), "{error}");
    }
}
