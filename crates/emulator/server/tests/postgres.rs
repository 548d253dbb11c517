//! Tests of `Postgres` as a child process: versions, and the master user's login.

use rds_iam_emulator_server::{Kind as _, Postgres, PostgresVersion, Runtime};
use sqlx::{ConnectOptions as _, Row as _};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::test(flavor = "multi_thread")]
async fn the_master_user_logs_in_by_password_in_each_version() -> Result {
    for version in [PostgresVersion::V15, PostgresVersion::V18] {
        let builder = Postgres::builder().runtime(Runtime::Process).version(version).database("shop");
        let server = builder.start().await?;
        let master = server.master();
        let options = sqlx::Postgres::connect_options(server.dial(), server.database(), server.ca_pem());
        let options = options.username(master.username()).password(master.password());
        let mut connection = options.connect().await?;
        let sql = "SELECT current_user::text, current_database()::text, current_setting('server_version')";
        let row = sqlx::query(sql).fetch_one(&mut connection).await?;
        assert_eq!(
            (row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?),
            ("postgres".into(), "shop".into())
        );
        assert!(row.try_get::<String, _>(2)?.starts_with(&version.to_string()));
        assert!(server.describe().starts_with(&format!("PostgreSQL {version}.")), "{}", server.describe());
    }
    Ok(())
}
