//! Tests of references to resources outside the plan: no rule checks those, so each is a note.

use serde_json::{Value, json};

use super::rule_tests::{EVERYTHING, judged, plan, references};

type Resource = (&'static str, Value, Value, Value);

fn unknown(address: &'static str, after: Value, attribute: &str, texts: &[&str]) -> Resource {
    (address, after, json!({attribute: true}), json!({attribute: references(texts)}))
}

/// Returns a data source that is read during the apply.
fn data(address: &'static str) -> Resource {
    (address, json!({}), json!({"id": true, "arn": true}), json!({}))
}

const NONE: [&str; 0] = [];

#[test]
fn a_prefix_list_of_a_data_source_is_not_judged() {
    let port = json!({"ip_protocol": "tcp", "from_port": 3306, "to_port": 3306});
    let judge = |texts: &[&str], others: &[Resource]| {
        let rule = unknown("aws_vpc_security_group_ingress_rule.r", port.clone(), "prefix_list_id", texts);
        let own = json!({"entry": [{"cidr": "10.0.0.0/8"}]});
        let own = ("aws_ec2_managed_prefix_list.l", own, json!({"id": true}), json!({}));
        let mut all = vec![rule, own, data("data.aws_ec2_managed_prefix_list.l")];
        all.extend_from_slice(others);
        let (refused, notes) = judged(&plan(&all), "RDSIAM008");
        assert_eq!(refused, NONE, "{texts:?}");
        notes
    };
    let (own, other) = ("aws_ec2_managed_prefix_list.l", "data.aws_ec2_managed_prefix_list.l");
    assert_eq!(judge(&[own], &[]), NONE);
    for texts in [&[other][..], &[own, other]] {
        assert_eq!(
            judge(texts, &[]),
            ["aws_vpc_security_group_ingress_rule.r: whom its prefix lists let in is known only after apply"]
        );
    }
    // An entry that may belong to the list.
    let entry = |cidr: &str, text: &str| {
        let after = json!({"cidr": cidr});
        unknown("aws_ec2_managed_prefix_list_entry.e", after, "prefix_list_id", &[text])
    };
    assert_eq!(judge(&[own], &[entry("0.0.0.0/0", "local.list")]).len(), 1);
    assert_eq!(judge(&[own], &[entry("10.0.0.0/8", "local.list")]), NONE);
}

#[test]
fn a_rule_that_may_let_connections_in_is_not_judged() {
    let judge = |port: u16, network: &str| {
        let after = json!({"protocol": "tcp", "from_port": port, "to_port": port, "cidr_blocks": [network]});
        judged(&plan(&[unknown("aws_security_group_rule.r", after, "type", &["local.type"])]), "RDSIAM008")
    };
    let note = "aws_security_group_rule.r: whether it lets connections in is known only after apply";
    assert_eq!(judge(3306, "0.0.0.0/0"), (vec![], vec![note.to_owned()]));
    for (port, network) in [(443, "0.0.0.0/0"), (3306, "10.0.0.0/8")] {
        assert_eq!(judge(port, network), (vec![], vec![]), "{port} {network}");
    }
}

#[test]
fn an_attached_policy_that_the_plan_does_not_manage_is_not_judged() {
    let own = ("aws_iam_policy.p", json!({"name": "own"}), json!({"arn": true}), json!({}));
    let judge = |attachment: Resource| {
        let (refused, notes) =
            judged(&plan(&[attachment, own.clone(), data("data.aws_iam_policy.p")]), "RDSIAM001");
        assert_eq!(refused, NONE);
        notes
    };
    let kind = "aws_iam_role_policy_attachment.a";
    let hidden = "aws_iam_role_policy_attachment.a: which policy it attaches is known only after apply";
    for texts in [&["data.aws_iam_policy.p.arn"][..], &["local.arn"], &["aws_iam_policy.p", "each.value"]] {
        assert_eq!(judge(unknown(kind, json!({}), "policy_arn", texts)), [hidden], "{texts:?}");
    }
    assert_eq!(judge(unknown(kind, json!({}), "policy_arn", &["aws_iam_policy.p.arn"])), NONE);
    let known = |arn: &str| judge((kind, json!({"policy_arn": arn}), json!({}), json!({})));
    assert_eq!(known("arn:aws:iam::aws:policy/ReadOnlyAccess"), NONE);
    assert_eq!(known("arn:aws:iam::123456789012:policy/a/own"), NONE);
    assert_eq!(
        known("arn:aws:iam::123456789012:policy/other"),
        ["aws_iam_role_policy_attachment.a: the policy \"arn:aws:iam::123456789012:policy/other\" that it \
             attaches is not part of this plan"]
    );
    let set = "aws_ssoadmin_customer_managed_policy_attachment.s";
    let reference = "customer_managed_policy_reference";
    let by_name = |name: &str| judge((set, json!({reference: [{"name": name}]}), json!({}), json!({}))).len();
    assert_eq!((by_name("own"), by_name("other")), (0, 1));
    let after = json!({reference: [{}]});
    let expressions = json!({reference: [{"name": references(&["local.name"])}]});
    assert_eq!(judge((set, after, json!({reference: [{"name": true}]}), expressions)).len(), 1);
}

#[test]
fn the_role_of_a_data_source_is_not_judged() {
    let judge = |texts: &[&str], others: &[Resource]| {
        let after =
            json!({"require_tls": true, "auth": [{"iam_auth": "REQUIRED", "secret_arn": "arn:aws:x"}]});
        let own = ("aws_iam_role.r", json!({"name": "r"}), json!({"arn": true}), json!({}));
        let mut all = vec![unknown("aws_db_proxy.p", after, "role_arn", texts), own];
        all.push(data("data.aws_iam_role.r"));
        all.extend_from_slice(others);
        let (refused, notes) = judged(&plan(&all), "RDSIAM004");
        (refused.len(), notes)
    };
    let own = ["aws_iam_role.r.arn", "aws_iam_role.r"];
    assert_eq!(judge(&own, &[]), (1, vec![]));
    // The account, which is part of the ARN.
    assert_eq!(judge(&[own[1], "data.aws_caller_identity.me.account_id"], &[]), (1, vec![]));
    let note = |reason: &str| (0, vec![format!("aws_db_proxy.p: {reason}")]);
    assert_eq!(
        judge(&["data.aws_iam_role.r.arn", "data.aws_iam_role.r"], &[]),
        note("its role is not part of this plan, so what it may do is not known")
    );
    assert_eq!(
        judge(&[own[1], "data.aws_iam_role.r"], &[]),
        note("which of several roles is its own is known only after apply")
    );
    assert_eq!(judge(&[own[1], "local.role"], &[]).0, 0);
    // A policy attached to a role that the plan does not show may belong to the role.
    let allowed = note(
        "on what its role aws_iam_role.r is allowed secretsmanager:GetSecretValue is known only after apply",
    );
    for kind in ["aws_iam_role_policy.a", "aws_iam_role_policy_attachment.a"] {
        assert_eq!(judge(&own, &[unknown(kind, json!({}), "role", &["local.role"])]), allowed);
        assert_eq!(judge(&own, &[unknown(kind, json!({}), "role", &["aws_iam_role.other"])]).0, 0);
    }
    // So may a policy that the plan does not show, beside one that it shows.
    let policy = ("aws_iam_policy.b", json!({"name": "b", "policy": "{}"}), json!({"arn": true}), json!({}));
    for (texts, expected) in
        [(&["aws_iam_policy.b", "local.arn"][..], allowed), (&["aws_iam_policy.b"], (1, vec![]))]
    {
        let after = json!({"role": "r"});
        let attachment = unknown("aws_iam_role_policy_attachment.a", after, "policy_arn", texts);
        assert_eq!(judge(&own, &[policy.clone(), attachment]), expected, "{texts:?}");
    }
}

/// Attachments are found through an index: a linear search takes minutes.
#[test]
fn many_boundaries_and_attachments_are_judged() {
    let mut all = Vec::new();
    for index in 0..2000 {
        let name = |kind: &str| &*Box::leak(format!("{kind}.r{index}").into_boxed_str());
        let policy = json!({"name": format!("p{index}-boundary"), "policy": EVERYTHING});
        all.push((name("aws_iam_policy"), policy, json!({"arn": true}), json!({})));
        let text = format!("aws_iam_policy.q{index}.arn");
        all.push(unknown(name("aws_iam_role_policy_attachment"), json!({}), "policy_arn", &[&text]));
    }
    assert_eq!(judged(&plan(&all), "RDSIAM001").0, NONE);
}
