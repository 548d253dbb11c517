//! Tests of the app's parameters, against prepared responses.

use std::time::{Duration, SystemTime};

use rds_iam_report::ErrorReport;

use super::*;
use crate::aws::test_client::TestClient;

fn parameter(path: &str, value: &str) -> Parameter {
    Parameter { path: path.to_owned(), value: value.to_owned() }
}

#[test]
fn expected_parameters_are_compared_with_actual_ones() {
    let found =
        |value: &str, kind: &str| Found { value: value.to_owned(), kind: kind.to_owned(), modified: None };
    let actual = BTreeMap::from([
        ("/a/same".to_owned(), found("1", "String")),
        ("/a/differs".to_owned(), found("0", "String")),
        ("/a/secure".to_owned(), found("1", "SecureString")),
        ("/a/not-expected".to_owned(), found("1", "String")),
    ]);
    let parameters = ["/a/differs", "/a/missing", "/a/same", "/a/secure"].map(|path| parameter(path, "1"));
    let states: Vec<_> =
        compare(parameters.to_vec(), &actual).into_iter().map(|difference| difference.state).collect();
    let expected = [
        State::Differs { found: "0".to_owned() },
        State::Missing,
        State::Same,
        State::OtherType { found: "SecureString".to_owned() },
    ];
    assert_eq!(states, expected);
}

#[tokio::test]
async fn parameters_are_read_ten_at_a_time() {
    let last = r#"{"Parameters":[{"Name":"/a/11","Type":"String","Value":"v","LastModifiedDate":1}],"InvalidParameters":["/a/10"]}"#;
    let aws = TestClient::new();
    aws.on("GetParameters", 200, r#"{"Parameters":[]}"#).on("GetParameters", 200, last);
    let names: Vec<_> = (0..12).map(|number| format!("/a/{number}")).collect();
    let found = get_parameters(&aws.config(), &names).await.unwrap();
    assert_eq!(found.len(), 1);
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let expected = Found { value: "v".to_owned(), kind: "String".to_owned(), modified: Some(last) };
    assert_eq!(found["/a/11"], expected);
    let requests = aws.requests("GetParameters");
    assert_eq!(requests[0].matches("/a/").count(), 10);
    assert_eq!(requests[1..], [r#"{"Names":["/a/10","/a/11"]}"#]);
}

#[tokio::test]
async fn an_existing_parameter_is_overwritten() {
    let aws = TestClient::new();
    aws.on("PutParameter", 200, r#"{"Version":2,"Tier":"Standard"}"#);
    put_parameter(&aws.config(), &parameter("/a/b", "v")).await.unwrap();
    let request: serde_json::Value = serde_json::from_str(&aws.requests("PutParameter")[0]).unwrap();
    let expected = serde_json::json!({"Name": "/a/b", "Value": "v", "Type": "String", "Overwrite": true});
    assert_eq!(request, expected);
}

#[tokio::test]
async fn parameters_are_deleted_ten_at_a_time() {
    let aws = TestClient::new();
    aws.on("DeleteParameters", 200, r#"{"DeletedParameters":[],"InvalidParameters":["/a/11"]}"#);
    let names: Vec<_> = (0..12).map(|number| format!("/a/{number}")).collect();
    delete_parameters(&aws.config(), &names).await.unwrap();
    let requests = aws.requests("DeleteParameters");
    assert_eq!(requests[0].matches("/a/").count(), 10);
    assert_eq!(requests[1..], [r#"{"Names":["/a/10","/a/11"]}"#]);
}

#[tokio::test]
async fn errors_have_a_kind_and_name_the_fix() {
    let mut errors = Vec::new();
    for code in ["AccessDeniedException", "ExpiredTokenException", "TooManyUpdates", "ParameterLimitExceeded"]
    {
        let aws = TestClient::new();
        aws.on("PutParameter", 400, format!(r#"{{"__type":"{code}","message":"x"}}"#));
        let error = put_parameter(&aws.config(), &parameter("/a/b", "v")).await.unwrap_err();
        // AWS's message is the only cause.
        errors.push(ErrorReport(&error).to_string());
    }
    let aws = TestClient::new();
    // The connection is cut.
    aws.on("GetParameters", 0, "");
    errors.push(get_parameters(&aws.config(), &["/a/b".to_owned()]).await.unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"), @"
    cannot write the parameter /a/b: denied (AccessDeniedException): allow ssm:PutParameter in the caller's role: x
    cannot write the parameter /a/b: AWS rejected the credentials (ExpiredTokenException): log in again, or renew the profile or role: x
    cannot write the parameter /a/b: throttled (TooManyUpdates): retry in a minute: x
    cannot write the parameter /a/b: AWS answered ParameterLimitExceeded: x
    cannot read the parameters /a/b: no answer: check the connection to AWS (AWS_ENDPOINT_URL, VPC endpoint) and retry
    ");
}
