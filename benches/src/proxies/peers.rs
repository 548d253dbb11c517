//! The proxies of other projects, from Debian's packages, in the position of the auth proxy: pgbouncer before
//! PostgreSQL, MySQL Router before MySQL.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use rds_iam_emulator_server::{clients, fixtures, host};
use rds_iam_infra::Engine as EngineName;

use super::running::{MOST_SESSIONS, Program, folder, path_text};
use super::target::{Target, passed_through, plaintext};
use crate::database::{DATABASE, Database, Engine};
use crate::program;

/// The user of pgbouncer, which can't log in with a token.
const USER: &str = "bench_pooled";
const PASSWORD: &str = "bench-only";

/// Other proxies that an operator may choose, and the reason why they are not measured.
pub(super) fn not_available(engine: EngineName) -> Option<(&'static str, &'static str)> {
    match engine {
        EngineName::MySql => Some(("ProxySQL", "no suite of Debian has a package of it")),
        EngineName::Postgres => None,
    }
}

/// Returns the name in the figures. What differs from the auth proxy is in it.
pub(super) fn name(engine: EngineName) -> &'static str {
    match engine {
        EngineName::MySql => "MySQL Router (TLS passed through)",
        EngineName::Postgres => "pgbouncer (password to the server)",
    }
}

/// Starts the engine's peer.
pub(super) async fn start<E: Engine>(database: &Database<E>) -> anyhow::Result<(Target, Program)> {
    match E::ENGINE {
        EngineName::MySql => mysql_router(database).await,
        EngineName::Postgres => pgbouncer(database).await,
    }
}

/// Clients reach it without TLS and without a password; it logs in with a password over TLS, and gives a session's
/// connection to the next session.
async fn pgbouncer<E: Engine>(database: &Database<E>) -> anyhow::Result<(Target, Program)> {
    let program = clients::pgbouncer().await?;
    let (server, folder, port) = (&database.server, folder()?, host::free_port()?);
    let statements =
        [format!("DROP USER IF EXISTS {USER}"), format!("CREATE USER {USER} PASSWORD '{PASSWORD}'")];
    fixtures::execute(&database.server, statements).await?;
    let (ca, file) = (folder.path().join("ca.pem"), folder.path().join("pgbouncer.ini"));
    fs::write(&ca, server.ca_pem())?;
    // It refuses to run as root, and reads the authority's certificate after it has changed its user.
    let is_root = fs::metadata("/proc/self")?.uid() == 0;
    if is_root {
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        fs::set_permissions(&ca, Permissions::from_mode(0o644))?;
    }
    let user = if is_root { "user = daemon\n" } else { "" };
    let settings = format!(
        "[databases]\n\
         {DATABASE} = host=127.0.0.1 port={} user={USER} password={PASSWORD}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = session\n\
         max_client_conn = {MOST_SESSIONS}\n\
         default_pool_size = {MOST_SESSIONS}\n\
         server_tls_sslmode = verify-ca\n\
         server_tls_ca_file = {}\n\
         log_connections = 0\n\
         log_disconnections = 0\n\
         log_stats = 0\n\
         {user}",
        server.dial().port(),
        ca.display()
    );
    fs::write(&file, settings)?;
    fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    let child = program::spawn(&program, &["--quiet", path_text(&file)?], &[])?;
    let mut program = Program::new(child, folder);
    program.listening(port).await?;
    Ok((plaintext(database, port)?, program))
}

/// TLS and the login pass through it: it forwards bytes, and nothing else.
async fn mysql_router<E: Engine>(database: &Database<E>) -> anyhow::Result<(Target, Program)> {
    let (program, plugins) = clients::mysqlrouter().await?;
    let (server, folder, port) = (&database.server, folder()?, host::free_port()?);
    let (own, file) = (folder.path().display(), folder.path().join("router.conf"));
    let settings = format!(
        "[DEFAULT]\n\
         plugin_folder={}\n\
         runtime_folder={own}\n\
         data_folder={own}\n\
         logging_folder=\n\
         max_total_connections={MOST_SESSIONS}\n\
         [logger]\n\
         level=ERROR\n\
         [routing:bench]\n\
         bind_address=127.0.0.1\n\
         bind_port={port}\n\
         destinations={}\n\
         routing_strategy=first-available\n\
         protocol=classic\n\
         client_ssl_mode=PASSTHROUGH\n\
         server_ssl_mode=AS_CLIENT\n\
         max_connect_errors=4294967295\n",
        plugins.display(),
        server.dial(),
    );
    fs::write(&file, settings)?;
    let child = program::spawn(&program, &["-c", path_text(&file)?], &[])?;
    let mut program = Program::new(child, folder);
    program.listening(port).await?;
    Ok((passed_through(database, port)?, program))
}
