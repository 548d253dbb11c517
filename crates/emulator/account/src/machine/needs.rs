//! The input of an emulated EC2 instance's launch: user data, credentials, addresses; and the Docker options of the container
//! that stands for the instance.

use std::fs;
use std::path::{Path, PathBuf};

use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::host::file;

use crate::user_data::UserData;

/// The paths in the container of files from this machine.
const CREDENTIALS: &str = "/rds-iam/credentials";
const CA: &str = "/rds-iam/ca.pem";

/// The input of a launch.
pub(crate) struct Needs<'a> {
    pub(crate) user_data: UserData,
    pub(crate) region: &'a str,
    pub(crate) health_path: Option<String>,
    pub(crate) docker: PathBuf,
    pub(crate) docker_config: String,
    pub(crate) registry: &'a str,
    pub(crate) aws_endpoint_url: &'a str,
    pub(crate) credentials_file: &'a Path,
    /// The text of a shared credentials file.
    pub(crate) credentials: String,
    /// The address of the app's database, and the file of the authority that signed its certificate.
    pub(crate) database: Option<(String, PathBuf)>,
    pub(crate) shims: PathBuf,
    /// The label of all containers of the account.
    pub(crate) label: String,
}

impl Needs<'_> {
    /// Writes the container's files into `folder`, and returns its options besides those of the script. The
    /// container runs as another user, so the files are copies that are readable by every user with access to
    /// the folder.
    pub(super) fn container_options(&self, folder: &Path) -> Result<Vec<String>, Error> {
        let credentials = folder.join("credentials");
        file::replace(&credentials, &self.credentials, 0o644)?;
        let mut options = Vec::new();
        let mut option = |name: &str, value: String| options.extend([name.to_owned(), value]);
        option("--label", self.label.clone());
        option("--env", format!("AWS_ENDPOINT_URL={}", self.aws_endpoint_url));
        option("--env", "AWS_EC2_METADATA_DISABLED=true".into());
        option("--env", format!("AWS_SHARED_CREDENTIALS_FILE={CREDENTIALS}"));
        // It shares this machine's network, and other machines must not reach it.
        option("--env", "RDS_IAM_BIND=127.0.0.1".into());
        option("--volume", format!("{}:{CREDENTIALS}:ro", credentials.display()));
        if let Some((dial, ca_file)) = &self.database {
            let ca = folder.join("ca.pem");
            let pem = fs::read_to_string(ca_file).map_err(Error::io("read", ca_file))?;
            file::replace(&ca, &pem, 0o644)?;
            option("--env", format!("RDS_IAM_DIAL={dial}"));
            option("--env", format!("RDS_IAM_CA_BUNDLE={CA}"));
            option("--volume", format!("{}:{CA}:ro", ca.display()));
        }
        Ok(options)
    }
}
