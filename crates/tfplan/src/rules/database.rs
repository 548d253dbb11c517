//! Databases: private, encrypted, and with IAM authentication.

use super::{Plan, Rule, Verdicts};
use crate::document::ResourceChange;

pub(super) const PUBLIC: Rule = Rule {
    id: "RDSIAM005",
    name: "public-database",
    description: "A database has an address on the internet.",
    help: "With publicly_accessible = true a database gets a public address, and its security group is all \
           that stands between it and everyone. Where it is not set on an Aurora instance, AWS decides by the \
           subnets. Set publicly_accessible = false; people reach it through a tunnel.",
    severity: "9.0",
    check: public,
};

pub(super) const AUTHENTICATION: Rule = Rule {
    id: "RDSIAM006",
    name: "database-without-iam-authentication",
    description: "A database does not take logins by IAM.",
    help: "Without iam_database_authentication_enabled = true the server refuses every token, and long-lived \
           passwords are what remains. This holds behind a proxy that logs in by secret too: switched on, it changes \
           no login by password, and the administrator that creates database users logs in by token.",
    severity: "5.0",
    check: authentication,
};

pub(super) const ENCRYPTION: Rule = Rule {
    id: "RDSIAM007",
    name: "database-without-encryption",
    description: "A database's storage is not encrypted.",
    help: "Set storage_encrypted = true. It cannot be changed later: an existing database is encrypted by \
           restoring a snapshot of it that was copied with encryption. A replica takes it from its source.",
    severity: "6.0",
    check: encryption,
};

fn public<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    for database in plan.resources(&["aws_db_instance", "aws_rds_cluster_instance", "aws_rds_cluster"]) {
        let setting = database.after().get("publicly_accessible");
        if setting.bool() == Some(true) {
            let remedy = "set publicly_accessible = false, and reach it through a tunnel";
            verdicts.refuse(database, "publicly_accessible is true", remedy);
        } else if setting.is_unknown() {
            verdicts.unchecked(
                database,
                if plan.sets(database, "publicly_accessible") {
                    "publicly_accessible is known only after apply"
                } else {
                    "publicly_accessible is not set, so AWS decides by the subnets: set it to false"
                },
            );
        }
    }
}

fn authentication<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    require(plan, verdicts, "iam_database_authentication_enabled");
}

fn encryption<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>) {
    require(plan, verdicts, "storage_encrypted");
}

/// Refuses instances and clusters where a setting is not `true`.
fn require<'a>(plan: &'a Plan, verdicts: &mut Verdicts<'a>, attribute: &str) {
    for database in plan.resources(&["aws_db_instance", "aws_rds_cluster"]) {
        let setting = database.after().get(attribute);
        let source = ["replicate_source_db", "replication_source_identifier"];
        let is_replica = || {
            source.iter().any(|name| {
                let source = database.after().get(name);
                source.is_unknown() && plan.sets(database, name)
                    || source.str().is_some_and(|text| !text.is_empty())
            })
        };
        let computed =
            setting.is_unknown() && !plan.sets(database, attribute) && plan.block(database).is_some();
        if computed && attribute == "storage_encrypted" && !is_copy(plan, database) {
            // Which a new cluster's storage then is not; the provider shows no default of it.
            verdicts.refuse(database, "storage_encrypted is not set", "set storage_encrypted = true");
        } else if setting.is_unknown() {
            verdicts.unchecked(database, format!("{attribute} is known only after apply"));
        } else if setting.is_null() && attribute == "storage_encrypted" && is_replica() {
            verdicts.unchecked(database, "whether storage is encrypted is as it is at the replica's source");
        } else if setting.bool() != Some(true) {
            verdicts.refuse(database, format!("{attribute} is not true"), format!("set {attribute} = true"));
        }
    }
}

/// Whether a database is made from another one, or from a snapshot, and is encrypted as that is.
fn is_copy(plan: &Plan, database: &ResourceChange) -> bool {
    const SOURCES: [&str; 7] = [
        "global_cluster_identifier",
        "replicate_source_db",
        "replication_source_identifier",
        "restore_to_point_in_time",
        "s3_import",
        "snapshot_identifier",
        "source_region",
    ];
    SOURCES.iter().any(|name| {
        let source = database.after().get(name);
        let given = source.str().is_some_and(|text| !text.is_empty()) || source.items().next().is_some();
        given || source.has_unknown() && plan.sets(database, name)
    })
}
