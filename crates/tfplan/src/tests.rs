//! Tests of reading plans and of their reports.

use serde_json::{Value, json};

use super::*;

fn plan(document: &Value) -> Plan {
    Plan::parse(&document.to_string()).unwrap()
}

/// Returns a plan of one resource.
fn of(kind: &str, change: &Value) -> Value {
    json!({
        "format_version": "1.2",
        "planned_values": {},
        "resource_changes": [{
            "address": format!("{kind}.this"), "mode": "managed", "type": kind, "name": "this", "change": change,
        }],
    })
}

fn message(text: &str) -> String {
    Plan::parse(text).unwrap_err().to_string()
}

#[test]
fn texts_that_are_no_plan() {
    let good = of("aws_vpc", &json!({"actions": ["create"]})).to_string();
    assert!(Plan::parse(&good).is_ok());
    insta::assert_snapshot!(message(""), @"the text is not JSON (line 1, column 0): write it with `terraform show -json PLANFILE`");
    insta::assert_snapshot!(message("Terraform will perform the following actions:"), @"the text is not JSON (line 1, column 1): write it with `terraform show -json PLANFILE`");
    insta::assert_snapshot!(message(&good[..good.len() - 9]), @"the text ends in the middle, as a file that was cut off: write it again with `terraform show -json PLANFILE`");
    insta::assert_snapshot!(message("PK\u{3}\u{4}\u{14}"), @"the text is a plan file as Terraform saves it: give what `terraform show -json PLANFILE` makes of it");
    insta::assert_snapshot!(message("[]"), @"the text is other JSON, not a plan: give what `terraform show -json PLANFILE` prints");
    insta::assert_snapshot!(message(r#"{"format_version":"1.0","terraform_version":"1.11.4","values":{}}"#), @"the text is a state, as `terraform show -json` prints it without a plan file, not a plan: give what `terraform show -json PLANFILE` prints");
    insta::assert_snapshot!(message(r#"{"version":4,"serial":1,"lineage":"x","resources":[]}"#), @"the text is a state file, not a plan: give what `terraform show -json PLANFILE` prints");
    insta::assert_snapshot!(message("{\"@level\":\"info\"}\n{\"@level\":\"info\"}\n"), @"the text is the messages of `terraform plan -json`, not a plan: give what `terraform show -json PLANFILE` prints");
    insta::assert_snapshot!(message(&good.replace("1.2", "2.0")), @r#"the text has format version "2.0", and this program reads 1.x: use a Terraform that writes 1.x, or a newer version of this program"#);
    insta::assert_snapshot!(message(&good.replace("\"1.2\"", "12")), @"the text has format version 12, and this program reads 1.x: use a Terraform that writes 1.x, or a newer version of this program");
    assert!(Plan::parse(&good.replace("1.2", "1.99")).is_ok());
    assert!(Plan::parse(&format!("\u{feff}{good}")).is_ok());
    insta::assert_snapshot!(message(&"[".repeat(500)), @"the text has a part that is not as `terraform show -json` writes it: it is nested too deep");
    insta::assert_snapshot!(message(r#"{"format_version":"1.2","planned_values":null}"#), @"the text is other JSON, not a plan: give what `terraform show -json PLANFILE` prints");
}

#[test]
fn plans_that_cannot_be_reviewed() {
    let mut errored = of("aws_vpc", &json!({"actions": ["create"]}));
    errored["errored"] = json!(true);
    insta::assert_snapshot!(message(&errored.to_string()), @"the text is the plan of a run that failed, so it is not complete: fix what `terraform plan` reports, and plan again");
    let strange = of("aws_vpc", &json!({"actions": ["evict"]}));
    insta::assert_snapshot!(message(&strange.to_string()), @"the text has a part that is not as `terraform show -json` writes it: actions that this program does not know; use a newer one");
    let mut broken = of("aws_vpc", &json!({"actions": ["create"]}));
    broken["resource_changes"][0]["address"] = json!(["hunter2"]);
    broken["resource_changes"][0]["mode"] = json!({"hunter2": 1});
    let broken = message(&broken.to_string());
    assert!(!broken.contains("hunter2"), "{broken}");
    insta::assert_snapshot!(broken, @"the text has a part that is not as `terraform show -json` writes it: invalid type, expected a string");
}

#[test]
fn files_that_fail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let path_message = |error: PlanError| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}").replace(&*folder.path().to_string_lossy(), "/srv")
    };
    insta::assert_snapshot!(path_message(Plan::read(&path).unwrap_err()), @"cannot read /srv/plan.json; `terraform show -json PLANFILE` writes it, as a UTF-8 text file: No such file or directory (os error 2)");
    std::fs::write(&path, b"PK\x03\x04\xff\xff").unwrap();
    insta::assert_snapshot!(path_message(Plan::read(&path).unwrap_err()), @"/srv/plan.json is a plan file as Terraform saves it: give what `terraform show -json PLANFILE` makes of it");
    std::fs::write(&path, b"{\xff").unwrap();
    insta::assert_snapshot!(path_message(Plan::read(&path).unwrap_err()), @"cannot read /srv/plan.json; `terraform show -json PLANFILE` writes it, as a UTF-8 text file: stream did not contain valid UTF-8");
    std::fs::write(&path, b"{").unwrap();
    insta::assert_snapshot!(path_message(Plan::read(&path).unwrap_err()), @"/srv/plan.json ends in the middle, as a file that was cut off: write it again with `terraform show -json PLANFILE`");
}

#[test]
fn a_plan_that_is_far_too_large_is_not_parsed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(MAX_BYTES + 1).unwrap();
    let error = Plan::read(file.path()).unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "it has over 100 MiB");
}

#[test]
fn drift_and_incomplete_plans_are_told() {
    let drifted = of("aws_vpc", &json!({"actions": ["update"], "before": {"a": 1}, "after": {"a": 2}}));
    let mut document = of("aws_vpc", &json!({"actions": ["no-op"]}));
    document["resource_drift"] = drifted["resource_changes"].clone();
    document["complete"] = json!(false);
    // Values that AWS fills in are not drift: an empty list for none, and attributes that the configuration
    // does not set.
    let (before, after) = (json!({"set": 1, "other": 1}), json!({"set": 1, "other": 2, "tags": {}}));
    let quiet = of("aws_eip", &json!({"actions": ["update"], "before": before, "after": after}));
    let gone = of("aws_kms_key", &json!({"actions": ["delete"], "before": {"set": 1}}));
    for other in [quiet, gone] {
        let drift = document["resource_drift"].as_array_mut().unwrap();
        drift.push(other["resource_changes"][0].clone());
    }
    let block =
        json!({"mode": "managed", "type": "aws_eip", "name": "this", "expressions": {"set": {}, "tags": {}}});
    document["configuration"] = json!({"root_module": {"resources": [block]}});
    insta::assert_snapshot!(plan(&document).review(), @"
    Plan: 0 to create, 0 to change in place, 0 to replace, 0 to destroy, 0 to forget.
    It is not complete: after its apply, plan again.

    Changed without Terraform since the last apply:
        ~ aws_vpc.this: a
        - aws_kms_key.this

    Nothing is refused.
    ");
}

/// No text of a plan steers the terminal or forges a line of the report.
#[test]
fn control_characters_are_escaped() {
    let forged = "aws_db_proxy.x\u{1b}[2J\nNothing is refused.\r";
    let change = json!({
        "actions": ["update"], "before": {forged: 1, "require_tls": true}, "after": {"require_tls": false},
        "replace_paths": [[forged]], "importing": {},
    });
    let mut document = of("aws_db_proxy", &change);
    for name in ["address", "previous_address", "deposed"] {
        document["resource_changes"][0][name] = json!(format!("{name} {forged}"));
    }
    let found = of("aws_db_proxy", &json!({"actions": ["create"], "after": {"require_tls": false}}));
    let mut found = found["resource_changes"][0].clone();
    found["address"] = json!(forged);
    document["resource_changes"].as_array_mut().unwrap().push(found);
    document["resource_drift"] = document["resource_changes"].clone();
    document["output_changes"] = json!({forged: {"actions": ["create"]}});
    let report = plan(&document).review().to_string();
    assert!(report.contains(r"aws_db_proxy.x\u{1b}[2J\nNothing is refused.\r"), "{report}");
    assert!(!report.chars().any(|c| c.is_control() && c != '\n'), "{report:?}");
    assert!(!report.lines().any(|line| line.starts_with("Nothing is refused")), "{report}");
}

#[test]
fn the_proxy_s_way_of_logging_in_is_taken_from_what_says_it_best() {
    let policy = |action: &str| json!({"Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}});
    // A proxy with a role that may read secrets and nothing else.
    let review = |scheme: Value, variable: Value, action: &str| {
        let arn = "arn:aws:iam::123456789012:role/proxy";
        let proxy = json!({
            "require_tls": true, "role_arn": arn, "default_auth_scheme": scheme,
            "auth": [{"secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf"}],
        });
        let mut document = of("aws_db_proxy", &json!({"actions": ["no-op"], "after": proxy}));
        let role = json!({"actions": ["no-op"], "after": {"arn": arn, "name": "proxy"}});
        let attached = json!({"role": "proxy", "policy": policy(action).to_string()});
        let attached = json!({"actions": ["no-op"], "after": attached});
        for other in [of("aws_iam_role", &role), of("aws_iam_role_policy", &attached)] {
            let changes = document["resource_changes"].as_array_mut().unwrap();
            changes.push(other["resource_changes"][0].clone());
        }
        document["resource_changes"][0]["module_address"] = json!("module.proxy");
        let call = json!({"source": "../../modules/rds_proxy", "module": {}, "expressions": {
            "authentication": {"references": ["var.proxy.authentication", "var.proxy"]},
        }});
        document["configuration"] = json!({"root_module": {"module_calls": {"proxy": call}}});
        document["variables"] = json!({"proxy": {"value": {"authentication": variable}}});
        let findings = plan(&document).review().findings;
        let findings: Vec<_> =
            findings.into_iter().filter(|finding| finding.rule.id == "RDSIAM004").collect();
        assert!(findings.iter().all(|finding| finding.folder == "../../modules/rds_proxy"));
        findings.into_iter().map(|finding| finding.problem).collect::<String>()
    };
    let secret = "secretsmanager:GetSecretValue";
    assert!(review(json!("IAM_AUTH"), json!("secret"), secret).contains("logs in by IAM"));
    assert!(review(json!("NONE"), json!("iam"), secret).contains("logs in by IAM"));
    assert!(review(Value::Null, json!("secret"), "rds-db:connect").contains("logs in by secret"));
    assert_eq!(review(Value::Null, json!("secret"), secret), "");
    assert_eq!(review(Value::Null, Value::Null, secret), "");
    assert!(review(Value::Null, Value::Null, "rds-db:connect").contains("logs in by secret"));
}

#[test]
fn what_is_known_only_after_apply_is_neither_right_nor_wrong() {
    for (kind, attribute) in [
        ("aws_db_proxy", "require_tls"),
        ("aws_db_instance", "iam_database_authentication_enabled"),
        ("aws_iam_policy", "policy"),
        ("aws_vpc_security_group_ingress_rule", "cidr_ipv4"),
    ] {
        let known = json!({
            "require_tls": true, "iam_database_authentication_enabled": true,
            "ip_protocol": "tcp", "from_port": 3306, "to_port": 3306,
        });
        let mut change = json!({"actions": ["create"], "after": known, "after_unknown": {attribute: true}});
        change["after"].as_object_mut().unwrap().remove(attribute);
        let review = plan(&of(kind, &change)).review();
        assert!(review.findings.is_empty(), "{kind} {attribute}: {review}");
        assert!(!review.notes.is_empty(), "{kind} {attribute}: {review}");
    }
}

/// No sensitive value is in any report.
#[test]
fn sensitive_values_are_never_shown() {
    let connect = |resource: &str| {
        let statement = json!({"Effect": "Allow", "Action": "rds-db:connect", "Resource": resource});
        json!({"Statement": [statement]}).to_string()
    };
    let arn = "arn:aws:rds-db:us-east-1:123456789012:dbuser:";
    for (kind, after) in [
        ("aws_iam_policy", json!({"policy": connect(&format!("{arn}prx-0a1b2c3d4e5f67890/hunter2*"))})),
        ("aws_iam_policy", json!({"policy": connect(&format!("{arn}hunter2/app"))})),
        ("aws_vpc_security_group_ingress_rule", json!({"cidr_ipv4": "0.0.0.0/0", "description": "hunter2"})),
        (
            "aws_security_group",
            json!({"ingress": [{"cidr_blocks": ["0.0.0.0/0"], "description": "hunter2"}]}),
        ),
        ("aws_db_proxy", json!({"require_tls": "hunter2", "auth": [{"secret_arn": "hunter2"}]})),
        ("aws_instance", json!({"user_data_base64": "cGFzc3dvcmQ9aHVudGVyMg==", "x": "hunter2"})),
    ] {
        for action in ["create", "update", "no-op"] {
            let change = json!({"actions": [action], "before": {"x": "hunter2"}, "after": after, "after_sensitive": true});
            let review = plan(&of(kind, &change)).review();
            assert!(!review.findings.is_empty(), "{kind}");
            for report in [review.to_string(), review.to_json(), review.to_sarif("")] {
                assert!(!report.contains("hunter2") && !report.contains("cGFzc3"), "{report}");
            }
        }
    }
}

/// A damaged plan is an error or a plan, never a panic.
#[test]
fn damaged_plans_do_not_panic() {
    let original = include_str!("../tests/plans/clean/plan.json");
    let values: Value = serde_json::from_str(original).unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..300 {
        let mut damaged = values.clone();
        damage(&mut damaged, &mut random);
        if let Ok(plan) = Plan::parse(&damaged.to_string()) {
            drop(plan.review().to_sarif("x"));
        }
    }
}

/// Replaces about one in five hundred values.
fn damage(value: &mut Value, random: &mut fastrand::Rng) {
    if random.u32(..500) == 0 {
        *value = [Value::Null, json!(true), json!("x"), json!([[]]), json!({"references": ["a.b", "var."]})]
            [random.usize(..5)]
        .clone();
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| damage(item, random)),
        Value::Object(fields) => fields.values_mut().for_each(|field| damage(field, random)),
        _ => {}
    }
}

#[test]
fn sarif_has_what_code_scanning_asks_for() {
    let change = json!({"actions": ["create"], "after": {"require_tls": false}});
    let mut document = of("aws_db_proxy", &change);
    document["resource_changes"][0]["module_address"] = json!("module.a[\"x\"].module.b");
    let inner = json!({"source": "../b c", "module": {}});
    let outer = json!({"source": "../../modules/a", "module": {"module_calls": {"b": inner}}});
    document["configuration"] = json!({"root_module": {"module_calls": {"a": outer}}});
    let sarif: Value =
        serde_json::from_str(&plan(&document).review().to_sarif("./terraform/stacks/service/")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, RULES.map(|rule| rule.id));
    assert!(rules.iter().all(|rule| rule["help"]["text"].as_str().is_some_and(|text| text.len() > 50)));
    let result = &run["results"][0];
    assert_eq!(
        rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()]["id"],
        result["ruleId"]
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&run["results"]).unwrap(), @r#"
    [
      {
        "level": "error",
        "locations": [
          {
            "logicalLocations": [
              {
                "fullyQualifiedName": "aws_db_proxy.this",
                "kind": "resource"
              }
            ],
            "physicalLocation": {
              "artifactLocation": {
                "uri": "terraform/modules/b%20c/main.tf"
              },
              "region": {
                "startLine": 1
              }
            }
          }
        ],
        "message": {
          "text": "aws_db_proxy.this: require_tls is not true. Help: set require_tls = true"
        },
        "partialFingerprints": {
          "primaryLocationLineHash": "a48777230ac44fcb7f22ff467d5ebce1"
        },
        "ruleId": "RDSIAM003",
        "ruleIndex": 2
      }
    ]
    "#);
    insta::assert_snapshot!(serde_json::to_string_pretty(&run["invocations"]).unwrap(), @r#"
    [
      {
        "executionSuccessful": true,
        "toolExecutionNotifications": [
          {
            "associatedRule": {
              "id": "RDSIAM004"
            },
            "level": "note",
            "locations": [
              {
                "logicalLocations": [
                  {
                    "fullyQualifiedName": "aws_db_proxy.this",
                    "kind": "resource"
                  }
                ]
              }
            ],
            "message": {
              "text": "aws_db_proxy.this: its role is not part of this plan, so what it may do is not known"
            }
          }
        ]
      }
    ]
    "#);
}
