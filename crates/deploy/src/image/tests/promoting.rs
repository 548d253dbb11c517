use super::*;
use crate::image::registry::Registry;

/// An environment with a repository like the example's.
fn place(environment: &str) -> Place {
    let repository = REPOSITORY.replace("orders-dev", &format!("orders-{environment}"));
    Place { environment: environment.to_owned(), repository }
}

fn promote(digest: &Digest) -> Promote {
    Promote {
        from: place("dev"),
        image_parameter: "/dev/app/image".to_owned(),
        to: place("production"),
        digest: digest.clone(),
        by: "ada".to_owned(),
        reason: "release 7".to_owned(),
        required: Vec::new(),
        accept_skipped: Vec::new(),
        accept_local: false,
        attestation: None,
    }
}

/// ECR where that image runs in the example's deployment, under these tags.
fn running(server: &Server, image: &Digest, tags: &[&str]) -> TestClient {
    let aws = ecr(&server.address, PASSWORD);
    let parameter =
        json!({ "Name": "/dev/app/image", "Type": "String", "Value": format!("{REPOSITORY}@{image}") });
    aws.on("GetParameters", 200, json!({ "Parameters": [parameter] }).to_string()).on(
        "DescribeImages",
        200,
        json!({ "imageDetails": [{ "imageTags": tags }] }).to_string(),
    );
    aws
}

async fn promoted(promote: &Promote, aws: &TestClient) -> (Result<Promotion, ImageError>, Vec<String>) {
    let (mut said, aws) = (Vec::new(), aws.config());
    let ended = promote.run(&aws, &aws, &clock(), &mut |line| said.push(line.to_owned())).await;
    (ended, said)
}

async fn registry(repository: &str, aws: &TestClient) -> Registry {
    login::login(&repository.parse().unwrap(), &aws.config()).await.unwrap()
}

#[tokio::test]
async fn the_bytes_that_run_go_on_with_a_record() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let aws = running(&server, &built.image, &[TAG]);
    let push = push(&built, Some(gates(&built.folder, &built.image, "passed")));
    pushed(&push, &aws).await.0.unwrap();
    let promote = promote(&built.image);
    let (ended, said) = promoted(&promote, &aws).await;
    let record = ended.unwrap();
    let target = REPOSITORY.replace("orders-dev", "orders-production");
    let expected = json!({
        "from": { "environment": "dev", "repository": REPOSITORY },
        "to": { "environment": "production", "repository": target },
        "digest": built.image, "commit": COMMIT,
        "gates": [
            { "name": "checkov", "result": "passed" },
            { "name": "trivy", "result": "passed", "reason": "not here" }
        ],
        "by": "ada", "reason": "release 7", "at": "2026-01-01T00:00:02Z"
    });
    assert_eq!(serde_json::to_value(&record).unwrap(), expected);
    assert!(said.iter().all(|line| !line.ends_with("there already")), "{said:?}");

    let (there, here) = (registry(&target, &aws).await, registry(REPOSITORY, &aws).await);
    let image = there.manifest(&built.image).await.unwrap().unwrap();
    assert_eq!(Some(&image), here.manifest(&built.image).await.unwrap().as_ref());
    assert_eq!(there.tagged(&TAG.parse().unwrap()).await.unwrap(), Some(built.image.clone()));
    let kinds = async |registry: &Registry| {
        let listed = registry.artifacts(&built.image).await.unwrap();
        listed.into_iter().map(|listed| listed.artifact_type.unwrap_or_default()).collect::<Vec<_>>()
    };
    let mut expected = kinds(&here).await;
    assert_eq!(expected.len(), 3);
    expected.push("application/vnd.rds-iam.promotion.v1+json".to_owned());
    assert_eq!(kinds(&there).await, expected);

    let (again, said) = promoted(&promote, &aws).await;
    assert_eq!(again.unwrap(), record);
    assert_eq!(said.last().unwrap(), "promoted already, at 2026-01-01T00:00:02Z");
    assert_eq!(kinds(&there).await, expected);
    let show = Show { repository: target.parse().unwrap(), image: Which::Digest(built.image.clone()) };
    assert_eq!(show.run(&aws.config()).await.unwrap().promotions, [record]);
}

#[tokio::test]
async fn what_was_not_tried_is_refused() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let aws = running(&server, &built.image, &[TAG]);
    let mut said = Vec::new();
    let mut failed = async |promote: &Promote, aws: &TestClient| {
        let error = text(&promoted(promote, aws).await.0.unwrap_err());
        said.push(
            error
                .replace(built.image.as_str(), "<image>")
                .replace(Digest::sha256(b"other").as_str(), "<other>"),
        );
    };
    // It runs, and was never pushed.
    failed(&promote(&built.image), &aws).await;
    pushed(&push(&built, None), &aws).await.0.unwrap();
    failed(&promote(&built.image), &aws).await;
    pushed(&push(&built, Some(gates(&built.folder, &built.image, "skipped"))), &aws).await.0.unwrap();
    failed(&promote(&built.image), &aws).await;
    let never = Promote {
        required: vec!["tflint".to_owned(), "trivy".to_owned()],
        accept_skipped: vec!["trivy".to_owned()],
        ..promote(&built.image)
    };
    failed(&never, &aws).await;
    failed(&promote(&Digest::sha256(b"other")), &aws).await;
    let accepted = Promote { accept_skipped: vec!["trivy".to_owned()], ..promote(&built.image) };
    failed(&accepted, &running(&server, &built.image, &["latest"])).await;
    insta::assert_snapshot!(said.join("\n"), @"
    <image> is not in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: push or promote it first, or name another
    123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image> has no results of gates: push it again with them (`image push --gates`)
    of the gates of 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image>, trivy was skipped in at least one run over it: accept that by name (--accept-skipped trivy), or deploy another commit without skipping them
    of the gates of 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image>, tflint was skipped in at least one run over it: accept that by name (--accept-skipped tflint), or deploy another commit without skipping them
    <other> is not what runs in dev: /dev/app/image names 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image>; roll it out there first, or promote that
    123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev@<image> has no tag of its commit 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567 (it has latest): push it again under one
    ");
    // Nothing of it went anywhere.
    let there = registry(&REPOSITORY.replace("orders-dev", "orders-production"), &aws).await;
    assert_eq!(there.manifest(&built.image).await.unwrap(), None);
    promoted(&accepted, &aws).await.0.unwrap();
    assert!(there.manifest(&built.image).await.unwrap().is_some());
}

/// Attaches a document to the image in dev's repository, as every caller with the right to push can.
async fn attached(image: &Digest, artifact_type: &str, document: &Value, aws: &TestClient) {
    let registry = registry(REPOSITORY, aws).await;
    let image = registry.manifest(image).await.unwrap().unwrap();
    let bytes = document.to_string().into_bytes();
    push::attach_document(&registry, &image, artifact_type, &bytes, &clock(), &mut |_| ()).await.unwrap();
}

#[tokio::test]
async fn what_was_attached_later_overrules_nothing() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let aws = running(&server, &built.image, &[TAG]);
    // The pipeline's own run, with a gate that was skipped.
    pushed(&push(&built, Some(gates(&built.folder, &built.image, "skipped"))), &aws).await.0.unwrap();
    let forged = |at: &str| {
        let passed = ["checkov", "trivy"].map(|name| json!({ "name": name, "result": "passed" }));
        json!({ "commit": COMMIT, "image": built.image, "run": "x", "at": at, "gates": passed })
    };
    let mut said = Vec::new();
    let mut failed = async || {
        let error = text(&promoted(&promote(&built.image), &aws).await.0.unwrap_err());
        said.push(error.replace(&format!("{REPOSITORY}@{}", built.image), "<image>"));
    };
    // Newer, older, and of times that are none: the run that skipped it still counts.
    for at in ["2026-01-01T00:00:01Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "yesterday"] {
        attached(&built.image, "application/vnd.rds-iam.gates.v1+json", &forged(at), &aws).await;
        failed().await;
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    of the gates of <image>, trivy was skipped in at least one run over it: accept that by name (--accept-skipped trivy), or deploy another commit without skipping them
    of the gates of <image>, trivy was skipped in at least one run over it: accept that by name (--accept-skipped trivy), or deploy another commit without skipping them
    <image> can't be promoted: results of its gates are of "9999-12-31T23:59:59Z", which is no time until now. Deploy a commit on main by the pipeline, and promote that
    <image> can't be promoted: results of its gates are of "9999-12-31T23:59:59Z", which is no time until now. Deploy a commit on main by the pipeline, and promote that
    "#);
}

#[tokio::test]
async fn provenance_must_be_the_images_own_and_of_pinned_bases() {
    let server = Server::start();
    let statement = "application/vnd.in-toto+json";
    let mut said = Vec::new();
    for (at, (own, other)) in [
        (json!({}), None),
        (provenance(&Digest::sha256(b"other"), "pinned"), None),
        (Value::Null, Some(provenance(&Digest::sha256(b"other"), "pinned"))),
        (Value::Null, Some(json!({ "predicate": "another form" }))),
        (json!("local"), None),
    ]
    .into_iter()
    .enumerate()
    {
        let built = build_with(&server.folder(&at.to_string()), &format!("image {at}"), &own);
        let aws = running(&server, &built.image, &[&format!("{TAG}-{at}")]);
        let gates = Some(gates(&built.folder, &built.image, "passed"));
        let push = Push { tag: format!("{TAG}-{at}").parse().unwrap(), ..push(&built, gates) };
        pushed(&push, &aws).await.0.unwrap();
        if let Some(other) = other {
            attached(&built.image, statement, &other, &aws).await;
        }
        let error = text(&promoted(&promote(&built.image), &aws).await.0.unwrap_err());
        said.push(error.replace(&format!("{REPOSITORY}@{}", built.image), "<image>"));
        // In the account on this machine, local bases are the only ones.
        let here = Promote { accept_local: true, ..promote(&built.image) };
        assert_eq!(promoted(&here, &aws).await.0.is_ok(), own == "local", "{own}");
    }
    insta::assert_snapshot!(said.join("\n"), @"
    <image> can't be promoted: a provenance statement that comes with it is about another image. Deploy a commit on main by the pipeline, and promote that
    <image> can't be promoted: a provenance statement that comes with it is about another image. Deploy a commit on main by the pipeline, and promote that
    <image> can't be promoted: a provenance statement that comes with it is about another image. Deploy a commit on main by the pipeline, and promote that
    <image> can't be promoted: a provenance statement that comes with it is about another image. Deploy a commit on main by the pipeline, and promote that
    <image> can't be promoted: it was built on local bases, not on the pinned ones. Deploy a commit on main by the pipeline, and promote that
    ");
}
