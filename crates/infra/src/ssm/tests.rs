use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use super::*;

fn parameter(path: &str, value: &str) -> Parameter {
    Parameter { path: path.to_owned(), value: value.to_owned() }
}

#[test]
fn what_is_due_is_compared_with_what_is_there() {
    let found = |value: &str, kind: &str| Found { value: value.to_owned(), kind: kind.to_owned() };
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

/// AWS as far as one test needs it: each connection's request is read, and answered the same way. What was
/// asked is returned by the thread.
fn aws(answers: Vec<(u16, String)>) -> (SdkConfig, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let answer = |(status, body): &(u16, String)| {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let (mut length, mut line) = (0, String::new());
            while stream.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut request = vec![0; length];
            stream.read_exact(&mut request).unwrap();
            let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}", body.len());
            write!(stream.get_mut(), "{head}\r\n\r\n{body}").unwrap();
            String::from_utf8(request).unwrap()
        };
        answers.iter().map(answer).collect()
    });
    let credentials = Credentials::new("test", "test", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .build();
    (config, thread)
}

#[tokio::test]
async fn ten_at_a_time_are_read() {
    let empty = (200, r#"{"Parameters":[]}"#.to_owned());
    let last =
        r#"{"Parameters":[{"Name":"/a/11","Type":"String","Value":"v"}],"InvalidParameters":["/a/10"]}"#;
    let (aws, asked) = aws(vec![empty, (200, last.to_owned())]);
    let due: Vec<_> = (0..12).map(|number| parameter(&format!("/a/{number}"), "v")).collect();
    let found = GetParameters::of(&due).run(&aws).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found["/a/11"], Found { value: "v".to_owned(), kind: "String".to_owned() });
    let asked = asked.join().unwrap();
    assert_eq!(asked[0].matches("/a/").count(), 10);
    assert_eq!(asked[1], r#"{"Names":["/a/10","/a/11"]}"#);
}

#[tokio::test]
async fn a_parameter_is_written_over_what_is_there() {
    let (aws, asked) = aws(vec![(200, r#"{"Version":2,"Tier":"Standard"}"#.to_owned())]);
    PutParameter { parameter: parameter("/a/b", "v") }.run(&aws).await.unwrap();
    let asked: serde_json::Value = serde_json::from_str(&asked.join().unwrap()[0]).unwrap();
    let expected = serde_json::json!({"Name": "/a/b", "Value": "v", "Type": "String", "Overwrite": true});
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn ten_at_a_time_are_deleted() {
    let answer = (200, r#"{"DeletedParameters":[],"InvalidParameters":["/a/11"]}"#.to_owned());
    let (aws, asked) = aws(vec![answer.clone(), answer]);
    let names = (0..12).map(|number| format!("/a/{number}")).collect();
    DeleteParameters { names }.run(&aws).await.unwrap();
    let asked = asked.join().unwrap();
    assert_eq!(asked[0].matches("/a/").count(), 10);
    assert_eq!(asked[1], r#"{"Names":["/a/10","/a/11"]}"#);
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
        let (aws, asked) = aws(vec![(400, format!(r#"{{"__type":"{code}","message":"x"}}"#))]);
        let error = PutParameter { parameter: parameter("/a/b", "v") }.run(&aws).await.unwrap_err();
        asked.join().unwrap();
        said.push(error.to_string());
    }
    let (aws, asked) = aws(vec![(400, r#"{"__type":"AccessDeniedException"}"#.to_owned())]);
    said.push(GetParameters::of(&[parameter("/a/b", "v")]).run(&aws).await.unwrap_err().to_string());
    asked.join().unwrap();
    // Nobody answers any more.
    said.push(GetParameters::of(&[parameter("/a/b", "v")]).run(&aws).await.unwrap_err().to_string());
    insta::assert_snapshot!(said.join("\n"), @"
    cannot write the parameter /a/b: denied (AccessDeniedException): allow the caller's role ssm:PutParameter there
    cannot write the parameter /a/b: AWS does not accept the credentials (ExpiredTokenException): log in again, or renew the profile or role
    cannot write the parameter /a/b: too many calls at once (TooManyUpdates): run it again in a minute
    cannot write the parameter /a/b: AWS answered ParameterMaxVersionLimitExceeded
    cannot read the parameters /a/b: denied (AccessDeniedException): allow the caller's role ssm:GetParameters there
    cannot read the parameters /a/b: no answer: check the credentials' source and the way to AWS (AWS_ENDPOINT_URL, VPC endpoint)
    ");
}
