//! The API, over HTTP as an SDK calls it.

use std::time::Duration;

use rds_iam_emulator_ssm::{ApiError, Emulator, Instance, Operation, Settings};
use serde_json::{Value, json};

use crate::client::{Client, Options, Received, start};
use crate::support::{INSTANCE, REMOTE_HOST, call, echo, post, settings, to_host, wait_for_stats};

#[tokio::test]
async fn a_session_has_an_id_a_token_and_a_url_in_the_formats_of_aws() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let (status, head, body) = post(&emulator.endpoint(), "StartSession", &to_host().to_string()).await;
    assert_eq!(status, 200);
    let head = head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/x-amz-json-1.1"), "{head}");
    assert!(head.contains("x-amzn-requestid: "), "{head}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let id = answer["SessionId"].as_str().unwrap();
    let (owner, number) = id.rsplit_once('-').unwrap();
    assert_eq!((owner, number.len()), ("developer", 17));
    assert!(answer["TokenValue"].as_str().unwrap().len() >= 128);
    let url = answer["StreamUrl"].as_str().unwrap();
    let prefix = format!("/v1/data-channel/{id}?role=publish_subscribe&cell-number=");
    assert!(url.starts_with("ws://127.0.0.1:") && url.contains(&prefix), "{url}");
    assert_eq!(emulator.sessions(), [id]);
}

#[tokio::test]
async fn each_refusal_has_the_error_and_the_text_of_aws() {
    let mut settings = settings(echo().await);
    settings.instances.push(Instance { is_online: false, ..Instance::new("i-0ffffffffffffffff") });
    let emulator = Emulator::start(settings).await.unwrap();
    let session = |target: &str, document: &str, parameters: Value| {
        let names = ["Target", "DocumentName", "Parameters"].map(str::to_owned);
        Value::Object(names.into_iter().zip([json!(target), json!(document), parameters]).collect())
    };
    let host = r##"^[^,$^&\(\)!;'"<>\`{}\[\]\|#=]{3,}$"##;
    let not_matching = format!("Parameter \"host\" has value \"a;b.c\" not matching \"{host}\".");
    let at_target = "1 validation error detected: Value null at 'target' failed to satisfy constraint: Member must not \
                     be null";
    for (operation, request, code, field, text) in [
        (
            "StartSession",
            session("i-0123", REMOTE_HOST, json!({})),
            "TargetNotConnected",
            "Message",
            "i-0123 is not connected.",
        ),
        (
            "StartSession",
            session("i-0ffffffffffffffff", REMOTE_HOST, json!({})),
            "TargetNotConnected",
            "Message",
            "i-0ffffffffffffffff is not connected.",
        ),
        (
            "StartSession",
            session(INSTANCE, "AWS-StartNothing", json!({})),
            "InvalidDocument",
            "Message",
            "Document with name AWS-StartNothing does not exist.",
        ),
        (
            "StartSession",
            session(INSTANCE, REMOTE_HOST, json!({ "host": ["a;b.c"] })),
            "InvalidParameters",
            "Message",
            &not_matching,
        ),
        ("StartSession", json!({ "DocumentName": REMOTE_HOST }), "ValidationException", "message", at_target),
        (
            "ResumeSession",
            json!({ "SessionId": "developer-0" }),
            "DoesNotExistException",
            "Message",
            "Session developer-0 does not exist or has been terminated.",
        ),
    ] {
        let (status, answer) = call(&emulator, operation, &request).await;
        assert_eq!((status, answer), (400, json!({ "__type": code, field: text })), "{request}");
    }
    let (status, answer) = call(&emulator, "CreateSession", &json!({})).await;
    assert_eq!((status, answer), (400, json!({ "__type": "UnknownOperationException" })));
    let (status, _, body) = post(&emulator.endpoint(), "StartSession", "[]").await;
    assert_eq!((status, body.contains("SerializationException")), (400, true), "{body}");
}

#[tokio::test]
async fn denied_operations_name_the_caller_the_action_and_the_resource() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let instance = format!("arn:aws:ec2:us-east-1:123456789012:instance/{INSTANCE}");
    let document = format!("arn:aws:ssm:us-east-1::document/{REMOTE_HOST}");
    let session = start(&emulator, &to_host()).await.id;
    let session_arn = format!("arn:aws:ssm:us-east-1:123456789012:session/{session}");
    let of_session = json!({ "SessionId": session });
    for (operation, name, request, resource) in [
        (Operation::StartSession, "StartSession", to_host(), instance.as_str()),
        (Operation::StartSession, "StartSession", to_host(), document.as_str()),
        (Operation::ResumeSession, "ResumeSession", of_session.clone(), session_arn.as_str()),
        (Operation::TerminateSession, "TerminateSession", of_session, session_arn.as_str()),
        (Operation::DescribeInstanceInformation, "DescribeInstanceInformation", json!({}), "*"),
    ] {
        emulator.deny(operation, resource);
        let (status, answer) = call(&emulator, name, &request).await;
        let message = format!(
            "User: arn:aws:iam::123456789012:user/developer is not authorized to perform: ssm:{name} on resource: \
             {resource} because no identity-based policy allows the ssm:{name} action"
        );
        assert_eq!((status, answer), (400, json!({ "__type": "AccessDeniedException", "Message": message })));
        emulator.permit_all();
        assert_eq!(call(&emulator, name, &request).await.0, 200, "{name}");
    }
}

#[tokio::test]
async fn planned_failures_come_once_and_in_their_order() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    emulator.fail_next(Operation::StartSession, ApiError::throttled());
    emulator.fail_next(Operation::StartSession, ApiError::internal());
    emulator.fail_next(Operation::StartSession, ApiError::new("OtherException", "text"));
    let (status, answer) = call(&emulator, "StartSession", &to_host()).await;
    assert_eq!((status, answer["__type"].as_str()), (400, Some("ThrottlingException")));
    let (status, answer) = call(&emulator, "StartSession", &to_host()).await;
    assert_eq!((status, answer["__type"].as_str()), (500, Some("InternalServerError")));
    let (status, answer) = call(&emulator, "StartSession", &to_host()).await;
    assert_eq!((status, answer["Message"].as_str()), (400, Some("text")));
    assert_eq!(call(&emulator, "StartSession", &to_host()).await.0, 200);
}

#[tokio::test]
async fn the_api_answers_without_http_too_and_leaves_other_operations_to_the_caller() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let answer = emulator.handle("AmazonSSM.DescribeInstanceInformation", b"{}").unwrap();
    assert_eq!(answer.status, 200);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["InstanceInformationList"][0]["InstanceId"], INSTANCE);
    assert_eq!(body, call(&emulator, "DescribeInstanceInformation", &json!({})).await.1);
    assert_eq!(emulator.handle("AmazonSSM.GetParameter", b"{}"), None);
    assert_eq!(emulator.handle("AmazonEC2.StartSession", b"{}"), None);
    emulator.set_instances(Vec::new());
    assert_eq!(call(&emulator, "StartSession", &to_host()).await.1["__type"], "TargetNotConnected");
}

#[tokio::test]
async fn a_terminated_session_is_closed_and_cannot_be_resumed() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let mut client = Client::ready(&emulator, &to_host(), Options::default()).await;
    let id = emulator.sessions().remove(0);
    let (status, answer) = call(&emulator, "TerminateSession", &json!({ "SessionId": id })).await;
    assert_eq!((status, answer), (200, json!({ "SessionId": id })));
    assert_eq!(client.next().await, Received::Closed(String::new()));
    assert!(emulator.sessions().is_empty());
    let (_, answer) = call(&emulator, "ResumeSession", &json!({ "SessionId": id })).await;
    assert_eq!(answer["__type"], "DoesNotExistException");
    // The model has no error for it.
    let (status, _) = call(&emulator, "TerminateSession", &json!({ "SessionId": id })).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn an_operator_ends_a_session_with_a_reason() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    let mut client = Client::ready(&emulator, &to_host(), Options::default()).await;
    let id = emulator.sessions().remove(0);
    emulator.end_session(&id, "Session terminated by operator.");
    assert_eq!(client.next().await, Received::Closed("Session terminated by operator.".into()));
}

#[tokio::test]
async fn an_idle_session_is_closed_in_the_words_of_aws_and_resumed_without_a_token() {
    let settings = Settings { idle_timeout: Duration::from_millis(200), ..settings(echo().await) };
    let emulator = Emulator::start(settings).await.unwrap();
    let mut client = Client::ready(&emulator, &to_host(), Options::default()).await;
    let id = emulator.sessions().remove(0);
    let reason = "Your session timed out due to inactivity and has been terminated.";
    assert_eq!(client.next().await, Received::Closed(reason.into()));
    let (status, answer) = call(&emulator, "ResumeSession", &json!({ "SessionId": id })).await;
    assert_eq!((status, answer), (200, json!({ "SessionId": id })));
}

#[tokio::test]
async fn a_session_that_no_client_opens_ends_as_idle() {
    let settings = Settings { idle_timeout: Duration::from_millis(1), ..settings(echo().await) };
    let emulator = Emulator::start(settings).await.unwrap();
    let id = start(&emulator, &to_host()).await.id;
    wait_for_stats(&emulator, |_| emulator.sessions().is_empty()).await;
    let (status, answer) = call(&emulator, "ResumeSession", &json!({ "SessionId": id })).await;
    assert_eq!((status, answer), (200, json!({ "SessionId": id })));
}

#[tokio::test]
async fn without_its_api_the_port_has_data_channels_alone() {
    let settings = Settings { serves_api: false, ..settings(echo().await) };
    let emulator = Emulator::start(settings).await.unwrap();
    let (status, _, body) = post(&emulator.endpoint(), "StartSession", &to_host().to_string()).await;
    assert_eq!((status, body.as_str()), (404, ""));
    let answer = emulator.handle("AmazonSSM.StartSession", to_host().to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn documents_with_a_command_are_refused_by_default() {
    let emulator = Emulator::start(settings(echo().await)).await.unwrap();
    for document in ["AWS-StartInteractiveCommand", "AWS-StartNonInteractiveCommand"] {
        let request =
            json!({ "Target": INSTANCE, "DocumentName": document, "Parameters": { "command": ["id"] } });
        let (status, answer) = call(&emulator, "StartSession", &request).await;
        assert_eq!((status, answer["__type"].as_str()), (400, Some("InvalidDocument")), "{answer}");
        assert_eq!(answer["Message"], "This emulated account runs no commands.");
    }
    assert_eq!(call(&emulator, "StartSession", &to_host()).await.0, 200);
}
