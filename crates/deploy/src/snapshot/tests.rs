//! Tests of snapshots: against prepared answers, and of a cluster against the emulated account.

use rds_iam_emulator_account::AwsApi;

use super::*;
use crate::aws::CallErrorKind;
use crate::aws::test_client::{TestClient, clock};
use crate::test_progress::Progress;

/// The words that differ between the two kinds of databases in the RDS API.
struct Words {
    database: fn(String) -> Database,
    describe: &'static str,
    create: &'static str,
    /// The element of a snapshot; with `s`, of the list.
    snapshot: &'static str,
    identifier: &'static str,
    not_found: &'static str,
    exists: &'static str,
}

const INSTANCE: Words = Words {
    database: Database::Instance,
    describe: "DescribeDBSnapshots",
    create: "CreateDBSnapshot",
    snapshot: "DBSnapshot",
    identifier: "DBInstanceIdentifier",
    not_found: "DBSnapshotNotFound",
    exists: "DBSnapshotAlreadyExists",
};

const CLUSTER: Words = Words {
    database: Database::Cluster,
    describe: "DescribeDBClusterSnapshots",
    create: "CreateDBClusterSnapshot",
    snapshot: "DBClusterSnapshot",
    identifier: "DBClusterIdentifier",
    not_found: "DBClusterSnapshotNotFoundFault",
    exists: "DBClusterSnapshotAlreadyExistsFault",
};

impl Words {
    async fn create(&self, aws: &TestClient) -> Result<Snapshot, SnapshotError> {
        let database = (self.database)("orders-dev".to_owned());
        create_snapshot(&aws.config(), &clock(), &database, "final").await
    }

    fn error(code: &str) -> String {
        format!("<ErrorResponse><Error><Code>{code}</Code><Message>x</Message></Error></ErrorResponse>")
    }

    fn created(&self) -> String {
        format!("<{0}Response><{0}Result/></{0}Response>", self.create)
    }

    fn snapshot(&self, status: &str, percent: u8, database: &str) -> String {
        let Self { describe, snapshot, identifier, .. } = self;
        format!(
            "<{describe}Response><{describe}Result><{snapshot}s><{snapshot}>\
             <{snapshot}Identifier>final</{snapshot}Identifier><{identifier}>{database}</{identifier}>\
             <Status>{status}</Status><PercentProgress>{percent}</PercentProgress>\
             <{snapshot}Arn>arn:final</{snapshot}Arn></{snapshot}></{snapshot}s></{describe}Result></{describe}Response>"
        )
    }
}

#[tokio::test]
async fn a_snapshot_is_created_once() {
    for words in [INSTANCE, CLUSTER] {
        let Words { describe, create, snapshot, identifier, .. } = words;
        let aws = TestClient::new();
        aws.on(describe, 404, Words::error(words.not_found))
            .on(create, 200, words.created())
            // Not in the list at once.
            .on(describe, 404, Words::error(words.not_found))
            .on(describe, 200, words.snapshot("creating", 0, "orders-dev"))
            // The connection to AWS is lost for a moment.
            .on(describe, 0, "")
            .on(describe, 200, words.snapshot("creating", 40, "orders-dev"))
            .on(describe, 200, words.snapshot("creating", 40, "orders-dev"))
            .on(describe, 200, words.snapshot("available", 100, "orders-dev"));
        let progress = Progress::capture();
        let expected = Snapshot { arn: "arn:final".to_owned(), existed: false };
        assert_eq!(words.create(&aws).await.unwrap(), expected);
        assert_eq!(progress.lines(), ["snapshot final: 0 %", "snapshot final: 40 %"]);
        let requests = aws.requests(create);
        for part in [format!("&{snapshot}Identifier=final"), format!("&{identifier}=orders-dev")] {
            assert!(requests[0].contains(&part), "{part}: {requests:?}");
        }
        let again = words.create(&aws).await.unwrap();
        assert_eq!(again, Snapshot { existed: true, ..expected });
        assert_eq!(aws.requests(create).len(), 1);
    }
}

#[tokio::test]
async fn errors_name_the_fix() {
    let mut by_kind = Vec::new();
    for words in [INSTANCE, CLUSTER] {
        let mut errors = Vec::new();
        for answer in [
            words.snapshot("available", 100, "other"),
            words.snapshot("failed", 0, "orders-dev"),
            words.snapshot("creating", 5, "orders-dev"),
        ] {
            let aws = TestClient::new();
            aws.on(words.describe, 200, answer);
            errors.push(words.create(&aws).await.unwrap_err().to_string());
            assert_eq!(aws.requests(words.create).len(), 0);
        }
        let aws = TestClient::new();
        aws.on(words.describe, 200, words.snapshot("creating", 5, "orders-dev"))
            .on(words.describe, 200, words.snapshot("creating", 5, "orders-dev"))
            .on(words.describe, 404, Words::error(words.not_found));
        errors.push(words.create(&aws).await.unwrap_err().to_string());
        assert_eq!(aws.operations().len(), 3, "{:?}", aws.operations());
        by_kind.push(errors.join("\n"));
    }
    assert_eq!(by_kind[0], by_kind[1]);
    insta::assert_snapshot!(by_kind[1], @"
    the snapshot final already exists, of the database other: choose another name
    the snapshot final has the status failed: delete it and retry
    the snapshot final is not finished after 100 minutes: run the same command again to keep waiting
    the snapshot final was deleted while it was being created: retry
    ");
}

/// The SDK repeats a request without an answer, and AWS refuses the repetition.
#[tokio::test]
async fn a_snapshot_that_another_attempt_requested_is_the_same_one() {
    for words in [INSTANCE, CLUSTER] {
        for (database, is_ours) in [("Orders-Dev", true), ("other", false)] {
            let aws = TestClient::new();
            aws.on(words.describe, 404, Words::error(words.not_found))
                .on(words.create, 400, Words::error(words.exists))
                .on(words.describe, 200, words.snapshot("available", 100, database));
            match words.create(&aws).await {
                Ok(snapshot) => assert!(is_ours && snapshot.existed, "{database}: {snapshot:?}"),
                Err(SnapshotError::OtherDatabase { database, .. }) => {
                    assert!(!is_ours && database == "other");
                }
                Err(error) => panic!("{database}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    for words in [INSTANCE, CLUSTER] {
        let aws = TestClient::new();
        aws.on(words.describe, 403, Words::error("AccessDenied"));
        let describe = words.create(&aws).await.unwrap_err().to_string();
        aws.replace(words.describe, 404, Words::error(words.not_found)).on(
            words.create,
            403,
            Words::error("AccessDenied"),
        );
        let create = words.create(&aws).await.unwrap_err().to_string();
        for (error, action) in [(describe, words.describe), (create, words.create)] {
            let expected = format!("denied (AccessDenied): allow rds:{action} in the caller's role");
            assert!(error.ends_with(&expected), "{error}");
        }
    }
}

/// The account's answers in place of prepared ones: the error codes are AWS's, and a snapshot has its cluster's tags.
#[tokio::test]
async fn a_snapshot_of_a_cluster_has_its_tags_and_outlives_it() {
    let api = AwsApi::start().await.unwrap();
    let aws = api.sdk_config();
    let rds = Client::new(&aws);
    let tag = aws_sdk_rds::types::Tag::builder().key("Project").value("orders").build();
    let make = |name: &str| {
        rds.create_db_cluster()
            .db_cluster_identifier(name)
            .engine("aurora-postgresql")
            .master_username("dbadmin")
            .manage_master_user_password(true)
            .copy_tags_to_snapshot(true)
            .tags(tag.clone())
            .send()
    };
    make("orders-dev").await.unwrap();
    make("orders-prod").await.unwrap();
    let take = |database: &str, name: &'static str| {
        let database = Database::Cluster(database.to_owned());
        let aws = aws.clone();
        async move { create_snapshot(&aws, &clock(), &database, name).await }
    };
    let taken = take("orders-dev", "orders-dev-final").await.unwrap();
    assert_eq!(taken.arn, "arn:aws:rds:us-east-1:123456789012:cluster-snapshot:orders-dev-final");
    assert!(!taken.existed);
    assert!(take("orders-dev", "orders-dev-final").await.unwrap().existed);
    let other = take("orders-prod", "orders-dev-final").await.unwrap_err();
    assert!(
        matches!(&other, SnapshotError::OtherDatabase { database, .. } if database == "orders-dev"),
        "{other}"
    );

    let deleted =
        rds.delete_db_cluster().db_cluster_identifier("orders-dev").skip_final_snapshot(true).send();
    deleted.await.unwrap();
    let described =
        rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier("orders-dev-final").send();
    let described = described.await.unwrap();
    assert_eq!(described.db_cluster_snapshots()[0].tag_list(), [tag]);

    let gone = take("orders-dev", "orders-dev-later").await.unwrap_err();
    let SnapshotError::Call(gone) = gone else { panic!("{gone}") };
    assert_eq!(gone.operation, "create the snapshot orders-dev-later of orders-dev");
    assert!(
        matches!(&gone.kind, CallErrorKind::Service { code } if code == "DBClusterNotFoundFault"),
        "{gone}"
    );
    let left = rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier("orders-dev-later").send();
    assert!(left.await.is_err());
}
