//! Tests of ARNs and their parts.

use super::*;

const DB: &str = "db-ABCDEFGHIJKLMNOPQRSTUVWX12";

#[test]
fn arns_of_each_kind_and_partition_round_trip() {
    let ids = [
        (DB, ResourceKind::Instance),
        ("cluster-ABCDEFGHIJKLMNOPQRSTUVWX12", ResourceKind::Cluster),
        ("prx-0a1b2c3d4e5f67890", ResourceKind::Proxy),
    ];
    let regions = [("aws", "eu-west-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")];
    for (partition, region) in regions {
        for (id, kind) in ids {
            for user in ["node_app", "a/b:c", "Zoë o'neil", "x=y&z"] {
                let text = format!("arn:{partition}:rds-db:{region}:012345678901:dbuser:{id}/{user}");
                let arn: RdsDbArn = text.parse().unwrap();
                assert_eq!(arn.to_string(), text);
                assert_eq!((arn.partition(), arn.region().as_str()), (partition, region));
                assert_eq!((arn.resource().kind(), arn.resource().as_str()), (kind, id));
                assert_eq!((arn.account().as_str(), arn.user().as_str()), ("012345678901", user));
            }
        }
    }
}

#[test]
fn names_are_not_resource_ids() {
    for name in [
        "",
        "my-database",
        "orders",
        "db-production",
        "DB-ABCDEFGHIJKLMNOPQRSTUVWX12",
        "db-ABCDEFGHIJKLMNOPQRST-UVWX12",
        "db-",
        "prx-ünïcödeünïcödeü",
        "ins-ABCDEFGHIJKLMNOPQRSTUVWX12",
    ] {
        let refused = name.parse::<ResourceId>();
        assert_eq!(refused, Err(ResourceIdError::Name { given: name.into() }));
    }
    for (text, expected) in [
        ("db-*", ResourceIdError::Wildcard { given: "db-*".into() }),
        ("arn:aws:rds:x", ResourceIdError::Arn { given: "arn:aws:rds:x".into() }),
    ] {
        assert_eq!(text.parse::<ResourceId>(), Err(expected));
    }
}

#[test]
fn accounts() {
    assert_eq!("012345678901".parse::<AccountId>().unwrap().to_string(), "012345678901");
    for text in
        ["", "12345678901", "1234567890123", "1234-5678-90", "12345678901x", "1234-5678-9012", "١٢٣٤٥٦"]
    {
        assert!(text.parse::<AccountId>().is_err(), "{text}");
    }
}

/// The one wording snapshot of the errors in this module.
#[test]
fn invalid_arns_are_refused_with_the_fix() {
    let arn = |partition: &str, region: &str, account: &str, id: &str, user: &str| {
        format!("arn:{partition}:rds-db:{region}:{account}:dbuser:{id}/{user}")
    };
    let account = "123456789012";
    let errors = [
        "arn:aws:rds:eu-west-1:123456789012:db:orders".to_owned(),
        arn("aws", "cn-north-1", account, DB, "u"),
        arn("aws", "*", account, DB, "u"),
        arn("aws", "eu-west-1", "1234-5678-9012", DB, "u"),
        arn("aws", "eu-west-1", account, "*", "u"),
        arn("aws", "eu-west-1", account, "my-database", "u"),
        arn("aws", "eu-west-1", account, DB, ""),
        arn("aws", "eu-west-1", account, DB, "${aws:username}"),
    ]
    .map(|text| {
        let error = text.parse::<RdsDbArn>().unwrap_err();
        rds_iam_report::ErrorReport(&error).to_string()
    });
    insta::assert_snapshot!(errors.join("\n"), @r#"
    "arn:aws:rds:eu-west-1:123456789012:db:orders" is not an ARN for rds-db:connect: write arn:<partition>:rds-db:<region>:<account>:dbuser:<resource-id>/<db-user>
    the ARN's partition "aws" does not have region cn-north-1: write aws-cn
    the ARN's region is wrong: "*" is not a region: expected a name such as eu-west-1 (an availability zone has a letter at its end, a region has not)
    the ARN's account is wrong: "1234-5678-9012" is not an AWS account: give its 12 digits, leading zeros included and without dashes (`aws sts get-caller-identity --query Account --output text` prints them)
    the ARN's resource id is wrong: "*" has a wildcard, which would allow logins to other databases: use one resource id
    the ARN's resource id is wrong: "my-database" is not a resource id: a policy takes the id that AWS gave (db-…, cluster-… or prx-… and letters and digits), not the name that you gave. Instance: DbiResourceId of `aws rds describe-db-instances`, Terraform aws_db_instance.resource_id. Aurora cluster: DbClusterResourceId, aws_rds_cluster.cluster_resource_id. Proxy: the last part of DBProxyArn, aws_db_proxy.arn (its id is the name)
    the ARN's database user is wrong: database user is empty: name the user to log in as
    IAM would read the database user "${aws:username}" as a pattern (*, ? or ${…}) and allow other users too: use one user without these characters
    "#);
    let without_user = format!("arn:aws:rds-db:eu-west-1:{account}:dbuser:{DB}");
    for text in ["", "arn", "arn:aws:rds-db", "arn:aws:s3:::bucket", &without_user] {
        assert!(matches!(text.parse::<RdsDbArn>(), Err(RdsDbArnError::Shape { .. })), "{text}");
    }
    for user in ["*", "a?", "${x}"] {
        let text = arn("aws", "eu-west-1", account, DB, user);
        assert!(matches!(text.parse::<RdsDbArn>(), Err(RdsDbArnError::UserPattern { .. })), "{text}");
    }
}
