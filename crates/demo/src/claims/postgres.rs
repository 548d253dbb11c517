//! The claims about PostgreSQL alone: the master user is not locked out, large tokens, tables of tomorrow, psql, and pools
//! of both engines in one program.
//!
//! Only PostgreSQL: the claims of both engines are beside this module, and MySQL has none of its own.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use aws_credential_types::Credentials;
use rds_iam_emulator_server::{AccessKey, MySql, Postgres, Runtime, clients, fixtures};
use rds_iam_sqlx::{Databases, Limits, MySqlPool, PgPool};
use rds_iam_token::{Clock, Minter, TokenSource, sign};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use tracing::info;

use crate::deployment::{ADMIN_USER, APP_USER, DATABASE};
use crate::logins::{Wrong, code, secret};
use crate::platform::Platform;
use crate::program::{self, Ended};
use crate::table::Table;

/// PostgreSQL's code of a wrong password. A refused token has another.
const WRONG_PASSWORD: &str = "28P01";

/// The exit status of bootstrap if the master user would be locked out.
const LOCK_OUT: i32 = 3;

/// The user whose declaration would lock the master user out: the master user is a member of it.
const SHARED: &str = "shared_app";

/// Checks the claims and adds them to the table.
pub(crate) async fn prove(platform: &Platform<sqlx::Postgres>, table: &mut Table) {
    let server = &platform.server;
    table.add("the master logs in by password after bootstrap", master(server).await);
    table.add("refused by bootstrap: a declaration that locks the master out", lock_out(platform).await);
    table.add("tables created tomorrow are readable", tomorrow(server).await);
    table.add("a token of 60 KB arrives whole", long_token(server).await);
    let claim = "`MySqlPool` and `PgPool` in one program, from one `database.yaml`";
    table.add(claim, both_engines(server, server.runtime(), platform.folder()).await);
    table.add("psql logs in with a token", psql(server).await);
}

async fn master(server: &Postgres) -> anyhow::Result<String> {
    let before = server.logins()?.len();
    let mut session = fixtures::as_master(server).await.context("the master's password is refused")?;
    let tls = "SELECT current_user || ', ' || version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let identity: String = sqlx::query_scalar(tls).fetch_one(&mut session).await?;
    session.close().await?;
    let name = server.master().username();
    let Err(refused) = log_in(server, name, "another password").await else {
        bail!("the server lets the master in with any password")
    };
    // A member of rds_iam would get the message of a refused token.
    let code = code(refused);
    ensure!(code.as_deref() == Some(WRONG_PASSWORD), "a wrong password of the master is refused by {code:?}");
    ensure!(server.logins()?.len() == before, "the server checked a token");
    Ok(format!("{identity}; a wrong password: {WRONG_PASSWORD}; no token was checked"))
}

/// Declares a user of which the master user has made itself a member, as for `CREATE DATABASE … OWNER`.
async fn lock_out(platform: &Platform<sqlx::Postgres>) -> anyhow::Result<String> {
    let server = &platform.server;
    let master = server.master().username();
    let make = [format!("CREATE ROLE {SHARED} LOGIN"), format!("GRANT {SHARED} TO \"{master}\"")];
    fixtures::execute(server, make).await?;
    let users = platform.folder().join("shared.toml");
    let declaration = format!("[[user]]\nname = \"{SHARED}\"\ngrant = [{{ privileges = [\"SELECT\"] }}]\n");
    std::fs::write(&users, declaration).with_context(|| format!("writing {}", users.display()))?;
    let refused = refused_by_bootstrap(platform, &users).await;
    fixtures::execute(server, [format!("DROP ROLE {SHARED}")]).await?;
    refused
}

async fn refused_by_bootstrap(platform: &Platform<sqlx::Postgres>, users: &Path) -> anyhow::Result<String> {
    let ended = platform.bootstrap.run_with(users, &[]).await?;
    ensure!(ended.status == Some(LOCK_OUT), "it ended with {}: {}", ended.shown_status(), ended.stderr);
    let path = format!("{} > {SHARED} > rds_iam", platform.server.master().username());
    let reason =
        ended.stderr.lines().find(|line| line.contains(&path)).context("it does not name the path")?;
    // Without "error in step …".
    let reason = reason.split_once(": ").map_or(reason, |(_, reason)| reason);
    let mut session = fixtures::as_master(&platform.server).await.context("the master is locked out")?;
    let switched = format!("SELECT pg_has_role('{SHARED}', 'rds_iam', 'MEMBER')");
    let switched: bool = sqlx::query_scalar(AssertSqlSafe(switched)).fetch_one(&mut session).await?;
    session.close().await?;
    ensure!(!switched, "it refused, but had made {SHARED} a member of rds_iam");
    Ok(format!("status {LOCK_OUT}, nothing changed; {reason}"))
}

/// Creates a table as the admin, who owns those of the app, and reads it as the app's user, without another grant.
async fn tomorrow(server: &Postgres) -> anyhow::Result<String> {
    let mut admin = by_token(server, ADMIN_USER).await?;
    let make = "CREATE TABLE tomorrow (n int); INSERT INTO tomorrow VALUES (1)";
    sqlx::raw_sql(make).execute(&mut admin).await.context("creating the table")?;
    let read = async {
        let mut app = by_token(server, APP_USER).await?;
        let n: i32 = sqlx::query_scalar("SELECT n FROM tomorrow").fetch_one(&mut app).await?;
        let privileges = "SELECT string_agg(privilege, ', ') \
             FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege \
             WHERE has_table_privilege('tomorrow', privilege)";
        let privileges: String = sqlx::query_scalar(privileges).fetch_one(&mut app).await?;
        app.close().await?;
        ensure!(n == 1, "it read {n}");
        ensure!(privileges == "SELECT, INSERT, UPDATE, DELETE", "{APP_USER} has {privileges}");
        Ok(format!("a new table of {ADMIN_USER}: {privileges} for {APP_USER}, by default privileges"))
    };
    let read = read.await;
    sqlx::raw_sql("DROP TABLE tomorrow").execute(&mut admin).await?;
    admin.close().await?;
    read
}

/// Logs in with a token that has a session token of 42 KB, through the pool. The signature covers it.
async fn long_token(server: &Postgres) -> anyhow::Result<String> {
    const ID: &str = "ASIALONGSESSION";
    let (before, session) = (server.logins()?.len(), "long/".repeat(8_500));
    server.enter_key(AccessKey::new(ID, "a made-up secret").session_token(&session))?;
    let credentials = Credentials::new(ID, "a made-up secret", Some(session), None, "rds-iam-demo");
    let login = fixtures::login(server, APP_USER);
    let bytes = sign(&login, &credentials, Clock::system().now())?.expose().len();
    ensure!(bytes > 58_000, "the token has only {bytes} bytes");
    let pool = PgPool::builder(server.endpoint(), APP_USER)
        .tokens(TokenSource::lazy(Minter::new(login, credentials, Clock::system())))
        .dial(server.dial())
        .root_certificates(server.ca_pem())
        .database(DATABASE)
        .limits(Limits::default().warm_connections(0))
        .connect()
        .await?;
    pool.close().await;
    let logins = server.logins()?.split_off(before);
    let accepted = logins.iter().any(|l| l.accepted() && l.access_key_id.as_deref() == Some(ID));
    ensure!(accepted, "the server has no record of it");
    Ok(format!("{bytes} bytes; the server checked the signature over all of them"))
}

/// Starts a MySQL server too, and moves a message from one engine to the other.
async fn both_engines(server: &Postgres, runtime: Runtime, folder: &Path) -> anyhow::Result<String> {
    info!("starting a MySQL server too, for pools of both engines in one program");
    let mysql = MySql::builder().runtime(runtime).database(DATABASE).start().await?;
    let privileges = format!("SELECT, INSERT ON {DATABASE}.*");
    fixtures::create_user(&mysql, APP_USER, &privileges).await?;
    fixtures::create_app_tables(&mysql).await?;
    let credentials = server.credentials();
    let mut key = AccessKey::new(credentials.access_key_id(), credentials.secret_access_key());
    if let Some(session) = credentials.session_token() {
        key = key.session_token(session);
    }
    mysql.enter_key(key)?;

    let file = folder.join("database.yaml");
    std::fs::write(&file, configuration(server, &mysql))
        .with_context(|| format!("writing {}", file.display()))?;
    let databases = Databases::from_file(&file)?.credentials(credentials);
    databases.connect_all().await?;
    let (messages, archive): (PgPool, MySqlPool) = (databases.get("messages")?, databases.get("archive")?);
    let text = "Grüße von PostgreSQL an MySQL 🐘🐬";
    let insert = "INSERT INTO messages (message) VALUES ($1) RETURNING message";
    let written: String = sqlx::query_scalar(insert).bind(text).fetch_one(&messages).await?;
    let insert = "INSERT INTO messages (message) VALUES (?)";
    sqlx::query(insert).bind(&written).execute(&archive).await?;
    let read: String = sqlx::query_scalar("SELECT message FROM messages").fetch_one(&archive).await?;
    ensure!(read == text, "read {read:?} from the other engine");
    let tokens = (messages.stats().tokens.minted, archive.stats().tokens.minted);
    messages.close().await;
    archive.close().await;
    ensure!(tokens.0 > 0 && tokens.1 > 0, "{tokens:?} tokens were signed");
    Ok(format!(
        "a row copied from PostgreSQL to a MySQL that was started for it; each logged {APP_USER} in by its own token"
    ))
}

/// Returns the text of a `database.yaml` with a connection to each server.
fn configuration(postgres: &Postgres, mysql: &MySql) -> String {
    let connection = |name, scheme, endpoint, dial, ca: &Path, region| {
        format!(
            "    {name}:\n      dsn: \"{scheme}://{APP_USER}:$TOKEN@{endpoint}/{DATABASE}?dial={dial}&sslrootcert={}\"\n\
             \x20     max_open_connections: 2\n      aws_iam_auth:\n        enabled: true\n        region: {region}\n",
            ca.display()
        )
    };
    let messages = connection(
        "messages",
        "postgresql",
        postgres.endpoint(),
        postgres.dial(),
        &postgres.ca_path(),
        postgres.region(),
    );
    let archive =
        connection("archive", "mysql", mysql.endpoint(), mysql.dial(), &mysql.ca_path(), mysql.region());
    format!("database:\n  default: messages\n  connections:\n{messages}{archive}")
}

/// Logs in with the real psql, by a good token and by one that was tampered with.
async fn psql(server: &Postgres) -> anyhow::Result<String> {
    let program = clients::psql().await?;
    let accepted = run_psql(&program, server, Wrong::Nothing).await?;
    ensure!(accepted.status == Some(0), "{}: {}", accepted.shown_status(), accepted.stderr.trim());
    let refused = run_psql(&program, server, Wrong::Tampered).await?;
    let message = format!("PAM authentication failed for user \"{APP_USER}\"");
    ensure!(
        refused.status != Some(0) && refused.stderr.contains(&message),
        "a tampered token: {}, {}",
        refused.shown_status(),
        refused.stderr.trim()
    );
    Ok(format!("{}; with a tampered token: {message}", accepted.stdout.trim()))
}

async fn run_psql(program: &Path, server: &Postgres, wrong: Wrong) -> anyhow::Result<Ended> {
    let (endpoint, dial) = (server.endpoint(), server.dial());
    let environment = [
        ("PGHOST", endpoint.host().to_string()),
        ("PGHOSTADDR", dial.host().to_string()),
        ("PGPORT", dial.port().to_string()),
        ("PGUSER", APP_USER.into()),
        ("PGDATABASE", DATABASE.into()),
        ("PGSSLMODE", "verify-full".into()),
        ("PGSSLROOTCERT", server.ca_path().display().to_string()),
        ("PGPASSWORD", secret(server, wrong)?),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let sql = "SELECT current_user || ', ' || version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let arguments = ["--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", sql];
    Ok(program::output(program, &arguments, &environment).await?.into())
}

async fn by_token(server: &Postgres, user: &str) -> anyhow::Result<PgConnection> {
    let token = fixtures::tokens(server, user).token().await?;
    log_in(server, user, token.expose()).await.with_context(|| format!("logging in as {user}"))
}

async fn log_in(server: &Postgres, user: &str, secret: &str) -> sqlx::Result<PgConnection> {
    PgConnection::connect_with(&fixtures::login_options(server, user, secret)).await
}

#[cfg(test)]
mod tests {
    use rds_iam_emulator_server::only;

    use super::*;

    only!(
        postgres,
        "these claims are about PostgreSQL",
        [
            a_locked_out_master_is_noticed,
            tables_without_default_privileges_are_noticed,
            long_tokens_and_both_engines,
            the_emulator_s_psql_logs_in,
        ]
    );

    async fn a_locked_out_master_is_noticed() -> anyhow::Result<()> {
        let server = fixtures::app_server::<sqlx::Postgres>().await?;
        let evidence = master(&server).await?;
        assert!(evidence.starts_with("postgres, TLSv1.3 "), "{evidence}");
        server.as_superuser("GRANT rds_iam TO postgres").await?;
        let error = master(&server).await.unwrap_err();
        assert!(format!("{error:#}").contains("the master's password is refused"), "{error:#}");
        Ok(())
    }

    async fn tables_without_default_privileges_are_noticed() -> anyhow::Result<()> {
        let server = fixtures::app_server::<sqlx::Postgres>().await?;
        fixtures::create_user(&server, ADMIN_USER, "CREATE, USAGE ON SCHEMA public").await?;
        let error = tomorrow(&server).await.unwrap_err();
        assert!(format!("{error:#}").contains("permission denied for table tomorrow"), "{error:#}");
        let defaults = format!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {ADMIN_USER} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP_USER}"
        );
        server.as_superuser(defaults).await?;
        tomorrow(&server).await.map(drop)
    }

    async fn long_tokens_and_both_engines() -> anyhow::Result<()> {
        let server = fixtures::app_server::<sqlx::Postgres>().await?;
        fixtures::create_app_tables(&server).await?;
        long_token(&server).await?;
        let folder = tempfile::tempdir()?;
        let evidence = both_engines(&server, server.runtime(), folder.path()).await?;
        assert!(evidence.starts_with("a row copied from PostgreSQL to a MySQL "), "{evidence}");
        assert!(!std::fs::read_to_string(folder.path().join("database.yaml"))?.contains("X-Amz"));
        Ok(())
    }

    async fn the_emulator_s_psql_logs_in() -> anyhow::Result<()> {
        let server = fixtures::app_server::<sqlx::Postgres>().await?;
        let evidence = psql(&server).await?;
        assert!(evidence.starts_with("node_app, TLSv1.3 "), "{evidence}");
        server.as_superuser(format!("REVOKE rds_iam FROM {APP_USER}")).await?;
        let error = psql(&server).await.unwrap_err();
        assert!(format!("{error:#}").contains("password authentication failed"), "{error:#}");
        Ok(())
    }
}
