//! Snapshot test of the messages of `ImageError`: the only test of their wording.

use super::*;

#[test]
fn image_errors_name_the_fix() {
    let (repository, tag): (Repository, Tag) = ("a.b/orders".parse().unwrap(), "1.0".parse().unwrap());
    let digest = |content: &[u8]| Digest::sha256(content);
    let image = || repository.image(&digest(b"image"));
    let scan = Scan { status: "COMPLETE".to_owned(), critical: 1, high: 2 };
    let errors = [
        ImageError::Read { path: "/l/oci-layout".into(), source: std::io::ErrorKind::NotFound.into() },
        ImageError::Layout { folder: "/l".into(), problem: "has an index.json without images".to_owned() },
        ImageError::Gates { path: "/g.json".into(), problem: "contains no gate results".to_owned() },
        ImageError::NoLogin { registry: "a.b".to_owned() },
        ImageError::Endpoint { endpoint: "https://c.d".to_owned(), registry: "a.b".to_owned() },
        ImageError::OtherRegistry { endpoint: "https://c.d".to_owned(), registry: "a.b".to_owned() },
        ImageError::TagTaken {
            tag: tag.clone(),
            repository: repository.clone(),
            found: digest(b"other"),
            image: digest(b"image"),
        },
        ImageError::ReadBack { name: tag.to_string(), repository: repository.clone(), found: None },
        ImageError::Missing { name: tag.to_string(), repository: repository.clone() },
        ImageError::Findings { image: image(), scan },
        ImageError::Unscanned { image: image(), status: "off".to_owned() },
        ImageError::Unscanned { image: image(), status: "UNSUPPORTED_IMAGE".to_owned() },
        ImageError::NoScan { image: image(), problem: "is not finished after 15 minutes".to_owned() },
        ImageError::Commits { image: image(), one: "1".to_owned(), other: "2".to_owned() },
        ImageError::NoCommit { image: image() },
        ImageError::NoGates { image: image() },
        ImageError::Evidence { image: image(), problem: "it has no provenance".to_owned() },
        ImageError::Skipped { image: image(), skipped: vec!["tflint".to_owned(), "trivy".to_owned()] },
        ImageError::NotRunning {
            digest: digest(b"image"),
            environment: "dev".to_owned(),
            parameter: "/dev/app/image".to_owned(),
            running: Some("an image".to_owned()),
        },
        ImageError::NothingRuns {
            parameter: "/dev/app/image".to_owned(),
            repository: repository.clone(),
            value: None,
        },
        ImageError::NoTag { image: image(), commit: COMMIT.to_owned(), tags: vec!["latest".to_owned()] },
    ];
    let text = errors.iter().map(|error| text(error)).collect::<Vec<_>>().join("\n");
    let text =
        text.replace(digest(b"image").as_str(), "<image>").replace(digest(b"other").as_str(), "<other>");
    insta::assert_snapshot!(text, @r#"
    cannot read /l/oci-layout; if it does not exist, build the image again: entity not found
    /l has an index.json without images: build the image again
    /g.json contains no gate results: run the gates again, on the image to push
    ECR returned no login for a.b: retry, and check AWS_ENDPOINT_URL if it happens again
    ECR returned a login for "https://c.d", but the image belongs to a.b: use credentials of that account, in its region
    ECR returned a login for "https://c.d", which is not in the region of a.b: check AWS_ENDPOINT_URL and the proxy to AWS
    a.b/orders:1.0 is already <other>, but the image to push is <image>: tags are immutable and a commit has one image; repeat the original build, or commit the changes
    1.0 in a.b/orders reads back as nothing: retry; if it happens again, do not trust the registry
    1.0 is not in a.b/orders: push or promote it first, or choose another image
    the scan of a.b/orders@<image> found 1 critical and 2 high vulnerabilities: the image was pushed, but must not be rolled out. See `aws ecr describe-image-scan-findings`, and build on a base without them
    a.b/orders@<image> was not scanned (off): the image was pushed, but must not be rolled out. Enable scan on push for the repository, or accept the status with --accept-scan off
    a.b/orders@<image> was not scanned (UNSUPPORTED_IMAGE): the image was pushed, but must not be rolled out. Build on a base that ECR supports, or accept the status with --accept-scan UNSUPPORTED_IMAGE
    the scan of a.b/orders@<image> is not finished after 15 minutes: the image was pushed; run the same command again to check the scan again
    a.b/orders@<image> has two commits, 1 and 2: label, provenance and gate results must agree; build it again
    a.b/orders@<image> has no commit in its label or provenance: only images built by the pipeline can be promoted
    a.b/orders@<image> has no gate results: push it again with them (`image push --gates`)
    a.b/orders@<image> can't be promoted: it has no provenance. Deploy a commit on main with the pipeline, and promote that
    gates of a.b/orders@<image> were skipped in at least one run: tflint, trivy. Accept them with --accept-skipped tflint,trivy, or deploy another commit without skipping
    <image> does not run in dev: /dev/app/image is an image. Roll it out there first, or promote the running image
    /dev/app/image is not set, not an image of a.b/orders: deploy there first
    a.b/orders@<image> has no tag with its commit 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567 (its tags: latest): push it again with one
    "#);
}
