//! Memberships that lock a user out of password logins, with creator edges that count and that do not.

use rds_iam_emulator_server::{CreatorEdges, Postgres, PostgresVersion, only};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::{Result, accepted, as_master, column, login, master, newer, refusal, refused, server, token};

only!(
    #[tokio::test]
    postgres,
    "on MySQL, a login does not depend on memberships: the master user can't be locked out",
    [
        what_locks_the_master_of_15_out,
        what_locks_the_master_out_if_creator_edges_do_not_count,
        what_locks_the_master_out_if_creator_edges_count,
        creator_edges_count_or_do_not_from_one_moment_to_the_next,
        every_creator_has_such_edges_and_nothing_else_is_one,
        simultaneous_transactions_agree,
    ],
);

/// The members of the role that is admitted by password, whatever its memberships are.
const BY_PASSWORD: &str =
    "SELECT member::regrole::text FROM pg_auth_members WHERE roleid = 'rdsadmin_scram'::regrole ORDER BY 1";

/// Statements after which the master may be locked out.
struct Case {
    /// Statements of the superuser, before those of the master.
    superuser: &'static str,
    master: &'static [&'static str],
    /// Whether the master is locked out if creator edges count, as in PostgreSQL itself.
    counting: bool,
    /// Whether it is if they don't.
    not_counting: bool,
}

const fn case(master: &'static [&'static str], counting: bool, not_counting: bool) -> Case {
    Case { superuser: "", master, counting, not_counting }
}

/// A case with a role `app` that the master did not create.
const fn with_app(master: &'static [&'static str], locked: bool) -> Case {
    Case { superuser: "CREATE ROLE app LOGIN", master, counting: locked, not_counting: locked }
}

const OF_15: [Case; 9] = [
    case(&["GRANT rds_iam TO postgres"], true, true),
    case(&["CREATE ROLE app LOGIN", "GRANT rds_iam TO app", "GRANT app TO postgres"], true, true),
    case(&["CREATE ROLE app LOGIN ADMIN postgres", "GRANT rds_iam TO app"], true, true),
    case(&["CREATE ROLE app LOGIN ROLE postgres", "GRANT rds_iam TO app"], true, true),
    case(&["CREATE ROLE app", "GRANT rds_iam TO app", "GRANT app TO postgres"], true, true),
    Case {
        superuser: "ALTER ROLE postgres NOINHERIT",
        ..case(&["CREATE ROLE app LOGIN", "GRANT rds_iam TO app", "GRANT app TO postgres"], true, true)
    },
    case(&["CREATE ROLE app LOGIN", "GRANT rds_iam TO app"], false, false),
    case(&["CREATE ROLE app LOGIN IN ROLE rds_iam"], false, false),
    case(
        &[
            "CREATE ROLE app LOGIN",
            "GRANT rds_iam TO app",
            "GRANT app TO postgres",
            "REVOKE app FROM postgres",
        ],
        false,
        false,
    ),
];

const OF_THE_NEWEST: [Case; 23] = [
    // A membership by a statement counts, whatever its options.
    case(&["GRANT rds_iam TO postgres"], true, true),
    with_app(&["GRANT app TO postgres WITH INHERIT FALSE, SET FALSE", "GRANT rds_iam TO app"], true),
    with_app(&["GRANT app TO postgres WITH INHERIT FALSE, SET TRUE", "GRANT rds_iam TO app"], true),
    with_app(&["GRANT rds_iam TO app", "GRANT app TO postgres"], true),
    case(&["CREATE USER app", "GRANT rds_iam TO app", "GRANT app TO postgres"], true, true),
    case(
        &["CREATE USER app", "GRANT app TO postgres WITH INHERIT FALSE", "GRANT rds_iam TO app"],
        true,
        true,
    ),
    case(&["CREATE ROLE app LOGIN ROLE postgres", "GRANT rds_iam TO app"], true, true),
    case(
        &["SET createrole_self_grant = 'set, inherit'", "CREATE USER app", "GRANT rds_iam TO app"],
        true,
        true,
    ),
    case(&["CREATE USER app", "GRANT rds_iam TO app", "GRANT rds_iam TO postgres"], true, true),
    // The edge of the creator alone.
    case(&["CREATE USER app", "GRANT rds_iam TO app"], true, false),
    case(&["BEGIN", "CREATE USER app", "GRANT rds_iam TO app", "COMMIT"], true, false),
    case(
        &[
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
            "SELECT 1",
            "CREATE USER app",
            "GRANT rds_iam TO app",
            "COMMIT",
        ],
        true,
        false,
    ),
    case(&["DO $$ BEGIN CREATE USER app; GRANT rds_iam TO app; COMMIT; PERFORM 1; END $$"], true, false),
    case(
        &["CREATE ROLE app", "CREATE USER other", "GRANT rds_iam TO app", "GRANT app TO other"],
        true,
        false,
    ),
    case(&["CREATE USER app", "GRANT rds_iam TO app, postgres", "REVOKE rds_iam FROM postgres"], true, false),
    case(
        &["CREATE USER app", "GRANT rds_iam TO app", "GRANT app TO postgres", "REVOKE app FROM postgres"],
        true,
        false,
    ),
    case(&["CREATE USER app", "GRANT rds_iam TO app", "REVOKE app FROM postgres"], true, false),
    // No way to rds_iam.
    with_app(&["GRANT rds_iam TO app"], false),
    with_app(
        &[
            "GRANT app TO postgres WITH INHERIT FALSE, SET TRUE",
            "SET ROLE app",
            "RESET ROLE",
            "REVOKE app FROM postgres",
            "GRANT rds_iam TO app",
        ],
        false,
    ),
    case(&["CREATE USER app", "GRANT rds_iam TO app", "REVOKE rds_iam FROM app"], false, false),
    case(&["CREATE USER app", "GRANT rds_iam TO app", "DROP ROLE app"], false, false),
    case(&["BEGIN", "CREATE USER app", "GRANT rds_iam TO app", "ROLLBACK"], false, false),
    case(
        &["BEGIN", "CREATE USER app", "SAVEPOINT a", "GRANT rds_iam TO app", "ROLLBACK TO a", "COMMIT"],
        false,
        false,
    ),
];

/// Checks that the master logs in by password, or that it is asked for a token.
async fn check_master(server: &Postgres, locked_out: bool, after: &str) -> Result {
    let message = "PAM authentication failed for user \"postgres\"";
    let expected = locked_out.then(|| ("28000".to_owned(), message.to_owned()));
    assert_eq!(refusal(&as_master(server)).await?, expected, "{after}");
    if locked_out {
        let by_token = refusal(&login(server, "postgres", &token(server, "postgres")?)).await?;
        assert_eq!(by_token, None, "the way back, after {after}");
    }
    Ok(())
}

async fn check(server: &Postgres, cases: &[Case], way: CreatorEdges) -> Result {
    for case in cases {
        server.as_superuser(case.superuser).await?;
        let mut master = master(server).await?;
        accepted(&mut master, case.master).await?;
        let locked_out = if way == CreatorEdges::Count { case.counting } else { case.not_counting };
        let after = format!("{way:?}: {}", case.master.join("; "));
        check_master(server, locked_out, &after).await?;
        let expected: &[&str] = if case.counting && !locked_out { &["postgres"] } else { &[] };
        assert_eq!(column(&mut master, BY_PASSWORD).await?, expected, "{after}");

        server
            .as_superuser(
                "DROP ROLE IF EXISTS app, other; REVOKE rds_iam FROM postgres; ALTER ROLE postgres INHERIT",
            )
            .await?;
        check_master(server, false, "clearing up").await?;
        assert_eq!(column(&mut master, BY_PASSWORD).await?, [""; 0]);
        master.close().await?;
    }
    Ok(())
}

async fn what_locks_the_master_of_15_out() -> Result {
    let server = server(PostgresVersion::V15).await?;
    check(&server, &OF_15, CreatorEdges::Count).await
}

async fn what_locks_the_master_out_if_creator_edges_do_not_count() -> Result {
    let server = server(newer()?).await?;
    check(&server, &OF_THE_NEWEST, CreatorEdges::DoNotCount).await
}

async fn what_locks_the_master_out_if_creator_edges_count() -> Result {
    let newest = Postgres::builder().version(newer()?).creator_edges(CreatorEdges::Count);
    check(&newest.start().await?, &OF_THE_NEWEST, CreatorEdges::Count).await
}

async fn creator_edges_count_or_do_not_from_one_moment_to_the_next() -> Result {
    let server = server(newer()?).await?;
    let mut master = master(&server).await?;
    accepted(&mut master, &["CREATE USER app", "GRANT rds_iam TO app"]).await?;
    for way in [CreatorEdges::Count, CreatorEdges::DoNotCount, CreatorEdges::Count, CreatorEdges::DoNotCount]
    {
        server.set_creator_edges(way).await?;
        check_master(&server, way == CreatorEdges::Count, &format!("{way:?}")).await?;
        assert_eq!(refusal(&login(&server, "app", &token(&server, "app")?)).await?, None);
    }
    let who_is_member =
        "SELECT rolname::text FROM pg_roles WHERE NOT rolsuper AND pg_has_role(oid, 'rds_iam', 'MEMBER')
                         AND rolcanlogin ORDER BY 1";
    assert_eq!(column(&mut master, who_is_member).await?, ["app", "postgres"], "the catalog shows all edges");
    refused(&mut master, &["SET ROLE rdsadmin_scram"], "42501").await
}

async fn every_creator_has_such_edges_and_nothing_else_is_one() -> Result {
    let server = server(newer()?).await?;
    server
        .as_superuser(
            "CREATE ROLE creator LOGIN CREATEROLE PASSWORD 'secret';
             CREATE ROLE admin LOGIN CREATEROLE PASSWORD 'secret';
             GRANT rds_iam TO admin WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        )
        .await?;
    let (by_password, by_token) =
        (login(&server, "creator", "secret"), login(&server, "admin", &token(&server, "admin")?));
    let mut creator = sqlx::ConnectOptions::connect(&by_password).await?;
    accepted(&mut creator, &["CREATE USER app"]).await?;
    let mut admin: PgConnection = sqlx::ConnectOptions::connect(&by_token).await?;
    accepted(&mut admin, &["CREATE USER of_admin", "GRANT rds_iam TO of_admin"]).await?;
    server.as_superuser("GRANT rds_iam TO app").await?;

    // The one's only path is the edge of its role; the other's own membership looks like such an edge, and is none.
    assert_eq!(refusal(&by_password).await?, None);
    assert_eq!(refusal(&by_token).await?, None);
    assert_eq!(
        refusal(&login(&server, "admin", "secret")).await?.map(|(code, _)| code).as_deref(),
        Some("28000")
    );
    assert_eq!(column(&mut creator, BY_PASSWORD).await?, ["creator"]);

    server.as_superuser("DROP ROLE creator").await?;
    assert_eq!(column(&mut admin, BY_PASSWORD).await?, [""; 0]);
    Ok(())
}

/// Each of the transactions computes the members of the role at its end.
async fn simultaneous_transactions_agree() -> Result {
    let server = server(newer()?).await?;
    let mut tasks = Vec::new();
    for task in 0..4 {
        let mut session = master(&server).await?;
        tasks.push(tokio::spawn(async move {
            for round in 0..25 {
                let user = format!("app_{task}_{round}");
                let statements = [
                    format!("CREATE USER {user}"),
                    format!("GRANT rds_iam TO {user}"),
                    format!("DROP ROLE {user}"),
                ];
                accepted(&mut session, &statements.each_ref().map(String::as_str))
                    .await
                    .map_err(|e| e.to_string())?;
            }
            Ok::<(), String>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let mut master = master(&server).await?;
    assert_eq!(column(&mut master, BY_PASSWORD).await?, [""; 0]);
    accepted(&mut master, &["CREATE USER app", "GRANT rds_iam TO app"]).await?;
    assert_eq!(column(&mut master, BY_PASSWORD).await?, ["postgres"]);
    check_master(&server, false, "CREATE USER app; GRANT rds_iam TO app").await
}
