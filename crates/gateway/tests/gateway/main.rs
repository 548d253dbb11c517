//! The auth proxy between real drivers and real servers that check tokens.

mod ends;
mod refusals;
mod support;

use rds_iam_emulator_server::fixtures::SkewedClock;
use rds_iam_emulator_server::on_each_engine;
use rds_iam_gateway::{Address, UserRule};
use sqlx::{ConnectOptions as _, Connection as _, Executor};
use support::{TestEngine, both, connect, password, run, server, target, text};

on_each_engine![
    a_client_without_a_password_is_logged_in_by_token,
    statements_of_any_kind_and_rows_of_any_size_pass,
    a_socket_serves_its_own_user,
    a_local_password_is_demanded,
    another_session_stops_a_statement,
    a_hundred_clients_at_once_share_a_token,
    the_client_s_name_is_ignored_where_that_was_asked_for,
];

async fn a_client_without_a_password_is_logged_in_by_token<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, gateway) = both::<DB>().await;
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    assert_eq!(text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap(), DB::APP);
    client.close().await.unwrap();
    let logins = server.logins().unwrap();
    assert!(logins.len() == 1 && logins[0].code().is_none(), "{logins:?}");
}

async fn statements_of_any_kind_and_rows_of_any_size_pass<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (_server, gateway) = both::<DB>().await;
    let mut client = connect::<DB>(&gateway.address).await.unwrap();
    assert_eq!(text::<DB>(&mut client, DB::LARGE).await.unwrap().len(), 10_000_000);
    for _ in 0..3 {
        let row = client.fetch_one(sqlx::query(DB::SESSION)).await.unwrap();
        assert!(DB::number(&row) > 0);
    }
    let mut transaction = client.begin().await.unwrap();
    assert!(text::<DB>(&mut transaction, "SELECT no_such_column").await.is_err());
    transaction.rollback().await.unwrap();
    assert_eq!(text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap(), DB::APP);
}

async fn a_socket_serves_its_own_user<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let folder = tempfile::tempdir().unwrap();
    // PostgreSQL's clients add the name to the folder.
    let address = Address::Unix(folder.path().join(".s.PGSQL.5432"));
    let mut target = target(&server, server.dial(), &SkewedClock::default());
    target.address = address.clone();
    let gateway = run(target).await;
    let mut client = connect::<DB>(&address).await.unwrap();
    assert_eq!(text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap(), DB::APP);
    drop(gateway);
}

async fn a_local_password_is_demanded<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let password = password();
    let mut target = target(&server, server.dial(), &SkewedClock::default());
    target.password = Some(password.clone());
    let gateway = run(target).await;
    let mut client = DB::options(&gateway.address, "app", password.expose()).connect().await.unwrap();
    assert_eq!(text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap(), DB::APP);
    for wrong in ["", "another", &password.expose()[1..]] {
        let error = support::refusal::<DB>(&gateway.address, "app", wrong).await;
        let (code, text) = support::message(&error);
        assert!(["28000", "28P01"].contains(&&*code), "{code} {text}");
        assert!(!text.contains(password.expose()), "{text}");
    }
    assert_eq!(server.logins().unwrap().len(), 1, "a client that is refused costs no login");
}

async fn another_session_stops_a_statement<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (_server, gateway) = both::<DB>().await;
    let mut one = connect::<DB>(&gateway.address).await.unwrap();
    let mut other = connect::<DB>(&gateway.address).await.unwrap();
    let session = DB::number(&one.fetch_one(sqlx::query(DB::SESSION)).await.unwrap());
    let sleeping = tokio::spawn(async move { text::<DB>(&mut one, DB::SLEEP).await });
    let stop = DB::stop(session);
    // A statement that has not begun can't be stopped.
    while !sleeping.is_finished() {
        other.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(stop.clone()))).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // MySQL's SLEEP returns 1, PostgreSQL's statement fails.
    assert_ne!(sleeping.await.unwrap().ok().as_deref(), Some("0"));
}

async fn a_hundred_clients_at_once_share_a_token<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (server, gateway) = both::<DB>().await;
    let clients: Vec<_> = (0..100)
        .map(|_| {
            let address = gateway.address.clone();
            tokio::spawn(async move {
                let mut client = connect::<DB>(&address).await?;
                text::<DB>(&mut client, DB::CURRENT_USER).await
            })
        })
        .collect();
    for client in clients {
        assert_eq!(client.await.unwrap().unwrap(), DB::APP);
    }
    assert_eq!(server.logins().unwrap().len(), 100);
}

async fn the_client_s_name_is_ignored_where_that_was_asked_for<DB: TestEngine>()
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let server = server::<DB>().await;
    let mut target = target(&server, server.dial(), &SkewedClock::default());
    target.user = UserRule::Always("app".parse().unwrap());
    let gateway = run(target).await;
    let mut client = DB::options(&gateway.address, "root", "").connect().await.unwrap();
    assert_eq!(text::<DB>(&mut client, DB::CURRENT_USER).await.unwrap(), DB::APP);
}
