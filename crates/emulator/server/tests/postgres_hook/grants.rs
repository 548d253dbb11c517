//! The right to grant roles that members of `rds_superuser` have, and its limits.

use rds_iam_emulator_server::{Postgres, PostgresVersion, only};
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};

use crate::{
    DENIED, Result, accepted, column, login, master, newer, refusal, refused, run, server, token, versions,
};

only!(
    #[tokio::test]
    postgres,
    "the module is PostgreSQL's: MySQL's master user may grant what it needs",
    [
        aws_s_statements_run_word_for_word,
        what_rds_denies_is_denied,
        grants_lead_to_no_role_that_the_user_could_not_have,
        the_right_is_that_of_the_current_user,
        current_user_means_the_user,
        the_hook_gives_the_user_back_after_an_error,
    ],
);

const WHO: &str = "SELECT current_user || ' ' || session_user || ' ' || current_setting('is_superuser')";

const MEMBERS: &str =
    "SELECT member::regrole::text FROM pg_auth_members WHERE roleid = 'rds_iam'::regrole ORDER BY 1";

/// Checks that the session of the master is still that of the master.
async fn is_the_master(connection: &mut PgConnection) -> Result {
    assert_eq!(column(connection, WHO).await?, ["postgres postgres off"]);
    refused(connection, &["CREATE ROLE evil SUPERUSER"], DENIED).await
}

/// Returns a new role's connection.
async fn user(server: &Postgres, name: &str, attributes: &str) -> Result<PgConnection> {
    server
        .as_superuser(format!(
            "CREATE ROLE {name} LOGIN {attributes} PASSWORD 'secret'; GRANT CREATE ON SCHEMA public TO {name}"
        ))
        .await?;
    Ok(login(server, name, "secret").connect().await?)
}

async fn aws_s_statements_run_word_for_word() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        let mut master = master(&server).await?;
        accepted(&mut master, &["CREATE USER db_userx", "GRANT rds_iam TO db_userx"]).await?;
        assert_eq!(refusal(&login(&server, "db_userx", &token(&server, "db_userx")?)).await?, None);

        if version > PostgresVersion::V15 {
            let grantor =
                "SELECT grantor::regrole::text FROM pg_auth_members WHERE roleid = 'rds_iam'::regrole";
            assert_eq!(column(&mut master, grantor).await?, ["rdsadmin"]);
        }
        let more = [
            "CREATE USER a; CREATE USER b; GRANT rds_iam, rds_password TO a, b",
            "GRANT rds_iam TO a WITH ADMIN OPTION",
            "REVOKE ADMIN OPTION FOR rds_iam FROM a",
            "DO $$ BEGIN EXECUTE 'GRANT rds_iam TO a'; END $$",
            "REVOKE rds_iam FROM a, b",
            "GRANT rds_superuser TO a",
            "GRANT pg_monitor TO a",
            "REVOKE rds_iam FROM db_userx",
        ];
        accepted(&mut master, &more).await?;
        assert_eq!(column(&mut master, MEMBERS).await?, [""; 0]);
        is_the_master(&mut master).await?;
    }
    Ok(())
}

async fn what_rds_denies_is_denied() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        let mut master = master(&server).await?;
        accepted(&mut master, &["CREATE USER app", "GRANT rds_iam TO app"]).await?;
        let denied = [
            "GRANT rdsadmin TO app",
            "GRANT rdsadmin TO postgres",
            "GRANT rds_iam, rdsadmin TO app",
            "REVOKE rdsadmin FROM app",
            "GRANT pg_execute_server_program TO app",
            "GRANT pg_read_server_files TO postgres",
            "GRANT rds_password, pg_write_server_files TO app",
            "CREATE ROLE evil IN ROLE pg_execute_server_program",
            "CREATE ROLE evil IN ROLE rdsadmin",
            "GRANT rdsadmin_scram TO postgres",
            "CREATE ROLE evil SUPERUSER",
            "CREATE ROLE evil REPLICATION",
            "CREATE ROLE evil BYPASSRLS",
            "ALTER ROLE app SUPERUSER",
            "ALTER ROLE rdsadmin PASSWORD 'secret'",
            "GRANT rds_iam TO app GRANTED BY rdsadmin",
            "ALTER SYSTEM SET work_mem = 64",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_read_file('postgresql.conf')",
            "SELECT rolpassword FROM pg_authid",
            "LOAD '/tmp/rds_iam_hook.so'",
            "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
        ];
        refused(&mut master, &denied, DENIED).await?;
        // Settings of the server's configuration alone.
        refused(&mut master, &["SET rds.force_ssl = off", "SET rds_iam.control = '/tmp'"], "55P02").await?;
        refused(&mut master, &["SET rds_iam.unknown = 1"], "42602").await?;
        assert_eq!(column(&mut master, MEMBERS).await?, ["app"]);
        assert_eq!(column(&mut master, "SHOW rds.force_ssl").await?, ["on"]);
        is_the_master(&mut master).await?;

        if version > PostgresVersion::V15 {
            let denied = [
                "GRANT rds_iam TO app GRANTED BY postgres",
                "REVOKE rds_iam FROM app GRANTED BY rdsadmin",
                "GRANT rds_iam TO rdsadmin",
                "GRANT rds_iam TO pg_monitor",
                "GRANT rds_iam TO rdsadmin_scram",
                "REVOKE pg_read_all_stats FROM pg_monitor",
            ];
            refused(&mut master, &denied, DENIED).await?;
            refused(&mut master, &["SET rds_iam.creator_edges = count"], "55P02").await?;
        }
    }
    Ok(())
}

async fn grants_lead_to_no_role_that_the_user_could_not_have() -> Result {
    let server = server(newer()?).await?;
    let mut master = master(&server).await?;
    server
        .as_superuser(
            "CREATE ROLE dba; GRANT rdsadmin TO dba; CREATE ROLE dbas; GRANT dba TO dbas WITH INHERIT FALSE, SET FALSE;
             CREATE ROLE files; GRANT pg_read_server_files TO files; CREATE ROLE copies REPLICATION;
             CREATE ROLE rows BYPASSRLS; CREATE ROLE monitors; GRANT pg_monitor TO monitors; CREATE ROLE other",
        )
        .await?;
    let denied = [
        "GRANT dba TO postgres",
        "GRANT dbas TO postgres",
        "GRANT files TO postgres",
        "GRANT copies TO postgres",
        "GRANT rows TO postgres",
        "GRANT other, dbas TO postgres",
    ];
    refused(&mut master, &denied, DENIED).await?;
    let found = "SELECT rolname::text FROM pg_roles WHERE pg_has_role('postgres', oid, 'MEMBER') AND rolname = 'other'";
    assert_eq!(column(&mut master, found).await?, [""; 0], "part of a refused statement was granted");
    accepted(&mut master, &["GRANT other, monitors TO postgres"]).await?;
    is_the_master(&mut master).await
}

async fn the_right_is_that_of_the_current_user() -> Result {
    let server = server(newer()?).await?;
    let mut master = master(&server).await?;
    let mut creator = user(&server, "creator", "CREATEROLE").await?;
    let mut plain = user(&server, "plain", "").await?;
    accepted(&mut master, &["CREATE USER app"]).await?;
    accepted(&mut creator, &["CREATE USER other"]).await?;
    refused(&mut creator, &["GRANT rds_iam TO other", "REVOKE rds_iam FROM other"], DENIED).await?;
    refused(&mut plain, &["GRANT rds_iam TO plain"], DENIED).await?;

    // A function runs with the rights of its owner, however it is called.
    let body = "LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN EXECUTE 'GRANT rds_iam TO app'; END $$";
    accepted(&mut plain, &[&format!("CREATE FUNCTION public.plains() RETURNS void {body}")]).await?;
    server.as_superuser("GRANT CREATE ON SCHEMA public TO postgres").await?;
    accepted(&mut master, &[&format!("CREATE FUNCTION public.masters() RETURNS void {body}")]).await?;
    refused(&mut master, &["SELECT public.plains()"], DENIED).await?;
    assert_eq!(column(&mut master, MEMBERS).await?, [""; 0]);
    accepted(&mut plain, &["SELECT public.masters()"]).await?;
    assert_eq!(column(&mut master, MEMBERS).await?, ["app"]);
    assert_eq!(column(&mut plain, WHO).await?, ["plain plain off"]);

    // So does a session that changed its role.
    accepted(&mut master, &["GRANT plain TO postgres", "SET ROLE plain"]).await?;
    refused(&mut master, &["GRANT rds_iam TO creator"], DENIED).await?;
    accepted(&mut master, &["SET ROLE rds_superuser", "GRANT rds_iam TO creator", "RESET ROLE"]).await?;
    assert_eq!(column(&mut master, MEMBERS).await?, ["app", "creator"]);
    is_the_master(&mut master).await
}

async fn current_user_means_the_user() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        let mut master = master(&server).await?;
        // Its password login is of interest after the transaction alone.
        for name in ["CURRENT_USER", "SESSION_USER", "CURRENT_ROLE"] {
            accepted(&mut master, &["BEGIN", &format!("GRANT rds_iam TO {name}")]).await?;
            assert_eq!(column(&mut master, MEMBERS).await?, ["postgres"], "{name}");
            accepted(&mut master, &[&format!("REVOKE rds_iam FROM {name}")]).await?;
            assert_eq!(column(&mut master, MEMBERS).await?, [""; 0], "{name}");
            accepted(&mut master, &["COMMIT"]).await?;
        }
        // The name in a prepared statement is found at each execution.
        server
            .as_superuser(
                "CREATE ROLE group_of_all; CREATE ROLE app IN ROLE rds_superuser; GRANT app TO postgres",
            )
            .await?;
        let prepared = "GRANT group_of_all TO CURRENT_USER";
        for role in ["app", "rds_superuser", "postgres"] {
            accepted(&mut master, &[&format!("SET ROLE {role}")]).await?;
            // On 15, these two have no right to create roles, and so none to grant them.
            if version > PostgresVersion::V15 || role == "postgres" {
                sqlx::query(prepared).execute(&mut master).await?;
            }
            accepted(&mut master, &["RESET ROLE"]).await?;
        }
        let members = "SELECT member::regrole::text FROM pg_auth_members WHERE roleid = 'group_of_all'::regrole ORDER BY 1";
        let expected: &[&str] = if version > PostgresVersion::V15 {
            &["app", "postgres", "rds_superuser"]
        } else {
            &["postgres"]
        };
        assert_eq!(column(&mut master, members).await?, expected);
        is_the_master(&mut master).await?;
    }
    Ok(())
}

async fn the_hook_gives_the_user_back_after_an_error() -> Result {
    let server = server(newer()?).await?;
    let mut master = master(&server).await?;
    accepted(&mut master, &["CREATE USER app"]).await?;
    for (sql, code) in [
        ("GRANT rds_iam TO nonexistent", "42704"),
        ("GRANT nonexistent TO app", "42704"),
        ("GRANT rds_iam TO PUBLIC", "42704"),
        ("GRANT rds_iam (a) TO app", "0LP01"),
        ("GRANT rds_iam TO rds_iam", "0LP01"),
        ("GRANT rds_iam TO app WITH NONSENSE TRUE", "42601"),
        ("BEGIN READ ONLY; GRANT rds_iam TO app", "25006"),
    ] {
        refused(&mut master, &[sql], code).await?;
        accepted(&mut master, &["ROLLBACK"]).await?;
        is_the_master(&mut master).await?;
    }

    // Within a transaction that goes on.
    accepted(&mut master, &["BEGIN; SAVEPOINT before"]).await?;
    refused(&mut master, &["GRANT rds_iam TO rds_iam"], "0LP01").await?;
    accepted(&mut master, &["ROLLBACK TO before"]).await?;
    assert_eq!(column(&mut master, WHO).await?, ["postgres postgres off"]);
    refused(&mut master, &["CREATE ROLE evil SUPERUSER"], DENIED).await?;
    accepted(&mut master, &["ROLLBACK"]).await?;
    let caught = "DO $$ BEGIN
        BEGIN EXECUTE 'GRANT rds_iam TO rds_iam'; EXCEPTION WHEN invalid_grant_operation THEN NULL; END;
        EXECUTE 'CREATE ROLE evil SUPERUSER';
    END $$";
    refused(&mut master, &[caught], DENIED).await?;

    // After a success, in one string with it.
    let refusal = run(&mut master, "GRANT rds_iam TO app; CREATE ROLE evil SUPERUSER").await?;
    assert_eq!(refusal.map(|(code, _)| code).as_deref(), Some(DENIED));
    assert_eq!(column(&mut master, MEMBERS).await?, [""; 0], "the string is one transaction");
    master.close().await?;
    Ok(())
}
