//! `Engine`: what the demo's claims need to know about MySQL and PostgreSQL, and the words for it.

use rds_iam_emulator_server::{Kind, OptionsOf};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// An engine of the demo.
pub(crate) trait Engine: Kind + rds_iam_sqlx::Engine + rds_iam_emulator_proxy::Engine {
    /// The engine of the deployment.
    const ENGINE: rds_iam_infra::Engine;

    /// The app's users file, and the schema that it names.
    const APP_FILES: [(&'static str, &'static str); 2];

    /// The app's user, as the session names it.
    const SESSION_USER: &'static str;

    /// What checks the login, as the app names it.
    const CHECKED_BY: &'static str;

    /// The server's code of a refused login.
    const REFUSED: &'static str;

    /// The server's message about a refused token, which is all that a client gets.
    const REFUSED_TOKEN: &'static str;

    /// The server's message about a connection without TLS.
    const REFUSED_PLAIN: &'static str;

    /// The reason of that, which is in no record of tokens.
    const REQUIRES_TLS: &'static str;

    /// Returns the options of a connection without TLS.
    fn without_tls(options: OptionsOf<Self>) -> OptionsOf<Self>;
}

impl Engine for sqlx::MySql {
    const ENGINE: rds_iam_infra::Engine = rds_iam_infra::Engine::MySql;
    const APP_FILES: [(&'static str, &'static str); 2] = [
        ("users/mysql.toml", include_str!("../../app/users/mysql.toml")),
        ("schema/mysql.sql", include_str!("../../app/schema/mysql.sql")),
    ];
    const SESSION_USER: &'static str = "node_app@%";
    const CHECKED_BY: &'static str = "AWSAuthenticationPlugin";
    const REFUSED: &'static str = "1045";
    const REFUSED_TOKEN: &'static str = "Access denied for user 'node_app'";
    const REFUSED_PLAIN: &'static str = Self::REFUSED_TOKEN;
    const REQUIRES_TLS: &'static str = "the account requires TLS";

    fn without_tls(options: MySqlConnectOptions) -> MySqlConnectOptions {
        options.ssl_mode(MySqlSslMode::Disabled)
    }
}

impl Engine for sqlx::Postgres {
    const ENGINE: rds_iam_infra::Engine = rds_iam_infra::Engine::Postgres;
    const APP_FILES: [(&'static str, &'static str); 2] = [
        ("users/postgres.toml", include_str!("../../app/users/postgres.toml")),
        ("schema/postgres.sql", include_str!("../../app/schema/postgres.sql")),
    ];
    const SESSION_USER: &'static str = "node_app";
    const CHECKED_BY: &'static str = "rds_iam";
    const REFUSED: &'static str = "28000";
    const REFUSED_TOKEN: &'static str = r#"PAM authentication failed for user "node_app""#;
    const REFUSED_PLAIN: &'static str = "no encryption";
    const REQUIRES_TLS: &'static str = "pg_hba.conf rejects connections without encryption";

    fn without_tls(options: PgConnectOptions) -> PgConnectOptions {
        options.ssl_mode(PgSslMode::Disable)
    }
}
