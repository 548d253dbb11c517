//! Tests of the rules with plans of real Terraform and a real provider. `tests/plans/README.md` describes how
//! to create them.

use rds_iam_tfplan::{Plan, RULES, Review};
use serde_json::Value;

#[path = "plan/clusters.rs"]
mod clusters;

const FOLDERS: [&str; 16] = [
    "clean",
    "clean_cluster",
    "cluster_proxy",
    "database_without_iam",
    "forced_tls",
    "identifier",
    "jump_host",
    "open_security_group",
    "protected",
    "protected_cluster",
    "proxy_role",
    "proxy_tls",
    "secret_in_user_data",
    "summary",
    "tunnel",
    "wildcard",
];

fn path(folder: &str) -> String {
    format!("{}/tests/plans/{folder}/plan.json", env!("CARGO_MANIFEST_DIR"))
}

fn review(folder: &str) -> Review {
    Plan::read(path(folder).as_ref()).unwrap().review()
}

/// Returns the report except the summary: notes and refusals.
fn judged(folder: &str) -> String {
    let text = review(folder).to_string();
    text.lines()
        .skip(1)
        .skip_while(|line| line.starts_with("  "))
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned()
}

#[test]
fn a_first_apply_with_nothing_wrong() {
    insta::assert_snapshot!(review("clean"), @r#"
    Plan: 12 to create, 0 to change in place, 0 to replace, 0 to destroy, 0 to forget.
        + module.database.aws_db_instance.this
        + module.database.aws_db_parameter_group.this
        + module.proxy["iam"].aws_db_proxy.this
        + module.proxy["secret"].aws_db_proxy.this
        + module.roles["iam"].aws_iam_role.proxy
        + module.roles["iam"].aws_iam_role_policy.proxy
        + module.roles["secret"].aws_iam_role.proxy
        + module.roles["secret"].aws_iam_role_policy.proxy
        + module.service.aws_launch_template.app
        + module.service.aws_lb.this
        + module.service.aws_security_group.alb
        + module.service.aws_vpc_security_group_ingress_rule.https

    Not checked:
      RDSIAM001 module.roles["iam"].aws_iam_role_policy.proxy: a statement allows rds-db:connect on resources that are known only after apply
      RDSIAM001 module.roles["iam"].aws_iam_role_policy.proxy: its policy is known only after apply; only the document that it refers to was checked
      RDSIAM001 module.roles["secret"].aws_iam_role_policy.proxy: its policy is known only after apply; only the document that it refers to was checked
      RDSIAM004 module.proxy["iam"].aws_db_proxy.this: on what its role module.roles["iam"].aws_iam_role.proxy is allowed rds-db:connect is known only after apply
      RDSIAM004 module.proxy["secret"].aws_db_proxy.this: on what its role module.roles["secret"].aws_iam_role.proxy is allowed secretsmanager:GetSecretValue is known only after apply

    Nothing is refused.
    "#);
}

#[test]
fn every_kind_of_change() {
    insta::assert_snapshot!(review("summary"), @"
    Plan: 1 to create, 2 to change in place, 1 to replace, 1 to destroy, 1 to forget.
        ~ aws_ssm_parameter.after (moved from aws_ssm_parameter.before)
        + aws_ssm_parameter.created
        - aws_ssm_parameter.destroyed
        . aws_ssm_parameter.forgotten
      -/+ aws_ssm_parameter.replaced: allowed_pattern, description, name (forces replacement)
        ~ aws_ssm_parameter.updated: description, insecure_value, value, version

    Outputs: + name, + value

    Nothing is refused.
    ");
}

#[test]
fn wildcards_in_rds_db_connect() {
    insta::assert_snapshot!(judged("wildcard"), @r#"
    Refused for 7 reasons:
      RDSIAM001 aws_iam_group_policy.all_but
        a statement allows rds-db:connect by a wildcard in its action (NotAction)
        help: name the actions, and name each user of each database: arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<user>
      RDSIAM001 aws_iam_group_policy.all_but
        a statement allows rds-db:connect on everything but some resources (NotResource)
        help: name each user of each database: arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<user>
      RDSIAM001 aws_iam_policy.any_action
        a statement allows rds-db:connect by a wildcard in its action ("rds-db:*")
        help: write the action as rds-db:connect, and name each user of each database: arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<user>
      RDSIAM001 aws_iam_role.inline
        a statement allows rds-db:connect on a policy variable ("arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/${aws:username}")
        help: name each user of each database: arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<user>
      RDSIAM001 aws_iam_role_policy.any_user
        a statement allows rds-db:connect on a pattern ("arn:aws:rds-db:us-east-1:123456789012:dbuser:prx-0a1b2c3d4e5f67890/*")
        help: name each user of each database: arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<user>
      RDSIAM001 aws_iam_role_policy_attachment.administrator
        AWS's policy AdministratorAccess is attached, which allows rds-db:connect on everything
        help: attach a policy of what is needed; the rule's help shows its form
      RDSIAM001 aws_iam_user_policy.everything
        a statement allows rds-db:connect by a wildcard in its action ("*")
        help: name the actions, and name each user of each database: arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<user>
    "#);
}

#[test]
fn identifiers_for_resource_ids() {
    insta::assert_snapshot!(judged("identifier"), @r#"
    Refused for 2 reasons:
      RDSIAM002 aws_iam_role_policy.app
        rds-db:connect is allowed on "arn:aws:rds-db:us-east-1:123456789012:dbuser:orders-dev/node_app", which is no database user
        help: the ARN's resource id is wrong: "orders-dev" is not a resource id: a policy takes the id that AWS gave (db-…, cluster-… or prx-… and letters and digits), not the name that you gave. Instance: DbiResourceId of `aws rds describe-db-instances`, Terraform aws_db_instance.resource_id. Aurora cluster: DbClusterResourceId, aws_rds_cluster.cluster_resource_id. Proxy: the last part of DBProxyArn, aws_db_proxy.arn (its id is the name)
      RDSIAM002 aws_iam_role_policy.app
        rds-db:connect is allowed on "arn:aws:rds:us-east-1:123456789012:db:orders-dev", which is no database user
        help: "arn:aws:rds:us-east-1:123456789012:db:orders-dev" is not an ARN for rds-db:connect: write arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<db-user>
    "#);
}

#[test]
fn a_proxy_without_tls() {
    insta::assert_snapshot!(judged("proxy_tls"), @r#"
    Not checked:
      RDSIAM004 aws_db_proxy.passwords: its role is not part of this plan, so what it may do is not known
      RDSIAM004 aws_db_proxy.plain: its role is not part of this plan, so what it may do is not known

    Refused for 2 reasons:
      RDSIAM003 aws_db_proxy.plain
        require_tls is not true
        help: set require_tls = true
      RDSIAM013 aws_db_proxy.passwords
        iam_auth is not "REQUIRED"
        help: set iam_auth = "REQUIRED" in every auth block
    "#);
}

#[test]
fn proxy_roles_that_lack_permissions() {
    insta::assert_snapshot!(judged("proxy_role"), @r#"
    Refused for 4 reasons:
      RDSIAM004 aws_db_proxy.by_iam
        the proxy logs in by secret, but its role aws_iam_role.by_iam is not allowed secretsmanager:GetSecretValue on "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
        help: allow aws_iam_role.by_iam secretsmanager:GetSecretValue on it, and kms:Decrypt on its key where that is a customer's
      RDSIAM004 aws_db_proxy.other_secret
        the proxy logs in by secret, but its role aws_iam_role.other_secret is not allowed secretsmanager:GetSecretValue on "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
        help: allow aws_iam_role.other_secret secretsmanager:GetSecretValue on it, and kms:Decrypt on its key where that is a customer's
      RDSIAM004 aws_db_proxy.proxy_own_id
        the proxy logs in by secret, but its role aws_iam_role.proxy_own_id is not allowed secretsmanager:GetSecretValue on "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
        help: allow aws_iam_role.proxy_own_id secretsmanager:GetSecretValue on it, and kms:Decrypt on its key where that is a customer's
      RDSIAM004 aws_db_proxy.without_policy
        the proxy logs in by secret, but its role aws_iam_role.without_policy is not allowed secretsmanager:GetSecretValue on "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf"
        help: allow aws_iam_role.without_policy secretsmanager:GetSecretValue on it, and kms:Decrypt on its key where that is a customer's
    "#);
}

#[test]
fn databases_without_iam_authentication() {
    insta::assert_snapshot!(judged("database_without_iam"), @"
    Refused for 5 reasons:
      RDSIAM006 aws_db_instance.unset
        iam_database_authentication_enabled is not true
        help: set iam_database_authentication_enabled = true
      RDSIAM006 aws_rds_cluster.off
        iam_database_authentication_enabled is not true
        help: set iam_database_authentication_enabled = true
      RDSIAM014 aws_db_instance.unset
        it has the default parameter group, and mysql does not force TLS by default
        help: give it a parameter group with require_secure_transport = 1
      RDSIAM014 aws_rds_cluster.off
        it has the default parameter group, and aurora-mysql does not force TLS by default
        help: give it a parameter group with require_secure_transport = 1
      RDSIAM014 aws_rds_cluster.on
        it has the default parameter group, and aurora-mysql does not force TLS by default
        help: give it a parameter group with require_secure_transport = 1
    ");
}

#[test]
fn open_security_groups() {
    insta::assert_snapshot!(judged("open_security_group"), @r#"
    Not checked:
      RDSIAM008 aws_vpc_security_group_ingress_rule.unknown: where it lets connections in from is known only after apply

    Refused for 4 reasons:
      RDSIAM008 aws_security_group.inline
        it lets "0.0.0.0/0" in on TCP 3306, which MySQL listens on
        help: refer to the security group that may connect, or name the networks that do
      RDSIAM008 aws_security_group.inline
        it lets "::/0" in on TCP 80 to 443
        help: refer to the security group that may connect, or name the networks that do
      RDSIAM008 aws_security_group_rule.everything
        it lets "0.0.0.0/0" in on every protocol and port
        help: refer to the security group that may connect, or name the networks that do
      RDSIAM008 aws_vpc_security_group_ingress_rule.half_of_it
        it lets "128.0.0.0/1" in on TCP 22
        help: refer to the security group that may connect, or name the networks that do
    "#);
}

#[test]
fn secrets_in_user_data() {
    insta::assert_snapshot!(judged("secret_in_user_data"), @"
    Refused for 4 reasons:
      RDSIAM010 aws_instance.hashed
        line 2 of its user_data holds a private key
        help: take it out, replace it wherever it is valid, and let the machine's role fetch it
      RDSIAM010 aws_launch_configuration.access_key
        line 1 of its user_data_base64 holds an AWS access key id
        help: take it out, replace it wherever it is valid, and let the machine's role fetch it
      RDSIAM010 aws_launch_template.password
        line 2 of its user_data holds a value for something named like a secret
        help: take it out, replace it wherever it is valid, and let the machine's role fetch it
      RDSIAM010 aws_launch_template.sensitive
        its user_data holds a value that Terraform marks as sensitive
        help: take it out, replace it wherever it is valid, and let the machine's role fetch it
    ");
}

#[test]
fn protected_things_that_would_be_destroyed() {
    insta::assert_snapshot!(review("protected"), @"
    Plan: 0 to create, 1 to change in place, 1 to replace, 3 to destroy, 0 to forget.
        - aws_db_instance.gone
      -/+ aws_db_instance.replaced: apply_immediately, auto_minor_version_upgrade, copy_tags_to_snapshot, dedicated_log_volume, delete_automated_backups, monitoring_interval, performance_insights_enabled, username (forces replacement)
        - aws_db_instance.unprotected
        - aws_lb.gone
        ~ aws_rds_cluster.released: cluster_members, copy_tags_to_snapshot, deletion_protection, enable_global_write_forwarding, enable_http_endpoint, enable_local_write_forwarding, iam_roles, master_user_secret, tags_all, vpc_security_group_ids

    Refused for 5 reasons:
      RDSIAM011 aws_db_instance.gone
        it has deletion_protection and would be destroyed
        help: keep it; or first set deletion_protection = false and apply that alone, and then destroy
      RDSIAM011 aws_db_instance.replaced
        it has deletion_protection and would be replaced because of username
        help: keep it; or first set deletion_protection = false and apply that alone, and then destroy
      RDSIAM012 aws_lb.gone
        it has enable_deletion_protection and would be destroyed
        help: keep it; or first set enable_deletion_protection = false and apply that alone, and then destroy
      RDSIAM014 aws_db_instance.replaced
        it has the default parameter group, and mysql does not force TLS by default
        help: give it a parameter group with require_secure_transport = 1
      RDSIAM014 aws_rds_cluster.released
        it has the default parameter group, and aurora-mysql does not force TLS by default
        help: give it a parameter group with require_secure_transport = 1
    ");
}

#[test]
fn every_rule_refuses_something_and_none_the_clean_plan() {
    for folder in ["clean", "clean_cluster", "summary"] {
        assert_eq!(review(folder).findings.len(), 0, "{folder}");
    }
    let found: Vec<_> = FOLDERS.into_iter().flat_map(|folder| review(folder).findings).collect();
    for rule in &RULES {
        assert!(found.iter().any(|finding| finding.rule.id == rule.id), "no plan breaks {}", rule.id);
    }
}

#[test]
fn rules_are_in_order_and_their_ids_are_distinct() {
    assert!(RULES.is_sorted_by(|a, b| a.id < b.id));
}

#[test]
fn every_folder_of_plans_is_read() {
    let folder = format!("{}/tests/plans", env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, FOLDERS);
}

#[test]
fn secrets_are_in_no_report() {
    let mut secrets = vec!["hunter2".to_owned(), "AKIAIOSFODNN7EXAMPLE".to_owned(), "PRIVATE KEY".to_owned()];
    for folder in FOLDERS {
        let plan: Value = serde_json::from_str(&std::fs::read_to_string(path(folder)).unwrap()).unwrap();
        for change in plan["resource_changes"].as_array().unwrap() {
            let after = &change["change"]["after"];
            let held = ["user_data", "user_data_base64", "value"].map(|attribute| after[attribute].as_str());
            secrets.extend(held.into_iter().flatten().filter(|text| text.len() > 8).map(str::to_owned));
        }
    }
    assert!(secrets.len() > 8, "{secrets:?}");
    for folder in FOLDERS {
        let review = review(folder);
        for report in [review.to_string(), review.to_json(), review.to_sarif("."), format!("{review:?}")] {
            assert!(secrets.iter().all(|secret| !report.contains(secret)), "{folder}: {report}");
        }
    }
}
