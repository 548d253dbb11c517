//! Tests of pushes: tags, artifacts, inspection, the mark of a deployed image, interruptions, invalid input,
//! and the errors of registries.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;
use crate::image::manifest::Manifest;

/// Returns a relay to a registry that closes the connection after `bytes` bytes towards it.
fn cut_after(bytes: usize, address: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = listener.local_addr().unwrap().to_string();
    let registry = address.to_owned();
    let left = Arc::new(Mutex::new(bytes));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (registry, left) = (registry.clone(), Arc::clone(&left));
            std::thread::spawn(move || relay_until_cut(client.unwrap(), &registry, &left));
        }
    });
    relay
}

fn relay_until_cut(mut client: TcpStream, registry: &str, left: &Mutex<usize>) {
    let mut server = TcpStream::connect(registry).unwrap();
    let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let mut left = left.lock().unwrap();
        let read = read.min(*left);
        *left -= read;
        if read == 0 || server.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    drop((client.shutdown(std::net::Shutdown::Both), server.shutdown(std::net::Shutdown::Both)));
}

#[tokio::test]
async fn an_image_is_pushed_once_with_its_artifacts() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let aws = ecr(&server.address, PASSWORD);
    let options = with_gates(gates(&built.folder, &built.image, "passed"));
    let (result, progress) = push_built(&built, &options, &aws).await;
    let record = serde_json::to_value(result.unwrap()).unwrap();
    let size = record["size"].as_u64().unwrap();
    assert!((1 << 20..(1 << 20) + 1000).contains(&size), "{size}");
    let scan = json!({ "status": "COMPLETE", "critical": 0, "high": 0 });
    let expected =
        json!({ "repository": REPOSITORY, "digest": built.image, "tag": TAG, "size": size, "scan": scan });
    assert_eq!(record, expected);
    assert!(progress.iter().all(|line| !line.ends_with("already exists")), "{progress:?}");

    let (again, progress) = push_built(&built, &options, &aws).await;
    assert_eq!(again.unwrap().digest, built.image);
    let changes = progress.iter().filter(|line| !line.ends_with("already exists"));
    assert_eq!(changes.collect::<Vec<_>>(), ["scan: COMPLETE; no critical or high findings"]);

    aws.on("DescribeImages", 200, json!({ "imageDetails": [{ "imageTags": [TAG] }] }).to_string());
    for image in [ImageRef::Digest(built.image.clone()), ImageRef::Tag(TAG.parse().unwrap())] {
        let inspected = serde_json::to_value(inspect_image(image, &aws).await.unwrap()).unwrap();
        let gates = json!([
            { "name": "checkov", "result": "passed" },
            { "name": "trivy", "result": "passed", "reason": "not here" }
        ]);
        let expected = json!({
            "repository": REPOSITORY, "digest": built.image, "tags": [TAG], "size": size, "commit": COMMIT,
            "gates": gates, "promotions": []
        });
        assert_eq!(inspected, expected);
    }
}

#[tokio::test]
async fn a_tag_of_another_image_is_refused() {
    let server = Server::start();
    let aws = ecr(&server.address, PASSWORD);
    let (one, other) = (build(&server.folder("one"), "one"), build(&server.folder("other"), "other"));
    push_built(&one, &PushOptions::default(), &aws).await.0.unwrap();
    let (result, progress) = push_built(&other, &PushOptions::default(), &aws).await;
    let error = result.unwrap_err();
    assert!(
        matches!(&error, ImageError::TagTaken { found, image, .. } if *found == one.image && *image == other.image),
        "{error}"
    );
    assert!(progress.is_empty(), "nothing is pushed: {progress:?}");
    let inspected = inspect_image(ImageRef::Digest(other.image), &aws).await;
    assert!(matches!(inspected, Err(ImageError::Missing { .. })));
}

#[tokio::test]
async fn a_deployed_image_gets_a_tag_that_the_lifecycle_policy_keeps() {
    let server = Server::start();
    let aws = ecr(&server.address, PASSWORD);
    let built = build(&server.folder("built"), "an image");
    let mark = async || {
        let progress = Progress::capture();
        let tag = mark_deployed(&aws.config(), &REPOSITORY.parse().unwrap(), &built.image).await;
        (tag, progress.lines())
    };
    let missing = mark().await.0.unwrap_err();
    assert!(matches!(missing, ImageError::Missing { .. }), "{missing}");
    push_built(&built, &PushOptions::default(), &aws).await.0.unwrap();
    let expected = format!("deployed-{}", &built.image.as_str()["sha256:".len()..][..12]);
    for ending in ["pushed", "already exists"] {
        let (tag, progress) = mark().await;
        assert_eq!(tag.unwrap().to_string(), expected);
        assert!(progress.len() == 1 && progress[0].ends_with(ending), "{progress:?}");
    }
    // The same bytes under both names.
    aws.on("DescribeImages", 200, json!({ "imageDetails": [{ "imageTags": [TAG, expected] }] }).to_string());
    let inspected = inspect_image(ImageRef::Tag(expected.parse().unwrap()), &aws).await.unwrap();
    assert_eq!(inspected.digest, built.image);
}

#[tokio::test]
async fn an_interrupted_push_is_resumed() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    // The config arrives, and half of the layer.
    let cut = ecr(&cut_after(1 << 19, &server.address), PASSWORD);
    let (result, progress) = push_built(&built, &PushOptions::default(), &cut).await;
    let error = result.unwrap_err();
    assert!(
        matches!(&error, ImageError::Registry(error) if matches!(error.kind, RegistryErrorKind::Broken { .. })),
        "{error}"
    );
    assert!(matches!(&progress[..], [config] if config.ends_with("pushed")), "{progress:?}");
    let aws = ecr(&server.address, PASSWORD);
    let (result, progress) = push_built(&built, &PushOptions::default(), &aws).await;
    assert_eq!(result.unwrap().digest, built.image);
    let blobs: Vec<_> = progress.iter().filter(|line| line.starts_with("blob")).collect();
    assert!(
        matches!(&blobs[..], [config, layer] if config.ends_with("already exists") && layer.ends_with("pushed"))
    );
}

/// The one wording snapshot of `RegistryError`, with the errors of real and simulated registries.
#[tokio::test]
async fn registry_errors_name_the_fix() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let mut errors = Vec::new();
    let mut fail = async |aws: &TestClient| {
        let error = push_built(&built, &PushOptions::default(), aws).await.0.unwrap_err();
        assert!(matches!(error, ImageError::Registry(_)), "{error}");
        errors.push(text(&error));
    };
    fail(&ecr(&server.address, "another password")).await;
    let denied = r#"{"errors":[{"code":"DENIED","message":"no"}]}"#;
    for (status, body) in [(503, "<html>\nbusy</html>"), (403, denied), (401, "")] {
        let registry = TestClient::new();
        registry.on("POST /v2/orders-dev/blobs/uploads/", status, body);
        fail(&ecr(registry.address(), PASSWORD)).await;
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fail(&ecr(&closed.to_string(), PASSWORD)).await;
    insta::assert_snapshot!(errors.join("\n"), @"
    cannot read the tag 0a1b2c3d4e5f in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: the registry rejected the login, which is valid for 12 hours: retry
    cannot write the blob sha256:cae87581c97b14984d2db4327c97897bbea7aa08d34518e63e2230a4842838fe in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: the registry answered 503 (<html> busy</html>): run the same command again to resume
    cannot write the blob sha256:cae87581c97b14984d2db4327c97897bbea7aa08d34518e63e2230a4842838fe in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: denied (DENIED: no): allow ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and, to push, ecr:PutImage and the ecr:*LayerUpload actions in the caller's role, and the layers' bucket in the policy of an S3 endpoint
    cannot write the blob sha256:cae87581c97b14984d2db4327c97897bbea7aa08d34518e63e2230a4842838fe in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: the registry rejected the login, which is valid for 12 hours: retry
    cannot read the tag 0a1b2c3d4e5f in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: the connection failed (Connection refused (os error 111)): check the network to the registry, and run the same command again to resume
    ");
}

#[tokio::test]
async fn a_login_for_another_registry_is_refused() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let login = json!({ "authorizationData": [
        { "authorizationToken": "QVdTOng=", "proxyEndpoint": "https://999999999999.dkr.ecr.us-east-1.amazonaws.com" }
    ]});
    let aws = TestClient::new();
    aws.on("GetAuthorizationToken", 200, login.to_string());
    let error = push_built(&built, &PushOptions::default(), &aws).await.0.unwrap_err();
    assert!(matches!(error, ImageError::Endpoint { .. }), "{error}");
}

#[tokio::test]
async fn an_invalid_layout_or_gates_file_is_refused_before_anything_is_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let aws = TestClient::new();
    let refused = async |name: &str, gates: &dyn Fn(&Built) -> Option<PathBuf>| {
        let built = build(&folder.path().join(name), name);
        let options = PushOptions { gates: gates(&built), ..PushOptions::default() };
        push_built(&built, &options, &aws).await.0.unwrap_err()
    };
    let error = refused("absent", &|built| {
        std::fs::remove_file(built.folder.join("oci-layout")).unwrap();
        None
    })
    .await;
    assert!(matches!(&error, ImageError::Read { path, .. } if path.ends_with("oci-layout")), "{error}");
    let artifact_first = |built: &Built| {
        let path = built.folder.join("index.json");
        let mut index: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        index["manifests"].as_array_mut().unwrap().remove(0);
        index.to_string()
    };
    for (name, file, content, expected) in [
        ("version", "oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#, "is an image layout of version"),
        ("cut", "index.json", "{", "has an invalid index.json (OCI image specification, line 1)"),
        ("empty", "index.json", r#"{"manifests":[]}"#, "has an index.json without images"),
        ("changed", "manifest", "{}", "has a blob sha256:"),
        ("artifact first", "index.json", "", "lists sha256:"),
    ] {
        let error = refused(name, &|built| {
            let path = match file {
                "manifest" => built.folder.join("blobs/sha256").join(built.image.hex()),
                file => built.folder.join(file),
            };
            let content = if content.is_empty() { artifact_first(built) } else { content.to_owned() };
            std::fs::write(path, content).unwrap();
            None
        })
        .await;
        assert!(
            matches!(&error, ImageError::Layout { problem, .. } if problem.starts_with(expected)),
            "{name}: {error}"
        );
    }
    let another = Digest::sha256(b"another");
    let error = refused("gates of another", &|built| Some(gates(&built.folder, &another, "passed"))).await;
    assert!(
        matches!(&error, ImageError::Gates { problem, .. } if problem.starts_with("is about")),
        "{error}"
    );
    let error = refused("a failed gate", &|built| Some(gates(&built.folder, &built.image, "failed"))).await;
    assert!(
        matches!(&error, ImageError::Gates { problem, .. } if problem.starts_with("has an unexpected format")),
        "{error}"
    );
    assert!(aws.operations().is_empty());
}

#[tokio::test]
async fn a_registry_that_refuses_the_referrers_api_has_a_list() {
    let server = TestClient::new();
    let aws = ecr(server.address(), PASSWORD);
    let registry = login::login(&REPOSITORY.parse().unwrap(), &aws.config()).await.unwrap();
    let (image, _) = Manifest::artifact("x/y", b"{}", &a_manifest());
    let listed = json!({ "manifests": [image.descriptor()] });
    server.on(
        &format!("GET /v2/orders-dev/manifests/{}", image.digest.as_str().replace(':', "-")),
        200,
        listed.to_string(),
    );
    for status in [400, 404, 405, 501] {
        server.replace(&format!("GET /v2/orders-dev/referrers/{}", image.digest), status, "");
        assert_eq!(registry.artifacts(&image.digest).await.unwrap().len(), 1, "{status}");
    }
    server.replace(&format!("GET /v2/orders-dev/referrers/{}", image.digest), 500, "");
    assert!(registry.artifacts(&image.digest).await.is_err());
}

#[tokio::test]
async fn an_expired_login_is_named() {
    let server = TestClient::new();
    let aws = ecr(server.address(), PASSWORD);
    let registry = login::login(&REPOSITORY.parse().unwrap(), &aws.config()).await.unwrap();
    let body = json!({ "errors": [{ "code": "DENIED", "message": "Your authorization token has expired" }] });
    server.on("GET /v2/orders-dev/manifests/v1", 403, body.to_string());
    let error = registry.tagged(&"v1".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("(DENIED: Your authorization token has expired)"), "{error}");
}

#[tokio::test]
async fn a_registry_with_the_referrers_api_gets_no_list() {
    let image = a_manifest();
    let (artifact, _) = Manifest::artifact("x/y", b"{}", &image);
    let registry = TestClient::new();
    let referrers = format!("GET /v2/orders-dev/referrers/{}", image.digest);
    let none = json!({ "schemaVersion": 2, "manifests": [] });
    let listed = json!({ "schemaVersion": 2, "manifests": [artifact.descriptor()] });
    registry.on(&referrers, 200, none.to_string()).on(&referrers, 200, listed.to_string());
    let aws = ecr(registry.address(), PASSWORD);
    let client = login::login(&REPOSITORY.parse().unwrap(), &aws.config()).await.unwrap();
    client.ensure_referrer(&image.digest, &artifact, &clock()).await.unwrap();
    assert_eq!(registry.requests(&referrers).len(), 2);
    assert!(registry.operations().iter().all(|request| !request.starts_with("PUT")));
}

pub(super) fn a_manifest() -> Manifest {
    let empty = json!({ "mediaType": "x/y", "digest": Digest::sha256(b"{}"), "size": 2 });
    let manifest = json!({ "schemaVersion": 2, "config": empty, "layers": [] });
    Manifest::parse(manifest.to_string().into_bytes()).unwrap()
}
