//! Tests of the checks of assumptions, against prepared responses.

use rds_iam_infra::Engine;
use serde_json::json;

use super::checks::Checks;
use super::*;
use crate::aws::test_client::TestClient;

fn outputs() -> Outputs {
    Outputs::parse(include_str!("../../../../terraform/stacks/service/outputs.json")).unwrap()
}

fn xml(operation: &str, content: &str) -> String {
    format!("<{operation}Response><{operation}Result>{content}</{operation}Result></{operation}Response>")
}

fn proxy(status: &str, scheme: &str) -> String {
    let fields = format!("<Status>{status}</Status><DefaultAuthScheme>{scheme}</DefaultAuthScheme>");
    xml("DescribeDBProxies", &format!("<DBProxies><member>{fields}</member></DBProxies>"))
}

fn targets(state: &str) -> String {
    let health = format!("<TargetHealth><State>{state}</State></TargetHealth>");
    xml("DescribeDBProxyTargets", &format!("<Targets><member>{health}</member></Targets>"))
}

#[tokio::test]
async fn a_proxy_must_be_available_end_to_end_with_a_healthy_target() {
    for (status, scheme, state, expected) in [
        ("available", "IAM_AUTH", "AVAILABLE", Verdict::Holds),
        ("available", "NONE", "AVAILABLE", Verdict::Fails),
        ("incompatible-network", "IAM_AUTH", "AVAILABLE", Verdict::Fails),
        ("available", "IAM_AUTH", "UNAVAILABLE", Verdict::Fails),
    ] {
        let aws = TestClient::new();
        aws.on("DescribeDBProxies", 200, proxy(status, scheme)).on(
            "DescribeDBProxyTargets",
            200,
            targets(state),
        );
        let (outputs, aws) = (outputs(), aws.config());
        let (verdict, evidence) = Checks { outputs: &outputs, aws: &aws }.proxy().await.unwrap();
        assert_eq!((verdict, evidence), (expected, format!("{status}, {scheme}, targets: {state}")));
    }
}

#[tokio::test]
async fn every_page_of_default_parameters_is_searched_for_tls_version() {
    let page = |parameter: &str, marker: &str| {
        xml(
            "DescribeEngineDefaultParameters",
            &format!(
                "<EngineDefaults><Parameters><Parameter>{parameter}</Parameter></Parameters>{marker}</EngineDefaults>"
            ),
        )
    };
    let tls = |allowed: &str| {
        page(
            &format!("<ParameterName>tls_version</ParameterName><AllowedValues>{allowed}</AllowedValues>"),
            "",
        )
    };
    for (allowed, expected) in [("TLSv1.2,TLSv1.3", Verdict::Holds), ("TLSv1.2", Verdict::Fails)] {
        let aws = TestClient::new();
        aws.on(
            "DescribeEngineDefaultParameters",
            200,
            page("<ParameterName>a</ParameterName>", "<Marker>m</Marker>"),
        )
        .on("DescribeEngineDefaultParameters", 200, tls(allowed));
        let (outputs, config) = (outputs(), aws.config());
        let (verdict, evidence) = Checks { outputs: &outputs, aws: &config }.tls_version().await.unwrap();
        assert_eq!((verdict, evidence), (expected, format!("no default; allowed: {allowed}")));
        assert!(aws.requests("DescribeEngineDefaultParameters")[1].contains("Marker=m"));
    }
    let aws = TestClient::new();
    aws.on("DescribeEngineDefaultParameters", 200, page("<ParameterName>a</ParameterName>", ""));
    let (outputs, aws) = (outputs(), aws.config());
    let unknown = Checks { outputs: &outputs, aws: &aws }.tls_version().await.unwrap_err();
    assert_eq!(unknown, "mysql8.4 has no parameter tls_version");
}

#[tokio::test]
async fn a_refresh_must_have_succeeded_with_those_preferences() {
    let refresh = |status: &str, most: u8| {
        let preferences = format!(
            "<MinHealthyPercentage>100</MinHealthyPercentage><MaxHealthyPercentage>{most}</MaxHealthyPercentage>"
        );
        let fields = format!("<Status>{status}</Status><Preferences>{preferences}</Preferences>");
        xml(
            "DescribeInstanceRefreshes",
            &format!("<InstanceRefreshes><member>{fields}</member></InstanceRefreshes>"),
        )
    };
    for (status, most, expected) in [
        ("Successful", 150, Verdict::Holds),
        ("Failed", 150, Verdict::Fails),
        ("Successful", 100, Verdict::Fails),
    ] {
        let aws = TestClient::new();
        aws.on("DescribeInstanceRefreshes", 200, refresh(status, most));
        let (outputs, aws) = (outputs(), aws.config());
        assert_eq!(Checks { outputs: &outputs, aws: &aws }.refresh().await.unwrap().0, expected);
    }
}

#[tokio::test]
async fn each_resource_of_a_call_has_its_own_decision() {
    let decided = |last: &str| {
        let results: String = ["db", "subgrp", "pg"]
            .map(|kind| (kind, "allowed"))
            .into_iter()
            .chain([("og", last)])
            .map(|(kind, decision)| {
                format!(
                    "<member><EvalActionName>rds:CreateDBInstance</EvalActionName><EvalResourceName>{kind}\
                     </EvalResourceName><EvalDecision>{decision}</EvalDecision></member>"
                )
            })
            .collect();
        xml("SimulatePrincipalPolicy", &format!("<EvaluationResults>{results}</EvaluationResults>"))
    };
    let caller = xml(
        "GetCallerIdentity",
        "<Arn>arn:aws:sts::123456789012:assumed-role/orders-deploy-dev/x</Arn><Account>123456789012</Account>",
    );
    for (last, expected) in [("allowed", Verdict::Holds), ("implicitDeny", Verdict::Fails)] {
        let aws = TestClient::new();
        aws.on("GetCallerIdentity", 200, &*caller).on("SimulatePrincipalPolicy", 200, decided(last));
        let (outputs, config) = (outputs(), aws.config());
        let (verdict, evidence) = Checks { outputs: &outputs, aws: &config }.simulator().await.unwrap();
        assert_eq!(
            (verdict, evidence),
            (expected, format!("db: allowed; subgrp: allowed; pg: allowed; og: {last}"))
        );
        let requests = aws.requests("SimulatePrincipalPolicy");
        assert!(requests[0].contains("role%2Forders-deploy-dev"), "{requests:?}");
    }
}

#[tokio::test]
async fn an_assumption_without_an_answer_is_unknown() {
    let aws = TestClient::new();
    aws.on("POST /2015-03-31/functions/orders-dev-bootstrap/invocations", 200, r#"{"outcome":"unchanged"}"#);
    let findings = check_assumptions(&aws.config(), &outputs()).await;
    let (first, others) = findings.split_first().unwrap();
    assert_eq!((first.verdict, first.evidence.as_str()), (Verdict::Holds, "a check ended with unchanged"));
    assert_eq!(others.len(), 7);
    for finding in others {
        assert_eq!(finding.verdict, Verdict::Unknown, "{finding:?}");
        assert!(!finding.evidence.is_empty(), "{finding:?}");
    }
}

#[tokio::test]
async fn what_a_deployment_does_not_have_is_unknown() {
    let mut outputs = outputs();
    (outputs.proxy, outputs.app) = (None, None);
    outputs.database.engine = Engine::Postgres;
    let findings = check_assumptions(&TestClient::new().config(), &outputs).await;
    let evidence = |id: &str| {
        let finding = findings.iter().find(|finding| finding.id == id).unwrap();
        assert_eq!(finding.verdict, Verdict::Unknown, "{finding:?}");
        finding.evidence.as_str()
    };
    assert_eq!(evidence("proxy-end-to-end"), "this deployment has no proxy");
    for id in ["image-referrers", "image-scan", "refresh-preferences", "scaling-alarms"] {
        assert_eq!(evidence(id), "this deployment has no app", "{id}");
    }
    assert_eq!(evidence("tls-version-values"), "this deployment has postgresql, which has no tls_version");
}

#[test]
fn a_second_plan_must_be_empty() {
    let change =
        |address: &str, action: &str| json!({ "address": address, "change": { "actions": [action] } });
    let plan = |changes: Value| json!({ "resource_changes": changes, "output_changes": { "app": { "actions": ["no-op"] } } });
    let same = second_plan("plan", &plan(json!([change("a", "no-op"), change("b", "read")])));
    assert_eq!((same.id.as_str(), same.verdict), ("second-plan-empty-plan", Verdict::Holds));
    let differs = second_plan(
        "deploy",
        &plan(json!([change("a", "no-op"), change("aws_lambda_function.this", "update")])),
    );
    assert_eq!(
        (differs.verdict, differs.evidence.as_str()),
        (Verdict::Fails, "1 changes: aws_lambda_function.this")
    );
    let output = second_plan(
        "deploy",
        &json!({ "resource_changes": [], "output_changes": { "app": { "actions": ["update"] } } }),
    );
    assert_eq!(output.evidence, "1 changes: output.app");
    assert_eq!(second_plan("deploy", &json!({})).verdict, Verdict::Unknown);
}
