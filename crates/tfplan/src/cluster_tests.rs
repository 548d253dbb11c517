//! Tests of the rules for parameter groups, jump hosts and tunnels, and of what other rules know of clusters, with plans composed
//! here.

use serde_json::{Value, json};

use super::rule_tests::{EVERYTHING, judged, plan, references};

type Resource<'a> = (&'a str, Value, Value, Value);

fn known(address: &str, after: Value) -> Resource<'_> {
    (address, after, json!({}), json!({}))
}

#[test]
fn a_server_forces_tls_by_value_or_by_default() {
    let cluster = |engine: &str, family: &str, parameters: Value| {
        let group = json!({"name": "own", "family": family, "parameter": parameters});
        let database = json!({"engine": engine, "db_cluster_parameter_group_name": "own"});
        let groups = known("aws_rds_cluster_parameter_group.g", group);
        let (refused, notes) = judged(&plan(&[known("aws_rds_cluster.c", database), groups]), "RDSIAM014");
        (refused.len(), notes.len())
    };
    let set = |name: &str, value: &str| json!([{"name": name, "value": value}]);
    for value in ["1", "ON", "on", "true"] {
        assert_eq!(
            cluster("aurora-mysql", "aurora-mysql8.0", set("require_secure_transport", value)),
            (0, 0)
        );
    }
    for value in ["0", "OFF", ""] {
        assert_eq!(
            cluster("aurora-mysql", "aurora-mysql8.0", set("require_secure_transport", value)),
            (1, 0)
        );
    }
    // The parameter of the other engine forces nothing.
    assert_eq!(cluster("aurora-mysql", "aurora-mysql8.0", set("rds.force_ssl", "1")), (1, 0));
    for (family, refused) in
        [("aurora-postgresql16", 1), ("aurora-postgresql17", 0), ("aurora-postgresql18", 0)]
    {
        assert_eq!(cluster("aurora-postgresql", family, json!([])), (refused, 0), "{family}");
    }
    // Engines without tokens are not judged.
    assert_eq!(cluster("neptune", "neptune1.3", json!([])), (0, 0));
}

#[test]
fn a_default_parameter_group_is_judged_by_the_version() {
    let judge = |after: Value, unknown: Value, set: Value| {
        let (refused, notes) = judged(&plan(&[("aws_db_instance.d", after, unknown, set)]), "RDSIAM014");
        (refused.len(), notes.len())
    };
    let group = json!({"parameter_group_name": true});
    let postgres = |version: &str| json!({"engine": "postgres", "engine_version": version});
    assert_eq!(judge(postgres("14.18"), group.clone(), json!({})), (1, 0));
    assert_eq!(judge(postgres("15"), group.clone(), json!({})), (0, 0));
    assert_eq!(judge(json!({"engine": "postgres"}), group.clone(), json!({})), (0, 1));
    assert_eq!(judge(json!({"engine": "mysql"}), group.clone(), json!({})), (1, 0));
    let given = json!({"engine": "mysql", "parameter_group_name": "default.mysql8.4"});
    assert_eq!(judge(given, json!({}), json!({})), (1, 0));
    // What a plan does not show is neither right nor wrong.
    let hidden = json!({"parameter_group_name": references(&["local.group"])});
    assert_eq!(judge(json!({"engine": "mysql"}), group, hidden), (0, 1));
    assert_eq!(judge(json!({}), json!({"engine": true}), json!({})), (0, 1));
}

#[test]
fn a_value_that_is_not_known_is_noted() {
    let judge = |parameters: Value, unknown: Value| {
        let group = (
            "aws_db_parameter_group.g",
            json!({"name": "own", "family": "mysql8.4", "parameter": parameters}),
            json!({"parameter": unknown}),
            json!({"parameter": {}}),
        );
        let database = known("aws_db_instance.d", json!({"engine": "mysql", "parameter_group_name": "own"}));
        judged(&plan(&[group, database]), "RDSIAM014")
    };
    let name = json!([{"name": "require_secure_transport"}]);
    let note = "aws_db_parameter_group.g: require_secure_transport is known only after apply";
    assert_eq!(judge(name, json!([{"value": true}])), (vec![], vec![note.to_owned()]));
    let note = "aws_db_parameter_group.g: its parameters are known only after apply";
    assert_eq!(judge(Value::Null, json!(true)), (vec![], vec![note.to_owned()]));
    assert_eq!(judge(json!([{"value": "1"}]), json!([{"name": true}])), (vec![], vec![note.to_owned()]));
}

/// Returns the group `host`, with a rule that leads to a database, and an instance with a key pair in that group.
fn host<'a>(rule: Resource<'a>, groups: &Value) -> [Resource<'a>; 4] {
    let group = |id: &str| json!({"id": id});
    let after =
        json!({"key_name": "people", "associate_public_ip_address": false, "vpc_security_group_ids": groups});
    [
        known("aws_security_group.host", group("sg-1")),
        known("aws_security_group.database", group("sg-2")),
        rule,
        known("aws_instance.i", after),
    ]
}

#[test]
fn a_host_is_known_by_the_rules_of_its_groups() {
    let judge = |kind: &str, rule: Value, groups: Value| {
        let address = format!("{kind}.r");
        let (refused, notes) = judged(&plan(&host(known(&address, rule), &groups)), "RDSIAM015");
        (refused.len(), notes.len())
    };
    let (ingress, egress) = ("aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule");
    let rule = |own: &str, peer: &str, port: u16| {
        json!({
            "security_group_id": own, "referenced_security_group_id": peer, "ip_protocol": "tcp",
            "from_port": port, "to_port": port,
        })
    };
    let own = json!(["sg-1"]);
    assert_eq!(judge(ingress, rule("sg-2", "sg-1", 5432), own.clone()), (1, 0));
    assert_eq!(judge(egress, rule("sg-1", "sg-2", 3306), own.clone()), (1, 0));
    assert_eq!(judge(egress, rule("sg-1", "sg-2", 443), own.clone()), (0, 0));
    assert_eq!(judge(egress, rule("sg-2", "sg-1", 5432), own.clone()), (0, 0));
    // Everything to everywhere is the rule of a new group, and leads to no database by itself.
    let everything = |own: &str, peer: &str| json!({"security_group_id": own, "referenced_security_group_id": peer, "ip_protocol": "-1"});
    assert_eq!(judge(egress, everything("sg-1", "sg-2"), own.clone()), (0, 0));
    assert_eq!(judge(ingress, everything("sg-2", "sg-1"), own.clone()), (1, 0));
    // A rule that lets connections in to the host is another reason.
    let inline = json!({
        "type": "ingress", "security_group_id": "sg-1", "source_security_group_id": "sg-1", "protocol": "tcp",
        "from_port": 5432, "to_port": 5432,
    });
    assert_eq!(judge("aws_security_group_rule", inline, own.clone()), (2, 0));
    assert_eq!(judge(ingress, rule("sg-2", "sg-1", 5432), json!(["sg-3"])), (0, 1));
    assert_eq!(judge(ingress, rule("sg-2", "sg-1", 5432), json!([])), (0, 0));
    let port = json!({"security_group_id": "sg-1", "ip_protocol": "tcp"});
    let unknown = (
        "aws_vpc_security_group_egress_rule.r",
        port,
        json!({"from_port": true, "to_port": true}),
        json!({}),
    );
    let (refused, notes) = judged(&plan(&host(unknown, &own)), "RDSIAM015");
    let note = "aws_instance.i: whether its security groups lead to a database is known only after apply";
    assert_eq!((refused, notes), (vec![], vec![note.to_owned()]));
}

#[test]
fn the_port_of_a_database_in_the_plan_is_one() {
    let rule = json!({"security_group_id": "sg-1", "ip_protocol": "tcp", "from_port": 6000, "to_port": 6001});
    let rule = || known("aws_vpc_security_group_egress_rule.r", rule.clone());
    let mut all = host(rule(), &json!(["sg-1"])).to_vec();
    assert_eq!(judged(&plan(&all), "RDSIAM015").0.len(), 0);
    all.push(known("aws_rds_cluster.c", json!({"port": 6001})));
    assert_eq!(judged(&plan(&all), "RDSIAM015").0.len(), 1);
}

#[test]
fn a_group_behind_a_local_is_noted_and_the_key_of_an_instance_is_followed() {
    let judge = |own: &[&str]| {
        let rule = (
            "aws_vpc_security_group_egress_rule.r",
            json!({"ip_protocol": "tcp", "from_port": 5432, "to_port": 5432}),
            json!({"security_group_id": true}),
            json!({"security_group_id": references(own)}),
        );
        let mut all = vec![rule];
        for (key, name) in [("a", r#"aws_security_group.g["a"]"#), ("b", r#"aws_security_group.g["b"]"#)] {
            all.push((name, json!({"name": key}), json!({"id": true}), json!({})));
        }
        let groups = references(&[
            r#"aws_security_group.g["a"].id"#,
            r#"aws_security_group.g["a"]"#,
            "aws_security_group.g",
        ]);
        all.push((
            "aws_instance.i",
            json!({"key_name": "people", "associate_public_ip_address": false}),
            json!({"vpc_security_group_ids": true}),
            json!({"vpc_security_group_ids": groups}),
        ));
        let mut plan = plan(&all);
        for change in &mut plan.document.resource_changes {
            change.name = change.name.split('[').next().unwrap().to_owned();
        }
        for block in &mut plan.document.configuration.root_module.resources {
            block.name = block.name.split('[').next().unwrap().to_owned();
        }
        let (refused, notes) = judged(&plan, "RDSIAM015");
        (refused.len(), notes.len())
    };
    let of =
        |key: &str| [format!("aws_security_group.g[{key:?}].id"), format!("aws_security_group.g[{key:?}]")];
    let (a, b) = (of("a"), of("b"));
    assert_eq!(judge(&[&a[0], &a[1], "aws_security_group.g"]), (1, 0));
    assert_eq!(judge(&[&b[0], &b[1], "aws_security_group.g"]), (0, 0));
    assert_eq!(judge(&["aws_security_group.g", "each.key"]), (0, 1));
    assert_eq!(judge(&["local.groups"]), (0, 1));
}

#[test]
fn sessions_are_allowed_on_one_instance_with_one_document() {
    let judge = |statements: &Value| {
        let policy = json!({"name": "p", "policy": json!({"Statement": statements}).to_string()});
        let (refused, notes) = judged(&plan(&[known("aws_iam_policy.p", policy)]), "RDSIAM016");
        (refused.len(), notes.len())
    };
    let (host, document) =
        ("arn:aws:ec2:us-east-1:123456789012:instance/i-1", "arn:aws:ssm:us-east-1::document/d");
    let allow = |action: &str, on: &[&str]| json!({"Effect": "Allow", "Action": action, "Resource": on});
    assert_eq!(judge(&json!([allow("ssm:StartSession", &[host, document])])), (0, 0));
    assert_eq!(
        judge(&json!([allow("ssm:StartSession", &[host]), allow("ssm:StartSession", &[document])])),
        (0, 0)
    );
    assert_eq!(judge(&json!([allow("ssm:StartSession", &[host])])), (1, 0));
    assert_eq!(judge(&json!([allow("ssm:startsession", &["*"])])), (1, 0));
    assert_eq!(judge(&json!([allow("ssm:Start*", &[host, document, "arn:aws:ec2:*:*:instance/*"])])), (1, 0));
    let variable = "arn:aws:ec2:us-east-1:123456789012:instance/${aws:PrincipalTag/host}";
    assert_eq!(judge(&json!([allow("ssm:StartSession", &[variable, document])])), (1, 0));
    let not = json!({"Effect": "Allow", "Action": "ssm:StartSession", "NotResource": host});
    assert_eq!(judge(&json!([not])), (1, 0));
    // Other actions, and statements that RDSIAM001 refuses.
    assert_eq!(
        judge(&json!([allow("ssm:TerminateSession", &["*"]), allow("ssm:GetParameter", &["*"])])),
        (0, 0)
    );
    assert_eq!(judge(&json!([allow("*", &["*"])])), (0, 0));
    let deny = json!({"Effect": "Deny", "Action": "ssm:*", "Resource": "*"});
    assert_eq!(judge(&json!([allow("ssm:StartSession", &["*"]), deny])), (0, 0));
}

#[test]
fn a_boundary_allows_no_session() {
    let text = r#"{"Statement": {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"}}"#;
    let judge = |name: &str| {
        let policy = known("aws_iam_policy.p", json!({"name": name, "policy": text}));
        judged(&plan(&[policy]), "RDSIAM016").0.len()
    };
    assert_eq!((judge("people"), judge("people-boundary")), (1, 0));
    let everything = known("aws_iam_policy.p", json!({"name": "all", "policy": EVERYTHING}));
    let plan = plan(&[everything]);
    assert_eq!((judged(&plan, "RDSIAM001").0.len(), judged(&plan, "RDSIAM016").0.len()), (1, 0));
}

#[test]
fn a_proxy_logs_in_to_the_kind_of_its_targets() {
    let judge = |id: &str, targets: &[&str]| {
        let user =
            format!("arn:aws:rds-db:us-east-1:123456789012:dbuser:{id}-ABCDEFGHIJKLMNOPQRSTUVWX12/app");
        let text = json!({"Statement": {"Effect": "Allow", "Action": "rds-db:connect", "Resource": user}});
        let arn = "arn:aws:iam::123456789012:role/proxy";
        let proxy = json!({"name": "p", "require_tls": true, "role_arn": arn, "auth": [{"iam_auth": "REQUIRED", "secret_arn": ""}]});
        let mut all = vec![
            known("aws_db_proxy.p", proxy),
            known("aws_iam_role.r", json!({"name": "proxy", "arn": arn})),
            known("aws_iam_role_policy.r", json!({"role": "proxy", "policy": text.to_string()})),
        ];
        let addresses = ["aws_db_proxy_target.a", "aws_db_proxy_target.b"];
        for (address, attribute) in addresses.into_iter().zip(targets) {
            let target = json!({"db_proxy_name": "p", *attribute: "orders"});
            all.push((address, target, json!({}), json!({*attribute: {"constant_value": "orders"}})));
        }
        judged(&plan(&all), "RDSIAM004").0.len()
    };
    let (cluster, instance) = ("db_cluster_identifier", "db_instance_identifier");
    assert_eq!((judge("cluster", &[cluster]), judge("db", &[cluster]), judge("prx", &[cluster])), (0, 1, 1));
    assert_eq!((judge("cluster", &[instance]), judge("db", &[instance])), (1, 0));
    assert_eq!((judge("cluster", &[]), judge("db", &[]), judge("prx", &[])), (0, 0, 1));
    assert_eq!((judge("cluster", &[cluster, instance]), judge("db", &[cluster, instance])), (0, 0));
}
