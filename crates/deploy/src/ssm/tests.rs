use std::time::{Duration, SystemTime};

use super::*;
use crate::aws::test_client::TestClient;

fn parameter(path: &str, value: &str) -> Parameter {
    Parameter { path: path.to_owned(), value: value.to_owned() }
}

#[test]
fn what_is_due_is_compared_with_what_is_there() {
    let found =
        |value: &str, kind: &str| Found { value: value.to_owned(), kind: kind.to_owned(), modified: None };
    let there = BTreeMap::from([
        ("/a/same".to_owned(), found("1", "String")),
        ("/a/differs".to_owned(), found("0", "String")),
        ("/a/secure".to_owned(), found("1", "SecureString")),
        ("/a/not-due".to_owned(), found("1", "String")),
    ]);
    let due = ["/a/differs", "/a/missing", "/a/same", "/a/secure"].map(|path| parameter(path, "1"));
    let states: Vec<_> =
        compare(due.to_vec(), &there).into_iter().map(|difference| difference.state).collect();
    let expected = [
        State::Differs { found: "0".to_owned() },
        State::Missing,
        State::Same,
        State::OtherType { found: "SecureString".to_owned() },
    ];
    assert_eq!(states, expected);
}

#[tokio::test]
async fn ten_at_a_time_are_read() {
    let last = r#"{"Parameters":[{"Name":"/a/11","Type":"String","Value":"v","LastModifiedDate":1}],"InvalidParameters":["/a/10"]}"#;
    let aws = TestClient::new();
    aws.on("GetParameters", 200, r#"{"Parameters":[]}"#).on("GetParameters", 200, last);
    let names: Vec<_> = (0..12).map(|number| format!("/a/{number}")).collect();
    let found = get_parameters(&aws.config(), &names).await.unwrap();
    assert_eq!(found.len(), 1);
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let expected = Found { value: "v".to_owned(), kind: "String".to_owned(), modified: Some(last) };
    assert_eq!(found["/a/11"], expected);
    let asked = aws.asked("GetParameters");
    assert_eq!(asked[0].matches("/a/").count(), 10);
    assert_eq!(asked[1..], [r#"{"Names":["/a/10","/a/11"]}"#]);
}

#[tokio::test]
async fn a_parameter_is_written_over_what_is_there() {
    let aws = TestClient::new();
    aws.on("PutParameter", 200, r#"{"Version":2,"Tier":"Standard"}"#);
    put_parameter(&aws.config(), &parameter("/a/b", "v")).await.unwrap();
    let asked: serde_json::Value = serde_json::from_str(&aws.asked("PutParameter")[0]).unwrap();
    let expected = serde_json::json!({"Name": "/a/b", "Value": "v", "Type": "String", "Overwrite": true});
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn ten_at_a_time_are_deleted() {
    let aws = TestClient::new();
    aws.on("DeleteParameters", 200, r#"{"DeletedParameters":[],"InvalidParameters":["/a/11"]}"#);
    let names: Vec<_> = (0..12).map(|number| format!("/a/{number}")).collect();
    delete_parameters(&aws.config(), &names).await.unwrap();
    let asked = aws.asked("DeleteParameters");
    assert_eq!(asked[0].matches("/a/").count(), 10);
    assert_eq!(asked[1..], [r#"{"Names":["/a/10","/a/11"]}"#]);
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let mut said = Vec::new();
    for code in [
        "AccessDeniedException",
        "ExpiredTokenException",
        "TooManyUpdates",
        "ParameterMaxVersionLimitExceeded",
    ] {
        let aws = TestClient::new();
        aws.on("PutParameter", 400, format!(r#"{{"__type":"{code}","message":"x"}}"#));
        let result = put_parameter(&aws.config(), &parameter("/a/b", "v")).await;
        said.push(result.unwrap_err().to_string());
    }
    let aws = TestClient::new();
    aws.on("GetParameters", 400, r#"{"__type":"AccessDeniedException"}"#).on("GetParameters", 0, "");
    // The second time the connection is cut.
    for _ in 0..2 {
        let result = get_parameters(&aws.config(), &["/a/b".to_owned()]).await;
        said.push(result.unwrap_err().to_string());
    }
    insta::assert_snapshot!(said.join("\n"), @"
    cannot write the parameter /a/b: denied (AccessDeniedException): allow the caller's role ssm:PutParameter there
    cannot write the parameter /a/b: AWS does not accept the credentials (ExpiredTokenException): log in again, or renew the profile or role
    cannot write the parameter /a/b: too many calls at once (TooManyUpdates): run it again in a minute
    cannot write the parameter /a/b: AWS answered ParameterMaxVersionLimitExceeded
    cannot read the parameters /a/b: denied (AccessDeniedException): allow the caller's role ssm:GetParameters there
    cannot read the parameters /a/b: no answer: check the way to AWS (AWS_ENDPOINT_URL, VPC endpoint) and run it again
    ");
}
