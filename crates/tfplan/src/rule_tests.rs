//! Tests of the rules with plans composed here, for cases that would need many real plans in `tests/plans`.

use serde_json::{Value, json};

use super::*;

/// Returns a plan of new resources: for each its address in the root module, its known values, its unknown
/// values, and the configuration's expressions.
pub(super) fn plan(resources: &[(&str, Value, Value, Value)]) -> Plan {
    let (mut changes, mut blocks) = (Vec::new(), Vec::new());
    for (address, after, unknown, expressions) in resources {
        let (mode, own) = address.strip_prefix("data.").map_or(("managed", *address), |own| ("data", own));
        let (kind, name) = own.split_once('.').unwrap();
        let change = json!({"actions": ["create"], "after": after, "after_unknown": unknown});
        let resource = json!({"address": address, "mode": mode, "type": kind, "name": name});
        let with = |key: &str, value: &Value| {
            let mut resource = resource.clone();
            resource[key] = value.clone();
            resource
        };
        changes.push(with("change", &change));
        blocks.push(with("expressions", expressions));
    }
    let document = json!({
        "format_version": "1.2", "planned_values": {}, "resource_changes": changes,
        "configuration": {"root_module": {"resources": blocks}},
    });
    Plan::parse(&document.to_string()).unwrap()
}

/// Returns the refusals of a rule, and its notes.
pub(super) fn judged(plan: &Plan, rule: &str) -> (Vec<String>, Vec<String>) {
    let review = plan.review();
    let refused = review.findings.into_iter().filter(|finding| finding.rule.id == rule);
    let unchecked = review.notes.into_iter().filter(|note| note.rule.id == rule);
    (
        refused.map(|finding| format!("{}: {}", finding.address, finding.problem)).collect(),
        unchecked.map(|note| format!("{}: {}", note.address, note.reason)).collect(),
    )
}

pub(super) fn references(texts: &[&str]) -> Value {
    json!({"references": texts})
}

pub(super) const EVERYTHING: &str = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

#[test]
fn a_policy_whose_text_is_not_known_is_never_passed_over() {
    let document =
        json!({"statement": [{"actions": ["s3:GetObject"], "resources": ["*"], "effect": "Allow"}]});
    let deny = json!({"statement": [{"actions": ["rds-db:*"], "resources": ["*"], "effect": "Deny"}]});
    let allow = json!({"statement": [{"actions": ["rds-db:*"], "resources": ["*"], "effect": "Allow"}]});
    let notes = |texts: &[&str]| {
        let none = json!({});
        let plan = plan(&[
            ("data.aws_iam_policy_document.a", document.clone(), json!({"json": true}), none.clone()),
            ("data.aws_iam_policy_document.deny", deny.clone(), json!({"json": true}), none.clone()),
            ("data.aws_iam_policy_document.allow", allow.clone(), json!({"json": true}), none),
            ("aws_iam_policy.p", json!({}), json!({"policy": true}), json!({"policy": references(texts)})),
        ]);
        judged(&plan, "RDSIAM001")
    };
    let a = ["data.aws_iam_policy_document.a.json", "data.aws_iam_policy_document.a"];
    // A plan has the references of an expression and not its functions: this may be the document alone, or
    // `jsonencode` of its statements and others.
    let alone = "aws_iam_policy.p: its policy is known only after apply; only the document that it refers to \
                 was checked";
    let open = "aws_iam_policy.p: its policy is known only after apply";
    assert_eq!(notes(&a), (vec![], vec![alone.to_owned()]));
    assert_eq!(notes(&["data.aws_iam_policy_document.a", "each.key"]).1, [alone]);
    for other in
        ["local.more", "data.aws_iam_policy_document.deny.json", "var.more", "aws_sqs_queue.q.policy"]
    {
        assert_eq!(notes(&[a[0], a[1], other]), (vec![], vec![open.to_owned()]), "{other}");
    }
    assert_eq!(notes(&["data.aws_iam_policy_document.a.statement", a[1]]).1, [open]);
    // An uncertain denial excuses nothing.
    let (deny, allow) = ("data.aws_iam_policy_document.deny.json", "data.aws_iam_policy_document.allow.json");
    assert_eq!(notes(&[deny, allow]).0.len(), 1);
}

#[test]
fn a_boundary_that_may_be_attached_is_not_passed_over() {
    let judge = |others: &[(&str, Value, Value, Value)]| {
        let boundary = json!({"name": "orders-boundary", "policy": EVERYTHING});
        let mut all = vec![("aws_iam_policy.boundary", boundary, json!({"arn": true}), json!({}))];
        all.push(("aws_iam_policy.other", json!({"name": "other"}), json!({"arn": true}), json!({})));
        all.extend_from_slice(others);
        let (refused, mut unchecked) = judged(&plan(&all), "RDSIAM001");
        unchecked.retain(|note| note.starts_with("aws_iam_policy.boundary: "));
        (refused.len(), unchecked)
    };
    let unknown = |kind: &'static str, attribute: &str, texts: &[&str]| {
        (kind, json!({}), json!({attribute: true}), json!({attribute: references(texts)}))
    };
    let (attachment, role) = ("aws_iam_role_policy_attachment.a", "aws_iam_role.r");
    let own = ["aws_iam_policy.boundary.arn", "aws_iam_policy.boundary"];
    let other = ["aws_iam_policy.other.arn", "aws_iam_policy.other"];
    // Nothing attaches it.
    assert_eq!(judge(&[]), (0, vec![]));
    assert_eq!(judge(&[unknown(attachment, "policy_arn", &other)]), (0, vec![]));
    assert_eq!(judge(&[(role, json!({}), json!({"managed_policy_arns": true}), json!({}))]), (0, vec![]));
    // Something does.
    assert_eq!(judge(&[unknown(attachment, "policy_arn", &own)]).0, 1);
    assert_eq!(judge(&[unknown(role, "managed_policy_arns", &own)]).0, 1);
    let arn = "arn:aws:iam::123456789012:policy/a/orders-boundary";
    assert_eq!(judge(&[(attachment, json!({"policy_arn": arn}), json!({}), json!({}))]).0, 1);
    assert_eq!(judge(&[(role, json!({"managed_policy_arns": [arn]}), json!({}), json!({}))]).0, 1);
    let by_name = json!({"customer_managed_policy_reference": [{"name": "orders-boundary"}]});
    let set = "aws_ssoadmin_customer_managed_policy_attachment.s";
    assert_eq!(judge(&[(set, by_name, json!({}), json!({}))]).0, 1);
    let by_name = |text: &str| {
        let attribute = "customer_managed_policy_reference";
        let expressions = json!({attribute: [{"name": references(&[text])}]});
        judge(&[(set, json!({attribute: [{}]}), json!({attribute: [{"name": true}]}), expressions)])
    };
    assert_eq!(by_name(own[0]).0, 1);
    assert_eq!(by_name(other[0]), (0, vec![]));
    assert_eq!(by_name("local.name").1.len(), 1);
    // Something may.
    for texts in [&["each.value"][..], &["local.policies", "each.key"], &["aws_ssm_parameter.p.value"]] {
        let attached = unknown(attachment, "policy_arn", texts);
        let (refused, notes) = judge(std::slice::from_ref(&attached));
        assert_eq!(refused, 0);
        assert_eq!(
            notes,
            ["aws_iam_policy.boundary: it is named as a permissions boundary, and what \
              aws_iam_role_policy_attachment.a attaches is known only after apply"]
        );
        // It is one.
        let bounded = unknown(role, "permissions_boundary", &own);
        assert_eq!(judge(&[attached.clone(), bounded]), (0, vec![]));
        // It may be one, which does not make up for what is attached.
        for bound in [&other[..], &["local.boundary"], &[own[1], "local.boundary"]] {
            let role = unknown(role, "permissions_boundary", bound);
            assert_eq!(judge(&[attached.clone(), role]).1.len(), 1, "{bound:?}");
        }
    }
}

#[test]
fn administrators_are_refused_however_they_are_attached() {
    let arn = "arn:aws-us-gov:iam::aws:policy/PowerUserAccess";
    for (address, after) in [
        ("aws_iam_role_policy_attachments_exclusive.a", json!({"policy_arns": [arn]})),
        ("aws_iam_group_policy_attachments_exclusive.a", json!({"policy_arns": [arn]})),
        ("aws_ssoadmin_managed_policy_attachment.a", json!({"managed_policy_arn": arn})),
        ("aws_iam_role.a", json!({"managed_policy_arns": ["arn:aws:iam::aws:policy/ReadOnlyAccess", arn]})),
        ("aws_iam_policy_attachment.a", json!({"policy_arn": arn})),
    ] {
        let (refused, _) = judged(&plan(&[(address, after, json!({}), json!({}))]), "RDSIAM001");
        let problem = "AWS's policy PowerUserAccess is attached, which allows rds-db:connect on everything";
        assert_eq!(refused, [format!("{address}: {problem}")]);
    }
}

#[test]
fn patterns_are_seen_in_every_partition() {
    let judge = |resource: &str| {
        let text =
            json!({"Statement": {"Effect": "Allow", "Action": "rds-db:connect", "Resource": resource}});
        let policy = ("aws_iam_policy.p", json!({"policy": text.to_string()}), json!({}), json!({}));
        judged(&plan(&[policy]), "RDSIAM001").0.len()
    };
    let user = "rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX12";
    for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc", "aws-iso-f"] {
        assert_eq!(judge(&format!("arn:{partition}:{user}/*")), 1, "{partition}");
        assert_eq!(judge(&format!("arn:{partition}:{user}/app")), 0, "{partition}");
    }
    for pattern in
        ["*", "a*", "arn:*", "arn:aws*", "arn:aws-i*", "arn:aws-iso:rds*", "arn:aws:*", "arn:aw?:rds-db:*"]
    {
        assert_eq!(judge(pattern), 1, "{pattern}");
    }
    for pattern in ["arn:aws:s3:::*", "b*", "arn:gcp*", "arn:aws:rds:*"] {
        assert_eq!(judge(pattern), 0, "{pattern}");
    }
}

#[test]
fn a_denial_that_another_document_overrides_excuses_nothing() {
    let text = |effect: &str, sid: &str| {
        json!({"Statement": {"Sid": sid, "Effect": effect, "Action": "rds-db:*", "Resource": "*"}})
            .to_string()
    };
    let judge = |own: Value, unknown: Value| {
        let mut unknown = unknown;
        unknown["json"] = json!(true);
        let source = references(&["data.aws_iam_policy_document.a.json", "data.aws_iam_policy_document.a"]);
        let plan = plan(&[
            ("data.aws_iam_policy_document.a", own, unknown, json!({})),
            ("aws_iam_policy.p", json!({}), json!({"policy": true}), json!({"policy": source})),
        ]);
        judged(&plan, "RDSIAM001").0.len()
    };
    let deny = json!([{"sid": "Logins", "effect": "Deny", "actions": ["rds-db:*"], "resources": ["*"]}]);
    let allow = |sid: &str| json!({"override_policy_documents": [text("Allow", sid)], "statement": deny});
    assert_eq!(judge(allow("Logins"), json!({})), 1);
    assert_eq!(judge(allow("Other"), json!({})), 0);
    let by_own = json!({"source_policy_documents": [text("Allow", "Logins")], "statement": deny});
    assert_eq!(judge(by_own, json!({})), 0);
    let allowed = json!([{"sid": "Logins", "actions": ["rds-db:*"], "resources": ["*"]}]);
    let of_source = json!({"source_policy_documents": [text("Deny", "Logins")], "statement": allowed});
    assert_eq!(judge(of_source, json!({})), 1);
    // An overriding statement may be an allowing one.
    let both = json!([deny[0].clone(), allowed[0].clone()].map(|mut one| {
        one["sid"] = json!("");
        one
    }));
    assert_eq!(judge(json!({"statement": both}), json!({})), 0);
    assert_eq!(judge(json!({"statement": both}), json!({"override_policy_documents": true})), 1);
}

#[test]
fn prefix_lists_are_looked_into() {
    let judge = |rule: (&str, Value, Value, Value)| {
        let entry = |cidr: &str| json!({"entry": [{"cidr": "10.0.0.0/8"}, {"cidr": cidr}], "id": "pl-1"});
        let plan =
            plan(&[rule, ("aws_ec2_managed_prefix_list.all", entry("0.0.0.0/0"), json!({}), json!({}))]);
        let (refused, unchecked) = judged(&plan, "RDSIAM008");
        (refused.len(), unchecked.len())
    };
    let kind = "aws_vpc_security_group_ingress_rule.r";
    let rule = |port: u16, list: &str| json!({"ip_protocol": "tcp", "from_port": port, "to_port": port, "prefix_list_id": list});
    assert_eq!(judge((kind, rule(3306, "pl-1"), json!({}), json!({}))), (1, 0));
    assert_eq!(judge((kind, rule(443, "pl-1"), json!({}), json!({}))), (0, 0));
    assert_eq!(judge((kind, rule(3306, "pl-2"), json!({}), json!({}))), (0, 1));
    let mut unknown = rule(3306, "");
    unknown["prefix_list_id"].take();
    let from = |text: &str| json!({"prefix_list_id": references(&[text])});
    let not_known = json!({"prefix_list_id": true});
    let own = from("aws_ec2_managed_prefix_list.all.id");
    assert_eq!(judge((kind, unknown.clone(), not_known.clone(), own)), (1, 0));
    assert_eq!(judge((kind, unknown, not_known, from("local.list"))), (0, 1));
    let inline = |attribute: &str| json!({attribute: [{"protocol": "-1", "prefix_list_ids": ["pl-1"]}]});
    assert_eq!(judge(("aws_security_group.g", inline("ingress"), json!({}), json!({}))), (1, 0));
    assert_eq!(judge(("aws_security_group.g", inline("egress"), json!({}), json!({}))), (0, 0));
    for (way, refused) in [("ingress", 1), ("egress", 0)] {
        let old = json!({"type": way, "protocol": "-1", "prefix_list_ids": ["pl-1"]});
        assert_eq!(judge(("aws_security_group_rule.r", old, json!({}), json!({}))), (refused, 0));
    }
}

#[test]
fn spot_machines_are_machines() {
    let judge = |address: &str, after: &Value, expressions: &Value, rule: &str| {
        judged(&plan(&[(address, after.clone(), json!({}), expressions.clone())]), rule).0
    };
    let hash = "9661c2d2b5863814b55dd0d60da3f0c0bdb62427";
    let constant = json!({"user_data": {"constant_value": "#!/bin/sh\nDB_PASSWORD=hunter2\n"}});
    let (one, many) = ("aws_spot_instance_request.s", "aws_spot_fleet_request.f");
    let fleet = |inner: &Value| json!({"launch_specification": [inner]});
    let own = json!({"user_data": hash});
    for (address, after, expressions) in
        [(one, own.clone(), constant.clone()), (many, fleet(&own), fleet(&constant))]
    {
        assert_eq!(judge(address, &after, &expressions, "RDSIAM010").len(), 1, "{address}");
    }
}

#[test]
fn what_is_denied_is_lacking() {
    let secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf";
    let user = "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX12/app";
    for (action, on, denied) in [
        ("secretsmanager:GetSecretValue", secret, 1),
        ("secretsmanager:GetSecretValue", "arn:aws:s3:::other", 0),
        ("rds-db:connect", user, 1),
        ("rds-db:connect", "arn:aws:s3:::other", 0),
    ] {
        let arn = "arn:aws:iam::123456789012:role/proxy";
        let scheme = if action == "rds-db:connect" { "IAM_AUTH" } else { "NONE" };
        let auth = json!([{"iam_auth": "REQUIRED", "secret_arn": secret}]);
        let proxy =
            json!({"require_tls": true, "role_arn": arn, "default_auth_scheme": scheme, "auth": auth});
        let allowed = if scheme == "NONE" { secret } else { user };
        let text = json!({"Statement": [
            {"Effect": "Allow", "Action": action, "Resource": allowed},
            {"Effect": "Deny", "Action": action, "Resource": on},
        ]});
        let policy = json!({"role": "proxy", "policy": text.to_string()});
        let plan = plan(&[
            ("aws_db_proxy.p", proxy, json!({}), json!({})),
            ("aws_iam_role.r", json!({"name": "proxy", "arn": arn}), json!({}), json!({})),
            ("aws_iam_role_policy.r", policy, json!({}), json!({})),
        ]);
        assert_eq!(judged(&plan, "RDSIAM004").0.len(), denied, "{action} {on}");
        assert_eq!(judged(&plan, "RDSIAM013").0.len(), 0);
    }
}

#[test]
fn a_protected_database_that_is_forgotten_is_told() {
    let change = json!({"actions": ["forget"], "before": {"deletion_protection": true}, "after": null});
    let resource = json!({"address": "aws_db_instance.a", "mode": "managed", "type": "aws_db_instance", "name": "a", "change": change});
    let document = json!({"format_version": "1.2", "planned_values": {}, "resource_changes": [resource]});
    let (refused, notes) = judged(&Plan::parse(&document.to_string()).unwrap(), "RDSIAM011");
    assert_eq!((refused.len(), notes.len()), (0, 1));
}

#[test]
fn a_boundary_is_known_by_its_use() {
    let arn = "arn:aws:iam::123456789012:policy/limits";
    let policy = (
        "aws_iam_policy.b",
        json!({"name": "limits", "arn": arn, "policy": EVERYTHING}),
        json!({}),
        json!({}),
    );
    let role =
        |attribute: &str, value: Value| ("aws_iam_role.r", json!({attribute: value}), json!({}), json!({}));
    let refused = |others: &[(&str, Value, Value, Value)]| {
        let mut all = vec![policy.clone()];
        all.extend_from_slice(others);
        judged(&plan(&all), "RDSIAM001").0.len()
    };
    assert_eq!(refused(&[role("permissions_boundary", json!(arn))]), 0);
    assert_eq!(refused(&[]), 1);
    assert_eq!(refused(&[role("permissions_boundary", json!("arn:aws:iam::123456789012:policy/other"))]), 1);
    let attached = ("aws_iam_role_policy_attachment.a", json!({"policy_arn": arn}), json!({}), json!({}));
    assert_eq!(refused(&[role("permissions_boundary", json!(arn)), attached]), 1);
}
