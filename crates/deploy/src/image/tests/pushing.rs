use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::image::manifest::Manifest;

/// A way to a registry that is cut after so many bytes towards it.
fn cut_after(bytes: usize, address: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let there = address.to_owned();
    std::thread::spawn(move || {
        let mut left = bytes;
        for stream in listener.incoming() {
            let mut client = stream.unwrap();
            let mut server = TcpStream::connect(&there).unwrap();
            let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = client.read(&mut buffer) {
                let read = read.min(left);
                left -= read;
                if read == 0 || server.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            drop((client.shutdown(std::net::Shutdown::Both), server.shutdown(std::net::Shutdown::Both)));
        }
    });
    here
}

#[tokio::test]
async fn an_image_is_pushed_once_with_all_that_is_known_of_it() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let aws = ecr(&server.address, PASSWORD);
    let push = push(&built, Some(gates(&built.folder, &built.image, "passed")));
    let (ended, said) = pushed(&push, &aws).await;
    let record = serde_json::to_value(ended.unwrap()).unwrap();
    let size = record["size"].as_u64().unwrap();
    assert!((1 << 20..(1 << 20) + 1000).contains(&size), "{size}");
    let scan = json!({ "status": "COMPLETE", "critical": 0, "high": 0 });
    let expected =
        json!({ "repository": REPOSITORY, "digest": built.image, "tag": TAG, "size": size, "scan": scan });
    assert_eq!(record, expected);
    assert!(said.iter().all(|line| !line.ends_with("there already")), "{said:?}");

    let (again, said) = pushed(&push, &aws).await;
    assert_eq!(again.unwrap().digest, built.image);
    let scanned = said.iter().filter(|line| !line.ends_with("there already"));
    assert_eq!(scanned.collect::<Vec<_>>(), ["scan: COMPLETE; nothing critical or high"]);

    aws.on("DescribeImages", 200, json!({ "imageDetails": [{ "imageTags": [TAG] }] }).to_string());
    for image in [Which::Digest(built.image.clone()), Which::Tag(TAG.parse().unwrap())] {
        let show = Show { repository: REPOSITORY.parse().unwrap(), image };
        let shown = serde_json::to_value(show.run(&aws.config()).await.unwrap()).unwrap();
        let gates = json!([
            { "name": "checkov", "result": "passed" },
            { "name": "trivy", "result": "passed", "reason": "not here" }
        ]);
        let expected = json!({
            "repository": REPOSITORY, "digest": built.image, "tags": [TAG], "size": size, "commit": COMMIT,
            "gates": gates, "promotions": []
        });
        assert_eq!(shown, expected);
    }
}

#[tokio::test]
async fn a_tag_is_given_once() {
    let server = Server::start();
    let aws = ecr(&server.address, PASSWORD);
    let (one, other) = (build(&server.folder("one"), "one"), build(&server.folder("other"), "other"));
    pushed(&push(&one, None), &aws).await.0.unwrap();
    let (ended, said) = pushed(&push(&other, None), &aws).await;
    let error = text(&ended.unwrap_err());
    let error = error.replace(one.image.as_str(), "<one>").replace(other.image.as_str(), "<other>");
    insta::assert_snapshot!(error, @"123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev:0a1b2c3d4e5f is <one> already, and the image here is <other>: a commit has one image; build it as it was built then, or commit what is different");
    assert!(said.is_empty(), "nothing is pushed: {said:?}");
    let show = Show { repository: REPOSITORY.parse().unwrap(), image: Which::Digest(other.image) };
    assert!(matches!(show.run(&aws.config()).await, Err(ImageError::Missing { .. })));
}

#[tokio::test]
async fn an_image_that_is_deployed_gets_a_tag_that_the_lifecycle_keeps() {
    let server = Server::start();
    let aws = ecr(&server.address, PASSWORD);
    let built = build(&server.folder("built"), "an image");
    let deployed = Deployed { repository: REPOSITORY.parse().unwrap(), digest: built.image.clone() };
    let marked = async || {
        let mut said = Vec::new();
        let tag = deployed.run(&aws.config(), &mut |line| said.push(line.to_owned())).await;
        (tag, said)
    };
    let missing = marked().await.0.unwrap_err();
    assert!(matches!(missing, ImageError::Missing { .. }), "{missing}");
    pushed(&push(&built, None), &aws).await.0.unwrap();
    let expected = format!("deployed-{}", &built.image.as_str()["sha256:".len()..][..12]);
    for ending in ["pushed", "there already"] {
        let (tag, said) = marked().await;
        assert_eq!(tag.unwrap().to_string(), expected);
        assert!(said.len() == 1 && said[0].ends_with(ending), "{said:?}");
    }
    // The same bytes under both names.
    aws.on("DescribeImages", 200, json!({ "imageDetails": [{ "imageTags": [TAG, expected] }] }).to_string());
    let show = Show { repository: REPOSITORY.parse().unwrap(), image: Which::Tag(expected.parse().unwrap()) };
    let shown = serde_json::to_value(show.run(&aws.config()).await.unwrap()).unwrap();
    assert_eq!(shown["digest"], built.image.as_str());
}

#[tokio::test]
async fn a_push_that_was_cut_off_goes_on() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let push = push(&built, None);
    // The config arrives, and half of the layer.
    let cut = ecr(&cut_after(1 << 19, &server.address), PASSWORD);
    let (ended, said) = pushed(&push, &cut).await;
    let error = text(&ended.unwrap_err());
    assert!(error.contains("the connection failed"), "{error}");
    assert!(error.ends_with("and run this again, which goes on where this stopped"), "{error}");
    assert!(matches!(&said[..], [config] if config.ends_with("pushed")), "{said:?}");
    let (ended, said) = pushed(&push, &ecr(&server.address, PASSWORD)).await;
    assert_eq!(ended.unwrap().digest, built.image);
    let blobs: Vec<_> = said.iter().filter(|line| line.starts_with("blob")).collect();
    assert!(
        matches!(&blobs[..], [config, layer] if config.ends_with("already") && layer.ends_with("pushed"))
    );
}

#[tokio::test]
async fn a_registry_that_refuses_is_named() {
    let server = Server::start();
    let built = build(&server.folder("built"), "an image");
    let push = push(&built, None);
    let mut said = Vec::new();
    let mut failed = async |aws: &TestClient| {
        let error = pushed(&push, aws).await.0.unwrap_err();
        said.push(text(&error));
    };
    failed(&ecr(&server.address, "another password")).await;
    let denied = r#"{"errors":[{"code":"DENIED","message":"no"}]}"#;
    for (status, body) in [(503, "<html>\nbusy</html>"), (403, denied), (401, "")] {
        let registry = TestClient::new();
        registry.on("POST /v2/orders-dev/blobs/uploads/", status, body);
        failed(&ecr(registry.address(), PASSWORD)).await;
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    failed(&ecr(&gone.to_string(), PASSWORD)).await;
    // Not this repository's registry.
    let login = json!({ "authorizationData": [
        { "authorizationToken": "QVdTOng=", "proxyEndpoint": "https://999999999999.dkr.ecr.us-east-1.amazonaws.com" }
    ]});
    let aws = TestClient::new();
    aws.on("GetAuthorizationToken", 200, login.to_string());
    failed(&aws).await;
    insta::assert_snapshot!(said.join("\n"), @r#"
    cannot look for the tag 0a1b2c3d4e5f in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: the registry does not accept the login, which holds for 12 hours: run this again
    cannot write the blob sha256:cae87581c97b14984d2db4327c97897bbea7aa08d34518e63e2230a4842838fe in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: the registry answered 503 (<html> busy</html>): run this again, which goes on where this stopped
    cannot write the blob sha256:cae87581c97b14984d2db4327c97897bbea7aa08d34518e63e2230a4842838fe in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: denied: allow the caller's role ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and, to push, ecr:PutImage and the ecr:*LayerUpload actions there
    cannot write the blob sha256:cae87581c97b14984d2db4327c97897bbea7aa08d34518e63e2230a4842838fe in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: the registry does not accept the login, which holds for 12 hours: run this again
    cannot look for the tag 0a1b2c3d4e5f in 123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev: the connection failed (Connection refused (os error 111)): check the way to the registry, and run this again, which goes on where this stopped
    the login that ECR gave is for "https://999999999999.dkr.ecr.us-east-1.amazonaws.com", and the image belongs to 123456789012.dkr.ecr.us-east-1.amazonaws.com: use credentials of that account, in its region
    "#);
}

#[tokio::test]
async fn what_is_not_a_build_is_not_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let aws = TestClient::new();
    let mut said = Vec::new();
    let mut failed = async |name: &str, spoil: &dyn Fn(&Built) -> Option<PathBuf>| {
        let built = build(&folder.path().join(name), name);
        let gates = spoil(&built);
        let error = text(&pushed(&push(&built, gates), &aws).await.0.unwrap_err());
        let error = error.replace(built.image.as_str(), "<image>");
        said.push(error.replace(&folder.path().display().to_string(), ""));
    };
    let index = |built: &Built| built.folder.join("index.json");
    let listed =
        |built: &Built| -> Value { serde_json::from_slice(&std::fs::read(index(built)).unwrap()).unwrap() };
    failed("absent", &|built| {
        std::fs::remove_file(built.folder.join("oci-layout")).unwrap();
        None
    })
    .await;
    failed("version", &|built| {
        std::fs::write(built.folder.join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
        None
    })
    .await;
    failed("cut", &|built| {
        std::fs::write(index(built), "{").unwrap();
        None
    })
    .await;
    failed("empty", &|built| {
        std::fs::write(index(built), r#"{"manifests":[]}"#).unwrap();
        None
    })
    .await;
    failed("changed", &|built| {
        let manifest = built.folder.join("blobs/sha256").join(built.image.hex());
        std::fs::write(manifest, "{}").unwrap();
        None
    })
    .await;
    failed("artifact first", &|built| {
        let mut listed = listed(built);
        listed["manifests"].as_array_mut().unwrap().remove(0);
        std::fs::write(index(built), listed.to_string()).unwrap();
        None
    })
    .await;
    failed("gates of another", &|built| Some(gates(&built.folder, &Digest::sha256(b"another"), "passed")))
        .await;
    failed("a gate that failed", &|built| Some(gates(&built.folder, &built.image, "failed"))).await;
    assert!(aws.operations().is_empty());
    insta::assert_snapshot!(said.join("\n"), @r#"
    cannot read /absent/oci-layout; build the image again where it is not there: No such file or directory (os error 2)
    /version is an image layout of version "2.0.0", not 1.0.0: build the image again
    /cut has an index.json that is not of the OCI image specification (line 1): build the image again
    /empty lists no image in index.json: build the image again
    /changed has other content in <image> than its name and size say: build the image again
    /artifact first lists sha256:6f2a41ba62cfdd93e3c7a00b404e043c39ad083e676cf2528ae75e4390967761 first, which is an artifact and no image: build the image again
    /gates of another/gates.json is about sha256:ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5, and the image is <image>: run the gates again, on the image that is pushed
    /a gate that failed/gates.json is not of the form that is due (line 1): run the gates again, on the image that is pushed
    "#);
}

#[tokio::test]
async fn a_registry_that_lists_artifacts_is_left_to_it() {
    let image = a_manifest();
    let (artifact, _) = Manifest::artifact("x/y", b"{}", &image);
    let registry = TestClient::new();
    let referrers = format!("GET /v2/orders-dev/referrers/{}", image.digest);
    // The registry is asked for its login at each call, and wants none.
    registry.on("GET /v2/", 200, "{}");
    let none = json!({ "schemaVersion": 2, "manifests": [] });
    let listed = json!({ "schemaVersion": 2, "manifests": [artifact.descriptor()] });
    registry.on(&referrers, 200, none.to_string()).on(&referrers, 200, listed.to_string());
    let aws = ecr(registry.address(), PASSWORD);
    let at = login::login(&REPOSITORY.parse().unwrap(), &aws.config()).await.unwrap();
    at.ensure_referrer(&image.digest, &artifact, &clock()).await.unwrap();
    assert_eq!(registry.asked(&referrers).len(), 2);
    assert!(registry.operations().iter().all(|asked| !asked.starts_with("PUT")));
}

fn a_manifest() -> Manifest {
    let empty = json!({ "mediaType": "x/y", "digest": Digest::sha256(b"{}"), "size": 2 });
    let manifest = json!({ "schemaVersion": 2, "config": empty, "layers": [] });
    Manifest::parse(manifest.to_string().into_bytes()).unwrap()
}
