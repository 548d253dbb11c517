//! Tests of what PostgreSQL alone does: refusals without a reason, transactions that may only read, limits of connections,
//! and variables of the environment.
//!
//! Only PostgreSQL: libpq's variables, which a child process reads; the lists of `only!` have the reasons of the others.

use std::process::Command;
use std::time::Duration;

use aws_credential_types::Credentials;
use rds_iam_emulator_server::fixtures::{self, SkewedClock, until};
use rds_iam_emulator_server::{AccessKey, Postgres, only};
use rds_iam_sqlx::{Credential, Error, PgPool, connect, connect_confirmed};
use rds_iam_token::{Clock, ErrorKind, ErrorReport, Minter, TokenSource};
use sqlx::postgres::PgListener;
use sqlx::{Connection as _, Row as _};

use crate::support::{DATABASE, TestEngine, builder, login, pool, quiet, target, tokens};
use crate::{code, refused, scalar};

only!(
    #[tokio::test]
    postgres,
    "MySQL refuses a login with a number that has one meaning; 28000 has two",
    [
        a_confirmed_denial_costs_one_login,
        a_restarting_server_is_unreachable_not_denied,
        a_caller_whose_time_is_over_does_not_wait_for_the_confirmation,
    ],
    "MySQL has another number for a write in a transaction that may only read, and no such default for a role or database",
    [
        a_read_only_transaction_is_no_read_only_server,
        a_read_only_session_or_role_is_no_read_only_server_and_a_database_is,
    ],
    "the SQLSTATE and the hint; field.rs has MySQL's numbers",
    [a_limit_of_connections_is_reported_with_its_code],
    "MySQL has one error for a database that does not exist and one that the user may not use",
    [a_database_that_the_user_may_not_connect_to_is_no_problem_of_the_token],
    "MySQL's driver reads no variables",
    [every_variable_of_libpq_is_overridden_or_refused],
    "the server limits passwords to 65,535 bytes; field.rs tests tokens of 40,000 on both engines",
    [a_token_of_60_kilobytes_gets_in],
    "sqlx asks PostgreSQL for the names of types that it does not know",
    [a_type_of_the_database_is_read_without_a_cache],
    "LISTEN and COPY are PostgreSQL's",
    [a_listener_outlives_its_connection_and_its_token, rows_are_copied],
);

async fn server() -> Postgres {
    <sqlx::Postgres as TestEngine>::server().await
}

fn logins(server: &Postgres) -> usize {
    server.logins().unwrap().len()
}

async fn a_type_of_the_database_is_read_without_a_cache() {
    let server = server().await;
    fixtures::execute(&server, ["CREATE TYPE mood AS ENUM ('fine')"]).await.unwrap();
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet().statement_cache(0));
    for _ in 0..2 {
        let row = sqlx::query("SELECT 'fine'::mood").fetch_one(&pool).await.unwrap();
        assert_eq!(row.get_unchecked::<String, _>(0), "fine");
    }
}

async fn a_confirmed_denial_costs_one_login() {
    let server = server().await;
    server.allow_users(["another_user"]).unwrap();
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    assert_eq!(refused(&pool).await.kind(), ErrorKind::Denied);
    assert_eq!((logins(&server), pool.stats().remints_after_refusal), (2, 1));
    for attempt in 1..=3 {
        let error = refused(&pool).await;
        assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Denied, "28000"), "{error:?}");
        assert!(error.hint().contains("GRANT rds_iam"), "{}", error.hint());
        assert_eq!(logins(&server), 2 + attempt);
    }
    let failures = pool.stats().failures;
    assert_eq!((failures.unreachable, failures.denied), (1, 4));
    // Until a login succeeds: then the next refusal is the first again.
    server.allow_users(["app"]).unwrap();
    let held = pool.acquire().await.unwrap();
    server.refuse_next(1).unwrap();
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.stats().failures.denied, 4);
    drop(held);
}

async fn a_restarting_server_is_unreachable_not_denied() {
    let server = server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    server.refuse_next(1).unwrap();
    assert_eq!(scalar(&pool, "SELECT current_user::text").await.unwrap(), "app");
    let failures = pool.stats().failures;
    assert_eq!((failures.unreachable, failures.denied), (1, 0));

    // One connection: the first refusal is unreachable, and a second attempt is made on demand.
    let (target, tokens) =
        (target(&server, server.dial()).database(DATABASE), tokens(&server, &SkewedClock::default()));
    let token = tokens.token().await.unwrap();
    server.refuse_next(1).unwrap();
    let user = "app".parse().unwrap();
    let error = connect::<sqlx::Postgres>(&target, &user, Credential::Token(&token)).await.unwrap_err();
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Unreachable, "28000"), "{error:?}");
    assert!(error.hint().contains("restarts"), "{}", error.hint());
    server.refuse_next(1).unwrap();
    connect_confirmed::<sqlx::Postgres>(&target, &tokens).await.unwrap().close().await.unwrap();
    server.refuse_next(2).unwrap();
    let error = connect_confirmed::<sqlx::Postgres>(&target, &tokens).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
}

async fn a_caller_whose_time_is_over_does_not_wait_for_the_confirmation() {
    let server = server().await;
    server.allow_users(["another_user"]).unwrap();
    // As long as the confirmation waits: none of it is left after a login.
    let limits = quiet().acquire_timeout(Duration::from_secs(1));
    let pool = pool(&server, &SkewedClock::default(), server.dial(), limits);
    let error = refused(&pool).await;
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Unreachable, "28000"), "{error:?}");
    assert_eq!(logins(&server), 1);
}

async fn a_read_only_transaction_is_no_read_only_server() {
    let server = server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
    let mut transaction = pool.begin().await.unwrap();
    sqlx::raw_sql("SET TRANSACTION READ ONLY").execute(&mut *transaction).await.unwrap();
    let error = sqlx::raw_sql("INSERT INTO t VALUES (1)").execute(&mut *transaction).await.unwrap_err();
    let error = pool.explain(error);
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::ReadOnly, "25006"));
    drop(transaction);
    // The pool asks the connection, and keeps it. The next statement waits for that.
    sqlx::query("INSERT INTO t VALUES ($1)").bind(1).execute(&pool).await.unwrap();
    // As text, and its end is forgotten.
    let sql = "BEGIN READ ONLY; INSERT INTO t VALUES (2)";
    assert!(sqlx::raw_sql(sql).execute(&pool).await.is_err());
    sqlx::query("INSERT INTO t VALUES ($1)").bind(2).execute(&pool).await.unwrap();
    assert!(!pool.is_read_only().await.unwrap());
    assert_eq!((pool.stats().connects, pool.stats().read_only_since), (1, None));
    assert_eq!(logins(&server), 1);
}

async fn a_read_only_session_or_role_is_no_read_only_server_and_a_database_is() {
    let server = server().await;
    // Returns whether the pool takes the server of a refused write for a reader, and the connections that it has opened then.
    let refused_write = async |in_session: &'static str| {
        let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
        sqlx::raw_sql(in_session).execute(&pool).await.unwrap();
        let error = sqlx::raw_sql("INSERT INTO t VALUES (1)").execute(&pool).await.unwrap_err();
        assert_eq!(code(&pool.explain(error)), "25006");
        // Waits for the answer, because there is no other connection.
        let is_reader = pool.is_read_only().await.unwrap();
        assert_eq!(pool.stats().read_only_since.is_some(), is_reader);
        (is_reader, pool.stats().connects)
    };
    for sql in
        ["SET default_transaction_read_only = on", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"]
    {
        assert_eq!(refused_write(sql).await, (false, 1), "{sql}");
    }
    for (who, is_reader, connects) in [
        ("ROLE app", false, 1),
        ("ROLE app IN DATABASE shop", false, 1),
        ("DATABASE shop", true, 2),
        ("ROLE ALL", true, 2),
    ] {
        server.as_superuser(&format!("ALTER {who} SET default_transaction_read_only = on")).await.unwrap();
        assert_eq!(refused_write("SELECT 1").await, (is_reader, connects), "{who}");
        server.as_superuser(&format!("ALTER {who} RESET default_transaction_read_only")).await.unwrap();
    }
}

async fn a_limit_of_connections_is_reported_with_its_code() {
    let server = server().await;
    server.as_superuser("ALTER ROLE app CONNECTION LIMIT 1").await.unwrap();
    let limits = quiet().acquire_timeout(Duration::from_secs(5));
    let pool = pool(&server, &SkewedClock::default(), server.dial(), limits);
    let held = pool.acquire().await.unwrap();
    let error = refused(&pool).await;
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Throttled, "53300"), "{error:?}");
    assert!(error.hint().contains("CONNECTION LIMIT"), "{}", error.hint());
    drop(held);
    server.as_superuser("ALTER ROLE app NOLOGIN").await.unwrap();
    server.cut_connections().await.unwrap();
    drop(scalar(&pool, "SELECT current_user::text").await);
    assert_eq!(refused(&pool).await.kind(), ErrorKind::Denied);
}

async fn a_database_that_the_user_may_not_connect_to_is_no_problem_of_the_token() {
    let server = server().await;
    server.as_superuser("REVOKE CONNECT ON DATABASE shop FROM PUBLIC").await.unwrap();
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet());
    let error = refused(&pool).await;
    assert_eq!((error.kind(), code(&error).as_str()), (ErrorKind::Denied, "42501"), "{error:?}");
    assert!(error.hint().contains("GRANT CONNECT ON DATABASE"), "{}", error.hint());
    assert_eq!((logins(&server), pool.stats().remints_after_refusal), (1, 0));
}

async fn every_variable_of_libpq_is_overridden_or_refused() {
    let server = server().await;
    let keys = server.credentials();
    let dsn = format!(
        "postgresql://app@{}/{DATABASE}?dial={}&region={}&sslrootcert={}",
        server.endpoint(),
        server.dial(),
        server.region(),
        server.ca_path().display()
    );
    let run = |variables: &[(&str, &str)]| {
        #[expect(clippy::disallowed_methods, reason = "the program under test, in an environment of its own")]
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "--nocapture", "postgresql::opens_and_prints_the_session"]);
        child.env("AWS_EC2_METADATA_DISABLED", "true").env("TEST_DSN", &dsn);
        child.env("AWS_ACCESS_KEY_ID", keys.access_key_id());
        child.env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key());
        child.env("AWS_SESSION_TOKEN", keys.session_token().unwrap());
        let output = child.envs(variables.iter().copied()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let overridden = [
        ("PGHOST", "elsewhere.example.com"),
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGPORT", "1"),
        ("PGUSER", "postgres"),
        ("PGPASSWORD", "hunter2"),
        ("PGDATABASE", "postgres"),
        ("PGSSLMODE", "disable"),
        ("PGSSLROOTCERT", "/nonexistent"),
        ("PGAPPNAME", "another"),
        ("PGPASSFILE", "/nonexistent"),
    ];
    let text = run(&overridden);
    assert!(text.contains("session: app shop rds-iam-sqlx t"), "{text}");
    for name in ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"] {
        let text = run(&[(name, "-c work_mem=1MB")]);
        let expected = format!("refused: the pool can't be created: environment: {name} is set");
        assert!(text.contains(&expected) && !text.contains("work_mem"), "{text}");
    }
}

#[tokio::test]
#[ignore = "run by every_variable_of_libpq_is_overridden_or_refused"]
async fn opens_and_prints_the_session() {
    let dsn = std::env::var("TEST_DSN").expect("a test above runs this one");
    let pool = match PgPool::connect(&dsn).await {
        Ok(pool) => pool,
        Err(error) => return println!("refused: {}", ErrorReport(&error)),
    };
    let sql = "SELECT concat_ws(' ', current_user, current_database(), current_setting('application_name'), ssl) FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    println!("session: {}", scalar(&pool, sql).await.unwrap());
}

async fn a_token_of_60_kilobytes_gets_in() {
    let server = server().await;
    let session_token = "IQoJb3JpZ2luX2VjE+/=".repeat(46_000 / 20);
    server.enter_key(AccessKey::new("AKID60", "secret").session_token(&session_token)).unwrap();
    let keys = Credentials::new("AKID60", "secret", Some(session_token), None, "test");
    let tokens = TokenSource::lazy(Minter::new(login(&server), keys, Clock::system()));
    assert!(tokens.token().await.unwrap().expose().len() > 59_000);
    let pool = builder(&server, tokens, quiet()).connect().await.unwrap();
    assert_eq!(scalar(&pool, "SELECT current_user::text").await.unwrap(), "app");
}

async fn a_listener_outlives_its_connection_and_its_token() {
    let (server, time) = (server().await, SkewedClock::default());
    time.set(-600);
    let tokens = tokens(&server, &time);
    let pool = builder(&server, tokens.clone(), quiet()).connect().await.unwrap();
    let mut listener = PgListener::connect_with(pool.sqlx()).await.unwrap();
    listener.listen("orders").await.unwrap();

    // The token of its login expires, and the pool has a new one.
    let old = tokens.token().await.unwrap();
    time.set(0);
    server.set_clock(305).unwrap();
    tokens.replace(&old).await.unwrap();
    assert!(server.cut_connections().await.unwrap() >= 1);
    let lost = pool.explain(listener.recv().await.unwrap_err());
    assert_eq!((lost.kind(), code(&lost).as_str()), (ErrorKind::Unreachable, "57P01"), "{lost:?}");
    drop(scalar(&pool, "SELECT current_user::text").await);
    let receiving = tokio::spawn(async move { (listener.recv().await, listener) });
    until("what is sent arrives", async || {
        // What is sent before it listens again is lost.
        drop(scalar(&pool, "SELECT pg_notify('orders', 'shipped')::text").await);
        receiving.is_finished()
    })
    .await;
    let (received, mut listener) = receiving.await.unwrap();
    assert_eq!(received.unwrap().payload(), "shipped");

    // Without the pool's retries, a refused login is denied at once.
    server.allow_users(["another_user"]).unwrap();
    server.cut_connections().await.unwrap();
    let refused = loop {
        match listener.recv().await.map_err(Error::from) {
            Err(error) if code(&error) != "57P01" => break error,
            _ => {}
        }
    };
    assert_eq!((refused.kind(), code(&refused).as_str()), (ErrorKind::Denied, "28000"), "{refused:?}");
}

async fn rows_are_copied() {
    let server = server().await;
    let pool = pool(&server, &SkewedClock::default(), server.dial(), quiet().max_connections(1));
    let mut connection = pool.acquire().await.unwrap();
    let mut copy = connection.sqlx().copy_in_raw("COPY t FROM STDIN (FORMAT csv)").await.unwrap();
    copy.send(&b"1\n2\n3\n"[..]).await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 3);
    drop(connection);
    assert_eq!(scalar(&pool, "SELECT SUM(id)::text FROM t").await.unwrap(), "6");
    assert_eq!(pool.stats().connects, 1);
}
