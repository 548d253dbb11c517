//! `rds.conf`: the few facts of a deployment that its programs need, as `KEY="value"` lines.
//!
//! The pipeline writes it from Terraform's outputs; bootstrap and people read it. It holds no secret, only
//! the name of one. It is parsed, never run by a shell, and strictly: whatever is not understood is an
//! error that names file, line and key, and all of them are reported at once.
//!
//! # Format
//! UTF-8 lines ending in a line feed. A line is blank, a comment (`#` first), or `KEY="value"` with no
//! space around `=`, where spaces, tabs and a `# comment` may follow. Between the quotes every character
//! stands for itself, but: a `"`, `\`, `$` or backtick is written with a `\` before it, `\` before
//! anything else is an error, and control characters are not allowed. So a file means the same here as it
//! would to a shell.
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

pub use error::{Cause, Problem, RdsConfError};
pub use values::{CaBundle, DatabaseName, SecretId, ValueError};

/// The largest file that is read: 64 KiB, a hundred times what the keys take.
const MAX_BYTES: u64 = 64 * 1024;

/// What a key means; for help texts, and for the comments of a written file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Whether a file without it is refused.
    pub required: bool,
    /// What it says, in one line.
    pub meaning: &'static str,
    /// A value it might have.
    pub example: &'static str,
}

const ENGINE: Key = Key {
    name: "ENGINE",
    required: false,
    meaning: "Database engine: mysql, the default.",
    example: "mysql",
};
const RDS_ENDPOINT: Key = Key {
    name: "RDS_ENDPOINT",
    required: true,
    meaning: "Host name that the database or proxy has on AWS, never an alias of it; tokens are signed for it. `host:port` also works.",
    example: "orders.c0ffee.eu-west-1.rds.amazonaws.com",
};
const RDS_PORT: Key = Key {
    name: "RDS_PORT",
    required: false,
    meaning: "Port of that endpoint; by default the engine's own, 3306 for mysql.",
    example: "3306",
};
const REGION: Key = Key {
    name: "REGION",
    required: true,
    meaning: "AWS region that the endpoint lies in.",
    example: "eu-west-1",
};
const MASTER_SECRET_NAME: Key = Key {
    name: "MASTER_SECRET_NAME",
    required: true,
    meaning: "Name or ARN, in Secrets Manager, of the master user's secret; only bootstrap reads it.",
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
    meaning: "Database user that bootstrap creates and then works as, by IAM; never the master user.",
    example: "iam_admin",
};
const RDS_DIAL: Key = Key {
    name: "RDS_DIAL",
    required: false,
    meaning: "host:port to connect to where it is not the endpoint: the near end of a tunnel, or this machine. TLS still verifies the endpoint.",
    example: "localhost:13306",
};
const RDS_CA_BUNDLE: Key = Key {
    name: "RDS_CA_BUNDLE",
    required: false,
    meaning: "PEM file of trust roots that replace the shipped ones.",
    example: "/etc/ssl/rds/global-bundle.pem",
};
const RDS_RESOURCE_ID: Key = Key {
    name: "RDS_RESOURCE_ID",
    required: false,
    meaning: "Resource id (db-…, cluster-… or prx-…) of what the endpoint names; completes the policy in hints.",
    example: "prx-0a1b2c3d4e5f67890",
};
const AWS_ACCOUNT_ID: Key = Key {
    name: "AWS_ACCOUNT_ID",
    required: false,
    meaning: "AWS account (12 digits) that it lies in; completes the policy in hints.",
    example: "123456789012",
};

/// Every key, in the order in which a file is written.
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
    /// `RDS_ENDPOINT` and `RDS_PORT`: what tokens are signed for.
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
    /// A configuration with the required keys; set the optional fields afterwards.
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

    /// Reads a file's text.
    ///
    /// # Errors
    /// [`RdsConfError::Invalid`] with every problem found. It is for a person to mend; retrying is no use.
    pub fn parse(text: &str) -> Result<Self, RdsConfError> {
        parse::parse(text).map_err(|problems| RdsConfError::Invalid { path: None, problems })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, is not UTF-8, or is invalid; each error names the file.
    pub fn read(path: &Path) -> Result<Self, RdsConfError> {
        let text = file::read_text(path, MAX_BYTES)
            .map_err(|source| RdsConfError::Read { path: path.to_owned(), source })?;
        parse::parse(&text)
            .map_err(|problems| RdsConfError::Invalid { path: Some(path.to_owned()), problems })
    }

    /// Writes a file, in one step: whoever reads it meanwhile sees the old text or the new one, and a
    /// failure leaves the old one. A symbolic link to a file is replaced by a file; a device or a pipe takes the
    /// text as it comes.
    ///
    /// # Errors
    /// Where the folder does not take the file, or it is a folder itself.
    pub fn write(&self, path: &Path) -> Result<(), RdsConfError> {
        file::replace(path, &self.to_string())
            .map_err(|source| RdsConfError::Write { path: path.to_owned(), source })
    }

    /// Returns the address to dial: `RDS_DIAL`, or else the endpoint. TLS verifies the endpoint's host in both cases.
    pub fn connect_to(&self) -> &Endpoint {
        self.dial.as_ref().unwrap_or(&self.endpoint)
    }

    /// The trust roots: those of `RDS_CA_BUNDLE`, or else all that ship with the program.
    ///
    /// # Errors
    /// Where `RDS_CA_BUNDLE` gives none that are valid at `now`, or is not set and the bundled ones do not cover the
    /// region ([`Roots::bundled_for`]).
    pub fn roots(&self, now: SystemTime) -> Result<Cow<'static, Roots>, TrustError> {
        match &self.ca_bundle {
            Some(bundle) => Roots::read(Path::new(bundle.as_str()), now).map(Cow::Owned),
            None => Roots::bundled_for(&self.endpoint, &self.region).map(Cow::Borrowed),
        }
    }

    /// The ARN that a caller needs `rds-db:connect` on to log in as `user`, where the file names the
    /// resource and the account.
    ///
    /// # Errors
    /// Where the user's name cannot stand in an ARN.
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
            "# What the programs of this deployment need to reach its database. No secrets belong here.\n\
             # KEY=\"value\" lines, parsed, never run by a shell; write \\\" \\\\ \\$ \\` for \" \\ $ `.\n",
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
