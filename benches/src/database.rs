//! `Database`: starts a MySQL server with the app's user, its table and a page of messages, and returns the
//! environment variables with which the app connects to it.

use std::path::PathBuf;

use rds_iam_emulator_server::{MySql, fixtures};
use tempfile::TempDir;

pub(crate) const DATABASE: &str = fixtures::APP_DATABASE;
pub(crate) const USER: &str = fixtures::APP_USER;

/// The number of messages on a page.
pub(crate) const MESSAGES: usize = 10;

/// The database server with the app's user, its table and a page of messages. Its certificate names the server's address
/// too, because sqlx verifies the address that it dials.
pub(crate) struct Database {
    pub(crate) mysql: MySql,
    /// The file of the app's AWS credentials.
    credentials: PathBuf,
    _folder: TempDir,
}

impl Database {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let address = "127.0.0.1";
        let mysql = MySql::builder().database(DATABASE).certificate_name(address).start().await?;
        fixtures::create_user(&mysql, USER, &format!("SELECT, INSERT, UPDATE, DELETE ON {DATABASE}.*"))
            .await?;
        fixtures::create_app_tables(&mysql).await?;
        let message =
            format!("INSERT INTO {DATABASE}.messages (message) VALUES ('A message of the usual length.')");
        fixtures::execute(&mysql, vec![message; MESSAGES]).await?;
        let folder = tempfile::Builder::new().prefix("rds-iam-bench-").tempdir()?;
        let credentials = folder.path().join("credentials");
        mysql.write_credentials_file(&credentials)?;
        Ok(Self { mysql, credentials, _folder: folder })
    }

    /// Returns the app's settings, all in the environment, so that it sends requests to the database only.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mysql = &self.mysql;
        vec![
            ("AWS_REGION", mysql.region().to_string()),
            ("AWS_SHARED_CREDENTIALS_FILE", self.credentials.display().to_string()),
            ("RDS_IAM_DB_ENDPOINT", mysql.endpoint().to_string()),
            ("RDS_IAM_DB_NAME", DATABASE.into()),
            ("RDS_IAM_DB_USER", USER.into()),
            ("RDS_IAM_DIAL", mysql.dial().to_string()),
            ("RDS_IAM_CA_BUNDLE", mysql.ca_path().display().to_string()),
            ("RDS_IAM_BIND", "127.0.0.1".into()),
            ("PORT", "0".into()),
            ("RDS_IAM_MANAGEMENT_PORT", "0".into()),
            ("RDS_IAM_LOG", "json".into()),
        ]
    }
}
