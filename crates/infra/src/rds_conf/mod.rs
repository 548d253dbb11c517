//! `rds.conf`: the settings of a deployment that its programs need, as `KEY="value"` lines.
//!
//! The pipeline writes it from Terraform's outputs; bootstrap and operators read it. It contains no secret, only
//! the name of one. It is parsed strictly, never run by a shell: an invalid line is an error with file, line and key,
//! and all errors are reported at once.
//!
//! # Format
//! UTF-8 lines ending in a line feed. A line is blank, a comment (`#` first), or `KEY="value"` with no
//! space around `=`, where spaces, tabs and a `# comment` may follow. Between the quotes, `"`, `\`, `$` and
//! backtick are escaped with a `\`; any other escape is an error, and control characters are not allowed. So a file has
//! the same meaning here as in a shell.
//!
//! [`KEYS`] lists the keys.

mod error;
mod parse;
mod values;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use rds_iam_token::{DbUser, Endpoint, Region};

use crate::Engine;
use crate::arn::{AccountId, RdsDbArn, RdsDbArnError, ResourceId};
use rds_iam_report::file;
use rds_iam_roots::{Roots, TrustError};

pub use error::{EntryError, EntryErrorKind, RdsConfError};
pub use values::{CaBundle, DatabaseName, SecretId, ValueError};

/// The maximum size of a file: 64 KiB, a hundred times the size of all keys.
const MAX_BYTES: u64 = 64 * 1024;

/// A key with its description, for help texts and the comments of a written file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key {
    /// The key's name.
    pub name: &'static str,
    /// Whether the key is required.
    pub required: bool,
    /// The description, in one line.
    pub meaning: &'static str,
    /// An example value.
    pub example: &'static str,
}

const ENGINE: Key = Key {
    name: "ENGINE",
    required: false,
    meaning: "Database engine: mysql (the default) or postgresql, also of an Aurora cluster.",
    example: "mysql",
};
const RDS_ENDPOINT: Key = Key {
    name: "RDS_ENDPOINT",
    required: true,
    meaning: "AWS host name of the database or proxy, never an alias; tokens are signed for it. `host:port` also works.",
    example: "orders.c0ffee.eu-west-1.rds.amazonaws.com",
};
const RDS_PORT: Key = Key {
    name: "RDS_PORT",
    required: false,
    meaning: "Port of the endpoint; default: the engine's, 3306 for mysql and 5432 for postgresql.",
    example: "3306",
};
const REGION: Key =
    Key { name: "REGION", required: true, meaning: "AWS region of the endpoint.", example: "eu-west-1" };
const MASTER_SECRET_NAME: Key = Key {
    name: "MASTER_SECRET_NAME",
    required: true,
    meaning: "Name or ARN of the master user's secret in Secrets Manager; only bootstrap reads it.",
    example: "orders/master",
};
const DB_NAME: Key = Key {
    name: "DB_NAME",
    required: true,
    meaning: "Database that the application uses.",
    example: "orders",
};
const IAM_ADMIN_USER: Key = Key {
    name: "IAM_ADMIN_USER",
    required: true,
    meaning: "Database user that bootstrap creates and then uses, with IAM; never the master user.",
    example: "iam_admin",
};
const RDS_DIAL: Key = Key {
    name: "RDS_DIAL",
    required: false,
    meaning: "host:port to connect to instead of the endpoint, such as the local end of a tunnel. TLS still verifies the endpoint.",
    example: "localhost:13306",
};
const RDS_CA_BUNDLE: Key = Key {
    name: "RDS_CA_BUNDLE",
    required: false,
    meaning: "PEM file with trust roots that replace the bundled ones.",
    example: "/etc/ssl/rds/global-bundle.pem",
};
const RDS_RESOURCE_ID: Key = Key {
    name: "RDS_RESOURCE_ID",
    required: false,
    meaning: "Resource id (db-…, cluster-… or prx-…) of the endpoint; completes the policy in error messages.",
    example: "prx-0a1b2c3d4e5f67890",
};
const AWS_ACCOUNT_ID: Key = Key {
    name: "AWS_ACCOUNT_ID",
    required: false,
    meaning: "AWS account (12 digits) of the endpoint; completes the policy in error messages.",
    example: "123456789012",
};

/// All keys, in the order of a written file.
pub const KEYS: [Key; 11] = [
    ENGINE,
    RDS_ENDPOINT,
    RDS_PORT,
    REGION,
    MASTER_SECRET_NAME,
    DB_NAME,
    IAM_ADMIN_USER,
    RDS_DIAL,
    RDS_CA_BUNDLE,
    RDS_RESOURCE_ID,
    AWS_ACCOUNT_ID,
];

/// A deployment's `rds.conf`. Its `Display` is a file that parses back to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RdsConf {
    /// `ENGINE`
    pub engine: Engine,
    /// `RDS_ENDPOINT` and `RDS_PORT`; tokens are signed for it.
    pub endpoint: Endpoint,
    /// `REGION`
    pub region: Region,
    /// `MASTER_SECRET_NAME`
    pub master_secret: SecretId,
    /// `DB_NAME`
    pub database: DatabaseName,
    /// `IAM_ADMIN_USER`
    pub iam_admin: DbUser,
    /// `RDS_DIAL`
    pub dial: Option<Endpoint>,
    /// `RDS_CA_BUNDLE`
    pub ca_bundle: Option<CaBundle>,
    /// `RDS_RESOURCE_ID`
    pub resource_id: Option<ResourceId>,
    /// `AWS_ACCOUNT_ID`
    pub account_id: Option<AccountId>,
}

impl RdsConf {
    /// Creates a configuration with the required keys; set the optional fields afterwards.
    pub fn new(
        endpoint: Endpoint,
        region: Region,
        master_secret: SecretId,
        database: DatabaseName,
        iam_admin: DbUser,
    ) -> Self {
        Self {
            engine: Engine::default(),
            endpoint,
            region,
            master_secret,
            database,
            iam_admin,
            dial: None,
            ca_bundle: None,
            resource_id: None,
            account_id: None,
        }
    }

    /// Parses a file's text.
    ///
    /// # Errors
    /// Returns [`RdsConfError::Invalid`] with all errors. An operator must fix the text; retrying does not help.
    pub fn parse(text: &str) -> Result<Self, RdsConfError> {
        parse::parse(text).map_err(|errors| RdsConfError::Invalid { path: None, errors })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, is not UTF-8, or is invalid; each error names the file.
    pub fn read(path: &Path) -> Result<Self, RdsConfError> {
        let text = file::read_text(path, MAX_BYTES)
            .map_err(|source| RdsConfError::Read { path: path.to_owned(), source })?;
        parse::parse(&text).map_err(|errors| RdsConfError::Invalid { path: Some(path.to_owned()), errors })
    }

    /// Writes a file atomically: a concurrent reader gets the old text or the new one, and a failure keeps the old one.
    /// A symbolic link to a file is replaced by a file; a device or pipe is written to directly.
    ///
    /// # Errors
    /// Returns an error if the folder is not writable, or `path` is a folder.
    pub fn write(&self, path: &Path) -> Result<(), RdsConfError> {
        file::replace(path, &self.to_string())
            .map_err(|source| RdsConfError::Write { path: path.to_owned(), source })
    }

    /// Returns the address to dial: `RDS_DIAL`, or else the endpoint. TLS verifies the endpoint's host in both cases.
    pub fn connect_to(&self) -> &Endpoint {
        self.dial.as_ref().unwrap_or(&self.endpoint)
    }

    /// Returns the trust roots: those of `RDS_CA_BUNDLE`, or else the bundled ones.
    ///
    /// # Errors
    /// Returns an error if `RDS_CA_BUNDLE` has none that are valid at `now`, or is not set and the bundled ones
    /// do not cover the region ([`Roots::bundled_for`]).
    pub fn roots(&self, now: SystemTime) -> Result<Cow<'static, Roots>, TrustError> {
        match &self.ca_bundle {
            Some(bundle) => Roots::read(Path::new(bundle.as_str()), now).map(Cow::Owned),
            None => Roots::bundled_for(&self.endpoint, &self.region).map(Cow::Borrowed),
        }
    }

    /// Returns the ARN on which a caller needs `rds-db:connect` to log in as `user`; `None` unless the file has the
    /// resource id and the account.
    ///
    /// # Errors
    /// Returns an error if the user's name can't be part of an ARN.
    pub fn arn(&self, user: &DbUser) -> Result<Option<RdsDbArn>, RdsDbArnError> {
        let (Some(account), Some(resource)) = (&self.account_id, &self.resource_id) else { return Ok(None) };
        RdsDbArn::new(self.region.clone(), account.clone(), resource.clone(), user.clone()).map(Some)
    }

    fn entries(&self) -> [(Key, Option<String>); KEYS.len()] {
        [
            (ENGINE, Some(self.engine.to_string())),
            (RDS_ENDPOINT, Some(self.endpoint.host().to_string())),
            (RDS_PORT, Some(self.endpoint.port().to_string())),
            (REGION, Some(self.region.to_string())),
            (MASTER_SECRET_NAME, Some(self.master_secret.to_string())),
            (DB_NAME, Some(self.database.to_string())),
            (IAM_ADMIN_USER, Some(self.iam_admin.to_string())),
            (RDS_DIAL, self.dial.as_ref().map(Endpoint::to_string)),
            (RDS_CA_BUNDLE, self.ca_bundle.as_ref().map(CaBundle::to_string)),
            (RDS_RESOURCE_ID, self.resource_id.as_ref().map(ResourceId::to_string)),
            (AWS_ACCOUNT_ID, self.account_id.as_ref().map(AccountId::to_string)),
        ]
    }
}

impl fmt::Display for RdsConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "# The settings that this deployment's programs need to reach its database. Do not put secrets here.\n\
             # KEY=\"value\" lines, parsed and never run by a shell; write \\\" \\\\ \\$ \\` for \" \\ $ `.\n",
        )?;
        for (key, value) in self.entries() {
            writeln!(f, "\n# {}", key.meaning)?;
            match value {
                Some(value) => writeln!(f, "{}=\"{}\"", key.name, parse::escape(&value))?,
                None => writeln!(f, "# {}=\"{}\"", key.name, key.example)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
