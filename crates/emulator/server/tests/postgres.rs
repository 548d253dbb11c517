//! Tests of `Postgres` alone, as a child process, on the oldest and the newest version: the server's messages word for
//! word, the master user and its statements, creator memberships, throttling, `rds.force_ssl`, libpam, shared memory.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use aws_credential_types::Credentials;
use rds_iam_emulator_server::{
    AccessKey, CreatorEdges, Error, Postgres, PostgresVersion, Runtime, fixtures, only,
};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};

use self::common::{Result, TestEngine as _, log_in, token, token_of};

only!(
    postgres,
    "PostgreSQL's messages, SQLSTATEs and roles",
    [
        messages_are_rds_s_word_for_word,
        the_master_is_no_superuser,
        aws_s_statements_run_word_for_word,
        throttled_logins_get_53300,
        force_ssl_off_admits_passwords_without_tls,
        a_server_starts_with_force_ssl_off,
    ],
    "the limit of 65,530 bytes is PostgreSQL's; rds-iam-sqlx tests tokens of 40,000 on both engines",
    [a_token_of_sixty_kilobytes_arrives_whole],
    "on MySQL, a login does not depend on memberships: the master user can't be locked out",
    [
        a_master_that_is_a_member_of_rds_iam_is_locked_out_until_it_comes_by_token,
        creator_edges_count_or_do_not,
    ],
    "only PostgreSQL loads a library of the system by its path",
    [the_server_loaded_our_libpam, a_server_with_the_machine_s_libpam_is_refused],
    "only PostgreSQL leaves shared memory, and refuses to run as root",
    [no_shared_memory_stays_behind, it_runs_as_another_user_where_this_one_is_root],
);

/// Returns the oldest supported version, which has other rules for roles than all since 16, and a newer one.
fn versions() -> Result<[PostgresVersion; 2]> {
    Ok([PostgresVersion::V15, newer()?])
}

/// Returns the version of `RDS_IAM_EMULATOR_POSTGRES`, or else the newest.
fn newer() -> Result<PostgresVersion> {
    Ok(PostgresVersion::from_env()?.max(PostgresVersion::V17))
}

/// Returns a server with the database `shop` and the IAM user `app`.
async fn server(version: PostgresVersion) -> Result<Postgres> {
    let builder = Postgres::builder().runtime(Runtime::Process).version(version).database("shop");
    let server = builder.start().await?;
    assert_eq!(server.version(), version);
    fixtures::create_user(&server, "app", "SELECT, INSERT ON shop.*").await?;
    Ok(server)
}

fn without_tls(server: &Postgres, user: &str, secret: &str) -> PgConnectOptions {
    fixtures::login_options(server, user, secret).ssl_mode(PgSslMode::Disable)
}

/// Returns the server's answer to a refused login: SQLSTATE and message.
fn answer(result: sqlx::Result<PgConnection>) -> String {
    let error = result.expect_err("the login is refused");
    let Some(database) = error.as_database_error() else { return error.to_string() };
    format!("{} {}", database.code().unwrap_or_default(), database.message())
}

/// Runs statements as the master user in one session.
async fn as_master(server: &Postgres, sql: &str) -> std::result::Result<(), Error> {
    fixtures::execute(server, [sql]).await
}

async fn master_logs_in_by_password(server: &Postgres) -> bool {
    fixtures::as_master(server).await.is_ok()
}

/// Returns the process of the server, and the run folder.
fn process(server: &Postgres) -> Result<(String, PathBuf)> {
    let run = server.ca_path().ancestors().nth(2).ok_or("no run folder")?.to_owned();
    Ok((fs::read_to_string(run.join("pid"))?.trim().to_owned(), run))
}

async fn messages_are_rds_s_word_for_word() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        server.as_superuser("CREATE ROLE pw_user LOGIN PASSWORD 'right'").await?;
        server.as_superuser("CREATE ROLE bare_user LOGIN").await?;
        let good = token(&server)?;
        log_in(&server, "app", &good).await?.close().await?;
        log_in(&server, "pw_user", "right").await?.close().await?;

        let refused = async |user: &str, secret: &str| answer(log_in(&server, user, secret).await);
        let by_pam = r#"28000 PAM authentication failed for user "app""#;
        assert_eq!(refused("app", &good.replace("X-Amz-Expires=900", "X-Amz-Expires=899")).await, by_pam);
        assert_eq!(refused("app", &token_of(&server, "other", &server.credentials())?).await, by_pam);
        // The longest message that the server reads has 65,535 bytes, with its length and a zero.
        assert_eq!(refused("app", &"x".repeat(60_000)).await, by_pam);
        assert_eq!(refused("app", &"x".repeat(65_530)).await, by_pam);
        let closed = log_in(&server, "app", &"x".repeat(65_531)).await.unwrap_err();
        assert!(closed.as_database_error().is_none(), "{closed:?}");
        assert_eq!(refused("app", "").await, "28P01 empty password returned by client");

        let by_password = |user: &str| format!(r#"28P01 password authentication failed for user "{user}""#);
        assert_eq!(refused("pw_user", "wrong").await, by_password("pw_user"));
        assert_eq!(refused("bare_user", &good).await, by_password("bare_user"));
        assert_eq!(refused("absent", &good).await, by_password("absent"));

        let plain = answer(without_tls(&server, "app", &good).connect().await);
        assert_eq!(
            plain,
            r#"28000 pg_hba.conf rejects connection for host "127.0.0.1", user "app", database "shop", no encryption"#
        );
    }
    Ok(())
}

/// A token with a session token of 45 KB, as of roles with large policies, is longer in the URL's encoding.
async fn a_token_of_sixty_kilobytes_arrives_whole() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        let session: String = "long/".repeat(8_500);
        server.enter_key(AccessKey::new("ASIALONG", "secret").session_token(&session))?;
        let credentials = Credentials::new("ASIALONG", "secret", Some(session), None, "test");
        let long = token_of(&server, "app", &credentials)?;
        assert!((58_000..65_530).contains(&long.len()), "{}", long.len());
        log_in(&server, "app", &long).await?.close().await?;
    }
    Ok(())
}

async fn the_master_is_no_superuser() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        let mut master = fixtures::as_master(&server).await?;
        for sql in [
            "SELECT rolpassword FROM pg_authid",
            "SELECT passwd FROM pg_shadow",
            "SELECT * FROM pg_hba_file_rules",
            "SELECT pg_read_file('/etc/passwd')",
            "ALTER SYSTEM SET work_mem = '8MB'",
            "COPY (SELECT 1) TO PROGRAM 'cat'",
            "CREATE ROLE boss SUPERUSER",
            "CREATE ROLE copier REPLICATION",
            "CREATE ROLE reader BYPASSRLS",
            "ALTER ROLE app NOSUPERUSER",
            "ALTER ROLE rdsadmin PASSWORD 'x'",
            "GRANT rdsadmin TO app",
            "GRANT pg_execute_server_program TO app",
        ] {
            let error = sqlx::Postgres::run(&mut master, sql.into()).await.expect_err(sql);
            assert_eq!(sqlx::Postgres::code(&error).as_deref(), Some("42501"), "{version}: {sql}: {error}");
        }
        for sql in [
            "SELECT rolname FROM pg_roles",
            "SELECT * FROM pg_auth_members",
            "CREATE ROLE maker CREATEROLE",
            "CREATE DATABASE more",
            "CREATE EXTENSION pgcrypto",
            "SET ROLE rds_superuser",
        ] {
            sqlx::Postgres::run(&mut master, sql.into())
                .await
                .map_err(|e| format!("{version}: {sql}: {e}"))?;
        }
    }
    Ok(())
}

async fn aws_s_statements_run_word_for_word() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        as_master(&server, "CREATE USER db_userx; GRANT rds_iam TO db_userx;").await?;
        let by_token = token_of(&server, "db_userx", &server.credentials())?;
        log_in(&server, "db_userx", &by_token).await?.close().await?;
        assert!(master_logs_in_by_password(&server).await, "{version}");
    }
    Ok(())
}

async fn a_master_that_is_a_member_of_rds_iam_is_locked_out_until_it_comes_by_token() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        as_master(&server, "GRANT rds_iam TO postgres").await?;
        let refused = answer(log_in(&server, "postgres", server.master().password()).await);
        assert_eq!(refused, r#"28000 PAM authentication failed for user "postgres""#);
        let mut master =
            log_in(&server, "postgres", &token_of(&server, "postgres", &server.credentials())?).await?;
        sqlx::Postgres::run(&mut master, "REVOKE rds_iam FROM postgres".into()).await?;
        assert!(master_logs_in_by_password(&server).await, "{version}");
    }
    Ok(())
}

async fn creator_edges_count_or_do_not() -> Result {
    let builder = Postgres::builder().runtime(Runtime::Process).version(newer()?);
    let server = builder.creator_edges(CreatorEdges::Count).start().await?;
    as_master(&server, "CREATE USER db_userx; GRANT rds_iam TO db_userx;").await?;
    assert!(!master_logs_in_by_password(&server).await);
    server.set_creator_edges(CreatorEdges::DoNotCount).await?;
    assert!(master_logs_in_by_password(&server).await);
    server.set_creator_edges(CreatorEdges::Count).await?;
    assert!(!master_logs_in_by_password(&server).await);

    let old = Postgres::builder().runtime(Runtime::Process).version(PostgresVersion::V15).start().await?;
    let error = old.set_creator_edges(CreatorEdges::Count).await.unwrap_err().to_string();
    assert!(error.ends_with("PostgreSQL 15 makes none: start PostgreSQL 16 or later"), "{error}");
    Ok(())
}

async fn throttled_logins_get_53300() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        let good = token(&server)?;
        server.throttle_next(2)?;
        for _ in 0..2 {
            let refused = answer(log_in(&server, "app", &good).await);
            assert_eq!(refused, "53300 IAM authentication rate limit exceeded");
        }
        log_in(&server, "app", &good).await?.close().await?;
        server.throttle_next(5)?;
        server.throttle_next(0)?;
        log_in(&server, "app", &good).await?.close().await?;
    }
    Ok(())
}

async fn force_ssl_off_admits_passwords_without_tls() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        let plain = without_tls(&server, "postgres", server.master().password());
        assert!(answer(plain.connect().await).starts_with("28000 pg_hba.conf rejects connection"));
        server.set_force_ssl(false).await?;
        let mut master = plain.connect().await?;
        assert_eq!(sqlx::Postgres::text(&mut master, "SHOW rds.force_ssl".into()).await?, "off");
        // Members of rds_iam need TLS still, whatever they send.
        server.as_superuser("ALTER ROLE app PASSWORD 'a password'").await?;
        for password in [token(&server)?.as_str(), "a password"] {
            let refused = answer(without_tls(&server, "app", password).connect().await);
            assert!(refused.starts_with("28000 pg_hba.conf rejects connection"), "{refused}");
        }
        server.set_force_ssl(true).await?;
        assert!(answer(plain.connect().await).starts_with("28000 pg_hba.conf rejects connection"));
    }
    Ok(())
}

async fn a_server_starts_with_force_ssl_off() -> Result {
    let server = Postgres::builder().force_ssl(false).start().await?;
    let plain = without_tls(&server, "postgres", server.master().password());
    let mut master = plain.connect().await?;
    assert_eq!(sqlx::Postgres::text(&mut master, "SHOW rds.force_ssl".into()).await?, "off");
    Ok(())
}

async fn the_server_loaded_our_libpam() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        let (pid, run) = process(&server)?;
        let map = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let ours = run.join("pam/libpam.so.0").display().to_string();
        let pams: Vec<&str> = map.lines().filter(|line| line.contains("libpam")).collect();
        assert!(!pams.is_empty() && pams.iter().all(|line| line.ends_with(&ours)), "{pams:?}");
    }
    Ok(())
}

async fn a_server_with_the_machine_s_libpam_is_refused() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        let (_, run) = process(&server)?;
        server.stop().await?;
        fs::remove_file(run.join("pam/libpam.so.0"))?;
        let Err(Error::NotReady { reason, log, .. }) = server.restart().await else {
            return Err("it is ready".into());
        };
        // Without a libpam on the machine, it does not even start.
        let foreign = reason.starts_with("it loaded /") && reason.contains("/libpam.so.0");
        assert!(foreign || log.contains("libpam.so.0: cannot open shared object file"), "{reason}\n{log}");
    }
    Ok(())
}

/// The segments of System V's shared memory that this process made.
fn segments(pid: &str) -> Result<usize> {
    let all = fs::read_to_string("/proc/sysvipc/shm")?;
    Ok(all.lines().filter(|line| line.split_whitespace().nth(4) == Some(pid)).count())
}

async fn no_shared_memory_stays_behind() -> Result {
    let server = server(newer()?).await?;
    let (first, _) = process(&server)?;
    assert_eq!(segments(&first)?, 1, "it has a segment");
    server.stop().await?;
    assert_eq!(segments(&first)?, 0);
    server.restart().await?;
    let (second, _) = process(&server)?;
    assert_eq!(segments(&second)?, 1);
    drop(server);
    assert_eq!(segments(&second)?, 0);
    Ok(())
}

/// PostgreSQL refuses to run as root.
async fn it_runs_as_another_user_where_this_one_is_root() -> Result {
    let own = fs::metadata("/proc/self")?.uid();
    let server = server(newer()?).await?;
    let (pid, run) = process(&server)?;
    let expected = if own == 0 { 65534 } else { own };
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let uids = format!("Uid:\t{expected}\t{expected}\t{expected}\t{expected}\n");
    assert!(status.contains(&uids), "{status}");
    let outer = run.parent().ok_or("no folder around it")?;
    assert_eq!(fs::metadata(outer)?.uid(), expected);
    Ok(())
}
