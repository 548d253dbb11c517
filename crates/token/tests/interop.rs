//! Tests with AWS's own signers: their tokens must verify, and this crate's must be equal to theirs.

use std::io::Write as _;
use std::process::Stdio;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource};
use rds_iam_emulator_account::AwsApi;
use rds_iam_token::{AccessKey, Endpoint, Login, Verifier, VerifyError, sign};

const USERS: [&str; 12] = [
    "node_app",
    "a&b=c",
    "x+y",
    "50%",
    "%41",
    "two words",
    "o'neil",
    "back`tick",
    "say \"hi\"",
    "Zoë",
    "名前",
    "a/b?c#d",
];
const PLACES: [(&str, &str); 3] = [
    ("db.abc.us-east-1.rds.amazonaws.com", "us-east-1"),
    ("db.abc.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ("db.abc.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
];

fn now() -> SystemTime {
    SharedTimeSource::default().now()
}

fn server(host: &str, region: &str, session_token: Option<&str>) -> Verifier {
    let key = session_token.into_iter().fold(AccessKey::new("akid", "secret"), AccessKey::session_token);
    Verifier::new(region.parse().unwrap(), vec![Endpoint::new(host, 3306).unwrap()], vec![key])
}

/// Several kilobytes, as SSO and chained roles give.
fn long_session_token() -> String {
    "IQoJb3JpZ2luX2VjE+/=".repeat(200)
}

#[tokio::test]
async fn botocore_signs_what_we_verify() {
    const SCRIPT: &str = "
import json, sys
import botocore.session
answer = []
for case in json.load(sys.stdin):
    session = botocore.session.Session()
    client = session.create_client('rds', region_name=case['region'], aws_access_key_id='akid',
                                   aws_secret_access_key='secret', aws_session_token=case['session_token'])
    answer += [client.generate_db_auth_token(case['host'], 3306, user, case['region']) for user in case['users']]
json.dump(answer, sys.stdout)
";
    let aws = AwsApi::start().await.expect("moto, and botocore with it, can be installed");
    let python = aws.python().expect("it is installed here, not in a container");
    let long = long_session_token();
    let cases: Vec<(&str, &str, Option<&str>)> = PLACES
        .iter()
        .flat_map(|(host, region)| {
            [None, Some("tok+/="), Some(long.as_str())].map(|token| (*host, *region, token))
        })
        .collect();
    let request: Vec<_> = cases
        .iter()
        .map(|(host, region, token)| {
            serde_json::json!({ "host": host, "region": region, "session_token": token, "users": USERS })
        })
        .collect();

    #[expect(clippy::disallowed_methods, reason = "a test that needs another language's signer")]
    let mut child = std::process::Command::new(python)
        .args(["-I", "-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(serde_json::to_string(&request).unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let tokens: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(tokens.len(), cases.len() * USERS.len());
    for ((host, region, session_token), tokens) in cases.iter().zip(tokens.chunks(USERS.len())) {
        let server = server(host, region, *session_token);
        for (user, token) in USERS.iter().zip(tokens) {
            let verified = server.verify(token, user, now());
            assert!(verified.is_ok(), "{user} at {host}: {}", verified.unwrap_err());
        }
    }
}

#[tokio::test]
async fn the_rust_sdk_signs_the_same_where_it_signs_rightly() {
    let now = now();
    let long = long_session_token();
    let mut same = 0;
    for (host, region) in PLACES {
        for session_token in [None, Some("tok+/="), Some(long.as_str())] {
            let credentials = Credentials::new("akid", "secret", session_token.map(Into::into), None, "test");
            let config = aws_config::SdkConfig::builder()
                .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
                .region(aws_config::Region::new(region))
                .time_source(SharedTimeSource::new(StaticTimeSource::new(now)))
                .build();
            let server = server(host, region, session_token);
            // It puts the user into the URL as it is, so it panics on a space and signs another user
            // where there is a character with a meaning: only names without any can be compared.
            for user in ["node_app", "jane.doe-1", "A~b", "Zoë", "o'neil"] {
                let wanted = Config::builder().hostname(host).port(3306).username(user).build().unwrap();
                let theirs = AuthTokenGenerator::new(wanted).auth_token(&config).await;
                let Ok(theirs) = theirs else { continue };
                match server.verify(theirs.as_str(), user, now) {
                    Ok(_) => {
                        let login = Login::new(
                            Endpoint::new(host, 3306).unwrap(),
                            region.parse().unwrap(),
                            user.parse().unwrap(),
                        );
                        let ours = sign(&login, &credentials, now).unwrap();
                        let signature = |token: &str| {
                            token.split_once("X-Amz-Signature=").map(|(_, s)| s[..64].to_owned())
                        };
                        assert_eq!(signature(ours.expose()), signature(theirs.as_str()), "{user} at {host}");
                        same += 1;
                    }
                    Err(why) => assert!(!user.is_ascii() || user.contains('\''), "{user} at {host}: {why}"),
                }
            }
        }
    }
    assert!(same >= 3 * 3 * 3, "only {same} could be compared");
}

#[tokio::test]
async fn the_rust_sdk_signs_another_user_where_a_name_has_a_meaning_in_a_url() {
    let now = now();
    let (host, region) = PLACES[0];
    let config = aws_config::SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "akid", "secret", None, None, "test",
        )))
        .region(aws_config::Region::new(region))
        .time_source(SharedTimeSource::new(StaticTimeSource::new(now)))
        .build();
    let wanted = Config::builder().hostname(host).port(3306).username("a&DBUser=root").build().unwrap();
    let theirs = AuthTokenGenerator::new(wanted).auth_token(&config).await.unwrap();
    let refusal = server(host, region, None).verify(theirs.as_str(), "a&DBUser=root", now).unwrap_err();
    assert_eq!(refusal, VerifyError::Repeated { parameter: "DBUser" });
}
