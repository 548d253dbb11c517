//! Tests of `rds-iam plan` and `rds-iam conf` with plans and outputs from public reports of wrong verdicts
//! (docs/audit.md).

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/proxy";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-AbCdEf";
const DATABASE_USER: &str = "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX12/app";
const PROXY_USER: &str = "arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/app";

fn run(arguments: &[&str], input: &str) -> Output {
    #[expect(clippy::disallowed_methods, reason = "this is the program under test")]
    let mut child = Command::new(env!("CARGO_BIN_EXE_rds-iam"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A resource that the plan creates: its address, known, unknown and sensitive values, and its configuration's
/// expressions.
struct Resource {
    address: &'static str,
    after: Value,
    unknown: Value,
    sensitive: Value,
    expressions: Value,
}

fn known(address: &'static str, after: Value) -> Resource {
    Resource { address, after, unknown: json!({}), sensitive: json!({}), expressions: json!({}) }
}

/// Returns the report of `rds-iam plan` on a plan with these resources: `RULE address: text`, refusals and then notes.
fn review(resources: &[Resource]) -> (Vec<String>, Vec<String>) {
    let (mut changes, mut blocks) = (Vec::new(), Vec::new());
    for Resource { address, after, unknown, sensitive, expressions } in resources {
        let (kind, name) = address.split_once('.').unwrap();
        let resource = json!({"address": address, "mode": "managed", "type": kind, "name": name});
        let mut change = resource.clone();
        change["change"] = json!({
            "actions": ["create"], "before": null, "after": after, "after_unknown": unknown,
            "after_sensitive": sensitive, "before_sensitive": false,
        });
        changes.push(change);
        let mut block = resource;
        block["expressions"] = expressions.clone();
        blocks.push(block);
    }
    let plan = json!({
        "format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {}, "resource_changes": changes,
        "configuration": {"root_module": {"resources": blocks}},
    });
    let output = run(&["plan", "--format", "json", "-"], &plan.to_string());
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let lines = |list: &str, text: &str| -> Vec<String> {
        let items = report[list].as_array().unwrap().iter();
        items
            .map(|item| format!("{} {}: {}", item["rule"], item["address"], item[text]).replace('"', ""))
            .collect()
    };
    (lines("findings", "problem"), lines("notes", "reason"))
}

fn policy(statement: &Value) -> Resource {
    known("aws_iam_policy.p", json!({"name": "p", "policy": json!({"Statement": statement}).to_string()}))
}

const NONE: [&str; 0] = [];

#[test]
fn a_statement_by_not_action_is_judged_by_what_it_reaches() {
    let statement =
        |resource: &str| json!({"Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": resource});
    let (refused, notes) = review(&[policy(&statement("arn:aws:s3:::my-artifacts"))]);
    assert_eq!((refused, notes), (vec![], vec![]), "a bucket is no database");
    let (refused, _) = review(&[policy(&statement("*"))]);
    assert_eq!(
        refused,
        [
            "RDSIAM001 aws_iam_policy.p: a statement allows rds-db:connect by a wildcard in its action (NotAction)"
        ]
    );
    // The remedy differs from that of a wildcard such as rds-db:*.
    let text = json!({"Statement": statement("*")}).to_string();
    let plan = json!({
        "format_version": "1.2", "planned_values": {}, "resource_changes": [{
            "address": "aws_iam_policy.p", "mode": "managed", "type": "aws_iam_policy", "name": "p",
            "change": {"actions": ["create"], "after": {"name": "p", "policy": text}},
        }],
    });
    let output = run(&["plan", "--format", "json", "-"], &plan.to_string());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let remedy = report["findings"][0]["remedy"].as_str().unwrap();
    assert!(remedy.starts_with("name the actions, and "), "{remedy}");
    // An unknown resource is noted, not refused.
    let document = Resource {
        address: "aws_iam_policy.p",
        after: json!({"name": "p"}),
        unknown: json!({"policy": true}),
        sensitive: json!({}),
        expressions: json!({"policy": {"references": ["local.policy"]}}),
    };
    assert_eq!(review(&[document]).0, NONE);
}

fn proxy(auth: &Value, statements: &Value) -> [Resource; 3] {
    let policy = json!({"role": "proxy", "policy": json!({"Statement": statements}).to_string()});
    [
        known("aws_db_proxy.p", json!({"require_tls": true, "role_arn": ROLE, "auth": auth})),
        known("aws_iam_role.r", json!({"name": "proxy", "arn": ROLE})),
        known("aws_iam_role_policy.r", policy),
    ]
}

#[test]
fn a_proxy_with_a_linked_secret_logs_in_by_secret() {
    let auth = json!([{"auth_scheme": "SECRETS", "iam_auth": "REQUIRED", "secret_arn": SECRET}]);
    let connect = |on: &str| json!({"Effect": "Allow", "Action": "rds-db:connect", "Resource": on});
    let read = json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": SECRET});
    // It can't serve a client: it can log in only with the secret.
    for on in [DATABASE_USER, PROXY_USER] {
        let (refused, _) = review(&proxy(&auth, &json!([connect(on)])));
        assert_eq!(
            refused,
            [format!(
                "RDSIAM004 aws_db_proxy.p: the proxy logs in by secret, but its role aws_iam_role.r is not allowed \
                 secretsmanager:GetSecretValue on \\{SECRET}\\"
            )]
        );
    }
    // Other permissions of the role do not matter.
    assert_eq!(review(&proxy(&auth, &json!([read, connect(PROXY_USER)]))).0, NONE);
    // Without a linked secret, the role decides.
    let default = json!([{"auth_scheme": "SECRETS", "iam_auth": "REQUIRED"}]);
    assert_eq!(review(&proxy(&default, &json!([connect(DATABASE_USER)]))).0, NONE);
}

#[test]
fn a_proxy_role_that_comes_through_a_local_could_not_be_determined() {
    let [mut proxy, ..] = proxy(&json!([]), &json!([]));
    proxy.after["role_arn"] = Value::Null;
    proxy.unknown = json!({"role_arn": true});
    proxy.expressions = json!({"role_arn": {"references": ["local.role_arn"]}});
    let (refused, notes) = review(&[proxy]);
    assert_eq!(refused, NONE);
    assert_eq!(
        notes,
        [
            "RDSIAM004 aws_db_proxy.p: its role could not be determined: role_arn comes through a local or a variable, \
          whose origin a plan does not show"
        ]
    );
}

#[test]
fn a_generated_password_in_user_data_is_refused() {
    let machine = |known_text: Value, sensitive: Value, references: &[&str]| Resource {
        address: "aws_launch_template.t",
        unknown: if known_text.is_null() { json!({"user_data": true}) } else { json!({}) },
        after: json!({"user_data": known_text, "metadata_options": [{"http_tokens": "required"}]}),
        sensitive,
        expressions: json!({"user_data": {"references": references}}),
    };
    let marked = json!({"user_data": true});
    let by_mark =
        "RDSIAM010 aws_launch_template.t: its user_data holds a value that Terraform marks as sensitive";
    let direct = ["random_password.p.result", "random_password.p"];
    for (resource, expected) in [
        // `base64encode(templatefile(…, { password = random_password.p.result }))`, also through a local.
        (machine(Value::Null, marked.clone(), &direct), by_mark),
        (machine(Value::Null, marked.clone(), &["local.user_data"]), by_mark),
        (machine(json!("c2VjcmV0"), marked, &["var.password"]), by_mark),
        // `nonsensitive` removes the mark, but the value is still a secret.
        (
            machine(Value::Null, json!({}), &direct),
            "RDSIAM010 aws_launch_template.t: its user_data is made from random_password.p.result",
        ),
        (
            machine(
                Value::Null,
                json!({}),
                &[
                    "data.aws_secretsmanager_secret_version.s.secret_string",
                    "data.aws_secretsmanager_secret_version.s",
                ],
            ),
            "RDSIAM010 aws_launch_template.t: its user_data is made from \
             data.aws_secretsmanager_secret_version.s.secret_string",
        ),
    ] {
        assert_eq!(review(&[resource]).0, [expected]);
    }
    // A name or an ARN is no secret.
    let by_name = machine(Value::Null, json!({}), &["aws_secretsmanager_secret.s.arn", "random_pet.name.id"]);
    assert_eq!(
        review(&[by_name]),
        (vec![], vec!["RDSIAM010 aws_launch_template.t: user_data is known only after apply".to_owned()])
    );
}

#[test]
fn a_public_network_is_the_internet_however_narrow() {
    let rule = |family: &str, network: &str| {
        let mut after = json!({"ip_protocol": "tcp", "from_port": 3306, "to_port": 3306});
        after[family] = json!(network);
        review(&[known("aws_vpc_security_group_ingress_rule.r", after)]).0.len()
    };
    for public in
        ["3.0.0.0/8", "9.0.0.0/9", "203.0.113.7/32", "172.0.0.0/8", "192.0.0.0/8", "100.0.0.0/8", "0.0.0.0/0"]
    {
        assert_eq!(rule("cidr_ipv4", public), 1, "{public}");
    }
    for own in
        ["10.0.0.0/8", "10.1.2.3/32", "172.16.0.0/12", "172.31.0.0/16", "192.168.0.0/16", "100.64.0.0/10"]
    {
        assert_eq!(rule("cidr_ipv4", own), 0, "{own}");
    }
    for public in ["2600:1f18::/32", "2000::/3", "fe00::/7", "::/0"] {
        assert_eq!(rule("cidr_ipv6", public), 1, "{public}");
    }
    for own in ["fc00::/7", "fd12:3456::/48"] {
        assert_eq!(rule("cidr_ipv6", own), 0, "{own}");
    }
}

/// Returns the outputs of the stack with another database endpoint and region.
fn outputs(database: &str, region: &str) -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../terraform/stacks/service/outputs.json");
    let mut outputs: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    outputs["database"]["value"]["endpoint"] = json!(database);
    outputs["deployment"]["value"]["region"] = json!(region);
    outputs["proxy"]["value"]["endpoint"] = json!(database.replace(".c0ffee.", ".proxy-c0ffee."));
    outputs.to_string()
}

#[test]
fn a_region_that_the_endpoint_contradicts_is_refused_in_every_partition() {
    let conf = |database: &str, region: &str| run(&["conf", "--outputs", "-"], &outputs(database, region));
    for endpoint in [
        "o.c0ffee.rds.cn-north-1.amazonaws.com.cn",
        "o.c0ffee.cn-northwest-1.rds.amazonaws.com.cn",
        "o.c0ffee.us-gov-west-1.rds.amazonaws.com",
        "o.c0ffee.eu-west-1.rds.amazonaws.com",
    ] {
        let output = conf(endpoint, "us-east-1");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && error.contains("deployment.region is us-east-1"),
            "{endpoint}: {error}"
        );
    }
    let endpoint = "o.c0ffee.eu-west-1.rds.amazonaws.com";
    let output = run(&["assumptions", "--outputs", "-"], &outputs(endpoint, "us-east-1"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("deployment.region is us-east-1"), "{output:?}");
    // The writer endpoint of a global database names no region.
    let output = conf("orders.global-c0ffee123456.global.rds.amazonaws.com", "us-east-1");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
