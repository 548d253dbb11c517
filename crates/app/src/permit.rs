//! What permits the service to log in and to use its table, for the log of a refusal.

use rds_iam_infra::Engine;
use rds_iam_infra::arn::{AccountId, ResourceId};
use rds_iam_infra::rds_conf::DatabaseName;
use rds_iam_infra::remedy::{self, Refusal};
use rds_iam_token::{Login, ServerCode};

/// The privileges of the service's user on the tables of its database.
const PRIVILEGES: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// The parts of a deployment that a policy statement and the SQL of the service's user name.
#[derive(Clone, Debug)]
pub struct Permit {
    engine: Engine,
    login: Login,
    database: DatabaseName,
    account: Option<AccountId>,
    resource: Option<ResourceId>,
}

impl Permit {
    /// The permit of a login to a database. Account and resource id are placeholders in its text.
    #[must_use]
    pub fn new(engine: Engine, login: Login, database: DatabaseName) -> Self {
        Self { engine, login, database, account: None, resource: None }
    }

    /// Sets the account and the resource id, as far as they are known.
    #[must_use]
    pub fn resource(self, account: Option<AccountId>, resource: Option<ResourceId>) -> Self {
        Self { account, resource, ..self }
    }

    /// Returns the policy statement and the SQL that help against the server's refusal; `None` if none of them does.
    #[must_use]
    pub fn for_code(&self, code: Option<ServerCode>) -> Option<String> {
        remedy::for_refusal(&Refusal {
            engine: self.engine,
            login: &self.login,
            code,
            account: self.account.as_ref(),
            resource: self.resource.as_ref(),
            privileges: &PRIVILEGES,
            database: Some(&self.database),
        })
    }
}
