//! Servers that a run can't use, and declarations that are refused before one is contacted.

use super::support::{Deployment, VERSIONS};
use crate::support::Result;

#[tokio::test]
async fn servers_that_are_not_the_right_one() -> Result {
    let deployment = Deployment::start(VERSIONS[1]).await?;
    // Another certificate authority than the server's; another name; no server at all.
    let mut other_authority = deployment.conf.clone();
    other_authority.ca_bundle = None;
    let mut other_name = deployment.conf.clone();
    other_name.endpoint = "other.c0ffee123456.us-east-1.rds.amazonaws.com:5432".parse()?;
    let mut no_server = deployment.conf.clone();
    no_server.dial = Some("127.0.0.1:1".parse()?);
    for (conf, expected) in [
        (other_authority, "TLS could not be verified"),
        (other_name, "certificate not valid for name \"other.c0ffee123456.us-east-1.rds.amazonaws.com\""),
        (no_server, "the server can't be reached"),
    ] {
        for arguments in [&["--plan"][..], &[]] {
            let failed = deployment.bootstrap_with(&conf, arguments, &[]).await?.expect(1).stderr;
            assert!(
                failed.contains("connecting to the database failed") && failed.contains(expected),
                "{failed}"
            );
        }
    }
    assert_eq!(deployment.server.logins()?.len(), 0, "no secret was sent");
    Ok(())
}

/// There is no package of 14. The server says that it is one, in the function that runs read its version by.
#[tokio::test]
async fn a_version_that_is_too_old() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment
            .as_superuser(&["SET allow_system_table_mods TO on; \
                 CREATE OR REPLACE FUNCTION pg_catalog.current_setting(text) RETURNS text LANGUAGE sql \
                 AS $$ SELECT CASE $1 WHEN 'server_version_num' THEN '140012' END $$"])
            .await?;
        for arguments in [&["--plan"][..], &[]] {
            let failed = deployment.bootstrap(arguments).await?.expect(64).stderr;
            let expected = "the server is PostgreSQL 14.12; expected PostgreSQL 15 or later\n";
            assert!(failed.contains(expected), "{failed}");
        }
        let roles = "SELECT rolname::text FROM pg_roles WHERE rolname IN ('iam_admin', 'app')";
        assert_eq!(deployment.column(roles).await?, Vec::<String>::new());
    }
    Ok(())
}

#[tokio::test]
async fn a_server_without_the_database_of_the_lock() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.as_superuser(&["DROP DATABASE postgres"]).await?;
        let failed = deployment.bootstrap(&[]).await?.expect(1).stderr;
        assert!(failed.contains("error in step 3 of 6: database postgres does not exist\n"), "{failed}");
        assert!(failed.contains("Create it as the master user: CREATE DATABASE \"postgres\";"), "{failed}");
        // A plan takes no lock.
        deployment.bootstrap(&["--plan"]).await?.expect(0);
    }
    Ok(())
}

#[tokio::test]
async fn declarations_that_are_refused_together() -> Result {
    let mut deployment = Deployment::start(VERSIONS[1]).await?;
    deployment.declare(&format!(
        r#"
        [[user]]
        name = "rdsadmin"
        [[user]]
        name = "{}"
        [[user]]
        name = "o'neil"
        host = "10.%"
        settings = {{ role = "postgres", lock_timeout = "soon" }}
        [[user]]
        name = "app"
        grant = [
          {{ privileges = ["SELCT"] }},
          {{ table = "t", privileges = ["ALL"] }},
          {{ schema = "pg_catalog", privileges = ["USAGE"] }},
          {{ database = "rdsadmin", privileges = ["CONNECT"] }},
          {{ schema = "public", privileges = ["GRANT OPTION"] }},
        ]
        [schema]
        owner = "iam_admin"
        statements = ["DROP TABLE t"]
        "#,
        "x".repeat(64)
    ))?;
    let refused = deployment.bootstrap(&[]).await?.expect(64).stderr;
    for reason in [
        "rdsadmin belongs to RDS or PostgreSQL and is never changed",
        "has 64 characters: PostgreSQL allows 63",
        "has the character '\\''",
        "has a host, but PostgreSQL's users have none",
        "the setting \"role\" can't be declared",
        "lock_timeout = \"soon\" is not a time",
        "\"SELCT\" is not a privilege on a table",
        "ALL on a table is refused",
        "schema \"pg_catalog\" belongs to the server itself",
        "database \"rdsadmin\" belongs to the server itself",
        "GRANT OPTION is refused",
        "is the IAM_ADMIN_USER or a declared user",
        "the statement `DROP TABLE t …` is refused",
    ] {
        assert!(refused.contains(reason), "{reason} is not in {refused}");
    }
    assert_eq!(deployment.server.logins()?.len(), 0);
    Ok(())
}
