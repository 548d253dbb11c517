//! Tests of the rules with plans of clusters, parameter groups, jump hosts and tunnels.

use super::judged;

#[test]
fn a_first_apply_of_a_cluster_with_nothing_wrong() {
    insta::assert_snapshot!(judged("clean_cluster"), @"
    Not checked:
      RDSIAM001 aws_iam_policy.tunnel: its policy is known only after apply; only the document that it refers to was checked
      RDSIAM001 aws_iam_role_policy.proxy: a statement allows rds-db:connect on resources that are known only after apply
      RDSIAM001 aws_iam_role_policy.proxy: its policy is known only after apply; only the document that it refers to was checked
      RDSIAM004 aws_db_proxy.this: on what its role aws_iam_role.proxy is allowed rds-db:connect is known only after apply
      RDSIAM016 aws_iam_policy.tunnel: a statement allows ssm:StartSession on resources that are known only after apply

    Nothing is refused.
    ");
}

#[test]
fn a_proxy_role_for_another_kind_of_database() {
    insta::assert_snapshot!(judged("cluster_proxy"), @"
    Refused for 2 reasons:
      RDSIAM004 aws_db_proxy.cluster
        the proxy logs in by IAM, but its role aws_iam_role.to_instance is allowed rds-db:connect on no cluster, cluster-…
        help: allow aws_iam_role.to_instance rds-db:connect on the database's resource id, for every user of the proxy
      RDSIAM004 aws_db_proxy.instance
        the proxy logs in by IAM, but its role aws_iam_role.to_cluster is allowed rds-db:connect on no instance, db-…
        help: allow aws_iam_role.to_cluster rds-db:connect on the database's resource id, for every user of the proxy
    ");
}

#[test]
fn a_cluster_group_without_tls() {
    insta::assert_snapshot!(judged("forced_tls"), @r#"
    Not checked:
      RDSIAM014 aws_db_instance.elsewhere: its parameter group "shared" is not part of this plan
      RDSIAM014 aws_db_instance.unknown: whether its default parameter group forces TLS depends on its version, which is known only after apply
      RDSIAM014 aws_rds_cluster.this["default"]: its parameter group is known only after apply

    Refused for 4 reasons:
      RDSIAM014 aws_db_parameter_group.mysql
        require_secure_transport is not set, and "mysql8.4" does not force TLS by default
        help: set parameter { name = "require_secure_transport", value = "1" }
      RDSIAM014 aws_rds_cluster.this["old"]
        it has the default parameter group, and aurora-postgresql 16.9 does not force TLS by default
        help: give it a parameter group with rds.force_ssl = 1
      RDSIAM014 aws_rds_cluster_parameter_group.missing
        rds.force_ssl is not set, and "aurora-postgresql16" does not force TLS by default
        help: set parameter { name = "rds.force_ssl", value = "1" }
      RDSIAM014 aws_rds_cluster_parameter_group.off
        rds.force_ssl is "0"
        help: set parameter { name = "rds.force_ssl", value = "1" }
    "#);
}

#[test]
fn all_readers_of_a_protected_cluster() {
    insta::assert_snapshot!(judged("protected_cluster"), @r#"
    Refused for 2 reasons:
      RDSIAM002 aws_iam_role_policy.app
        rds-db:connect is allowed on "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKLMNOPQRSTUVWX11/app", the id of aws_rds_cluster_instance.smaller["one"], an instance of a cluster
        help: name the cluster's id, aws_rds_cluster.cluster_resource_id: it holds for all of its endpoints
      RDSIAM011 aws_rds_cluster.emptied
        it has deletion_protection, and all of its 2 instances would be destroyed
        help: keep one of them; or first set deletion_protection = false and apply that alone, and then destroy
    "#);
}

#[test]
fn a_jump_host_with_a_key() {
    insta::assert_snapshot!(judged("jump_host"), @r#"
    Not checked:
      RDSIAM015 aws_instance.elsewhere: its security groups are not part of this plan

    Refused for 5 reasons:
      RDSIAM015 aws_instance.elastic
        it leads to a database, and aws_eip.elastic gives it a public address
        help: put it into a private subnet with the endpoints of Session Manager, without a public address
      RDSIAM015 aws_instance.key
        it leads to a database, and has the key pair "people"
        help: take key_name out; people reach it through Session Manager
      RDSIAM015 aws_instance.public
        it leads to a database, and has a public address
        help: put it into a private subnet with the endpoints of Session Manager, without a public address
      RDSIAM015 aws_instance.public_subnet
        it leads to a database, and its subnet gives it a public address
        help: put it into a private subnet with the endpoints of Session Manager, without a public address
      RDSIAM015 aws_instance.ssh
        it leads to a database, and aws_security_group.open lets connections in to it
        help: take the rule out: a tunnel of Session Manager needs none
    "#);
}

#[test]
fn a_tunnel_to_any_instance() {
    insta::assert_snapshot!(judged("tunnel"), @r#"
    Not checked:
      RDSIAM001 aws_iam_policy.new: its policy is known only after apply; only the document that it refers to was checked
      RDSIAM016 aws_iam_policy.new: a statement allows ssm:StartSession on resources that are known only after apply

    Refused for 5 reasons:
      RDSIAM016 aws_iam_policy.tunnel["all"]
        a statement allows ssm:StartSession on a pattern ("*")
        help: name the jump host, arn:<partition>:ec2:<region>:<account>:instance/<id>, and the document, arn:<partition>:ssm:<region>::document/AWS-StartPortForwardingSessionToRemoteHost
      RDSIAM016 aws_iam_policy.tunnel["any_document"]
        a statement allows ssm:StartSession on a pattern ("arn:aws:ssm:us-east-1::document/*")
        help: name the jump host, arn:<partition>:ec2:<region>:<account>:instance/<id>, and the document, arn:<partition>:ssm:<region>::document/AWS-StartPortForwardingSessionToRemoteHost
      RDSIAM016 aws_iam_policy.tunnel["any_instance"]
        a statement allows ssm:StartSession on a pattern ("arn:aws:ec2:us-east-1:123456789012:instance/*")
        help: name the jump host, arn:<partition>:ec2:<region>:<account>:instance/<id>, and the document, arn:<partition>:ssm:<region>::document/AWS-StartPortForwardingSessionToRemoteHost
      RDSIAM016 aws_iam_policy.tunnel["no_document"]
        it allows ssm:StartSession on an instance without naming a document
        help: name the jump host, arn:<partition>:ec2:<region>:<account>:instance/<id>, and the document, arn:<partition>:ssm:<region>::document/AWS-StartPortForwardingSessionToRemoteHost
      RDSIAM016 aws_iam_role_policy.any_action
        a statement allows ssm:StartSession on a pattern ("*")
        help: name the jump host, arn:<partition>:ec2:<region>:<account>:instance/<id>, and the document, arn:<partition>:ssm:<region>::document/AWS-StartPortForwardingSessionToRemoteHost
    "#);
}
