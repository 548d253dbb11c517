//! Tests of promotions.

use super::*;
use crate::image::registry::Registry;
use crate::image::upload::attach_document;

const GATES: &str = "application/vnd.rds-iam.gates.v1+json";
const STATEMENT: &str = "application/vnd.in-toto+json";

/// Returns an environment with a repository like the example's.
fn location(environment: &str) -> ImageLocation {
    let repository = REPOSITORY.replace("orders-dev", &format!("orders-{environment}"));
    ImageLocation { environment: environment.to_owned(), repository }
}

fn request(digest: &Digest) -> PromotionRequest {
    PromotionRequest {
        from: location("dev"),
        image_parameter: "/dev/app/image".to_owned(),
        to: location("production"),
        digest: digest.clone(),
        by: "ada".to_owned(),
        reason: "release 7".to_owned(),
        required: Vec::new(),
        accept_skipped: Vec::new(),
        accept_local: false,
        attestation: None,
    }
}

/// ECR, with the image in service in the example's deployment, under these tags.
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

/// Promotes an image. Returns the result and the reported progress.
async fn promote_image(
    request: &PromotionRequest,
    aws: &TestClient,
) -> (Result<Promotion, ImageError>, Vec<String>) {
    let (progress, aws) = (Progress::capture(), aws.config());
    let result = promote(&aws, &aws, &clock(), request).await;
    (result, progress.lines())
}

async fn registry(repository: &str, aws: &TestClient) -> Registry {
    login::login(&repository.parse().unwrap(), &aws.config()).await.unwrap()
}

#[tokio::test]
async fn the_running_bytes_are_copied_with_a_record() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let aws = running(&server, &built.image, &[TAG]);
    let options = with_gates(gates(&built.folder, &built.image, "passed"));
    push_built(&built, &options, &aws).await.0.unwrap();
    let request = request(&built.image);
    let (result, progress) = promote_image(&request, &aws).await;
    let record = result.unwrap();
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
    assert!(progress.iter().all(|line| !line.ends_with("already exists")), "{progress:?}");

    let (copy, original) = (registry(&target, &aws).await, registry(REPOSITORY, &aws).await);
    let image = copy.manifest(&built.image).await.unwrap().unwrap();
    assert_eq!(Some(&image), original.manifest(&built.image).await.unwrap().as_ref());
    assert_eq!(copy.tagged(&TAG.parse().unwrap()).await.unwrap(), Some(built.image.clone()));
    let kinds = async |registry: &Registry| {
        let listed = registry.artifacts(&built.image).await.unwrap();
        listed.into_iter().map(|listed| listed.artifact_type.unwrap_or_default()).collect::<Vec<_>>()
    };
    let mut expected = kinds(&original).await;
    assert_eq!(expected.len(), 3);
    expected.push("application/vnd.rds-iam.promotion.v1+json".to_owned());
    assert_eq!(kinds(&copy).await, expected);

    let (again, progress) = promote_image(&request, &aws).await;
    assert_eq!(again.unwrap(), record);
    assert_eq!(progress.last().unwrap(), "already promoted at 2026-01-01T00:00:02Z");
    assert_eq!(kinds(&copy).await, expected);
    let image = ImageRef::Digest(built.image.clone());
    let inspected = inspect(&aws.config(), &target.parse().unwrap(), &image).await.unwrap();
    assert_eq!(inspected.promotions, [record]);
}

#[tokio::test]
async fn an_image_is_promoted_only_with_gates_and_from_service() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let aws = running(&server, &built.image, &[TAG]);
    let own = request(&built.image);
    let refused =
        async |request: &PromotionRequest, aws: &TestClient| promote_image(request, aws).await.0.unwrap_err();
    // In service, but never pushed.
    let error = refused(&own, &aws).await;
    assert!(matches!(error, ImageError::Missing { .. }), "{error}");
    push_built(&built, &PushOptions::default(), &aws).await.0.unwrap();
    let error = refused(&own, &aws).await;
    assert!(matches!(error, ImageError::NoGates { .. }), "{error}");
    let options = with_gates(gates(&built.folder, &built.image, "skipped"));
    push_built(&built, &options, &aws).await.0.unwrap();
    let error = refused(&own, &aws).await;
    assert!(matches!(&error, ImageError::Skipped { skipped, .. } if *skipped == ["trivy"]), "{error}");
    let accepted = PromotionRequest { accept_skipped: vec!["trivy".to_owned()], ..own.clone() };
    let required = vec!["tflint".to_owned(), "trivy".to_owned()];
    let error = refused(&PromotionRequest { required, ..accepted.clone() }, &aws).await;
    assert!(matches!(&error, ImageError::Skipped { skipped, .. } if *skipped == ["tflint"]), "{error}");
    let error = refused(&request(&Digest::sha256(b"other")), &aws).await;
    assert!(matches!(&error, ImageError::NotRunning { running: Some(_), .. }), "{error}");
    let error = refused(&accepted, &running(&server, &built.image, &["latest"])).await;
    assert!(matches!(&error, ImageError::NoTag { tags, .. } if *tags == ["latest"]), "{error}");
    // Nothing was copied.
    let target = registry(&REPOSITORY.replace("orders-dev", "orders-production"), &aws).await;
    assert_eq!(target.manifest(&built.image).await.unwrap(), None);
    promote_image(&accepted, &aws).await.0.unwrap();
    assert!(target.manifest(&built.image).await.unwrap().is_some());
}

/// Attaches a document to the image in dev's repository, as any caller with permission to push can.
async fn attach(image: &Digest, artifact_type: &str, document: &Value, aws: &TestClient) {
    let registry = registry(REPOSITORY, aws).await;
    let image = registry.manifest(image).await.unwrap().unwrap();
    let bytes = document.to_string().into_bytes();
    attach_document(&registry, &image, artifact_type, &bytes, &clock()).await.unwrap();
}

#[tokio::test]
async fn gate_results_attached_later_overrule_nothing() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let aws = running(&server, &built.image, &[TAG]);
    // The pipeline's own run, with a skipped gate.
    let options = with_gates(gates(&built.folder, &built.image, "skipped"));
    push_built(&built, &options, &aws).await.0.unwrap();
    let forged = |at: &str| {
        let passed = ["checkov", "trivy"].map(|name| json!({ "name": name, "result": "passed" }));
        json!({ "commit": COMMIT, "image": built.image, "run": "x", "at": at, "gates": passed })
    };
    // Newer and older: the run that skipped the gate still counts.
    for at in ["2026-01-01T00:00:01Z", "1970-01-01T00:00:00Z"] {
        attach(&built.image, GATES, &forged(at), &aws).await;
        let error = promote_image(&request(&built.image), &aws).await.0.unwrap_err();
        assert!(matches!(&error, ImageError::Skipped { skipped, .. } if *skipped == ["trivy"]), "{error}");
    }
    // In the future, or not a time.
    for at in ["9999-12-31T23:59:59Z", "yesterday"] {
        attach(&built.image, GATES, &forged(at), &aws).await;
        let error = promote_image(&request(&built.image), &aws).await.0.unwrap_err();
        assert!(matches!(&error, ImageError::Evidence { .. }), "{error}");
    }
}

#[tokio::test]
async fn provenance_must_be_about_the_image_and_state_pinned_bases() {
    let server = Server::start();
    let about_another = "an attached provenance statement is about another image";
    for (number, (own, other, expected)) in [
        (json!({}), None, about_another),
        (provenance(&Digest::sha256(b"other"), "pinned"), None, about_another),
        (Value::Null, Some(provenance(&Digest::sha256(b"other"), "pinned")), about_another),
        (Value::Null, Some(json!({ "predicate": "another form" })), about_another),
        (json!("local"), None, "it was built on local bases, not on pinned ones"),
    ]
    .into_iter()
    .enumerate()
    {
        let built = build_with(&server.folder(&number.to_string()), &format!("image {number}"), &own);
        let tag = format!("{TAG}-{number}");
        let aws = running(&server, &built.image, &[&tag]);
        let options = with_gates(gates(&built.folder, &built.image, "passed"));
        push_as(&tag, &built, &options, &aws).await.0.unwrap();
        if let Some(other) = other {
            attach(&built.image, STATEMENT, &other, &aws).await;
        }
        let error = promote_image(&request(&built.image), &aws).await.0.unwrap_err();
        assert!(matches!(&error, ImageError::Evidence { problem, .. } if problem == expected), "{error}");
        // In the account on this machine, local bases are the only ones.
        let local = PromotionRequest { accept_local: true, ..request(&built.image) };
        assert_eq!(promote_image(&local, &aws).await.0.is_ok(), own == "local", "{own}");
    }
}
