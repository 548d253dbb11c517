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

#[cfg(test)]
mod tests {
    use super::*;

    fn permit_of(engine: Engine) -> Permit {
        let endpoint = "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306".parse().unwrap();
        let login = Login::new(endpoint, "eu-west-1".parse().unwrap(), "node_app".parse().unwrap());
        Permit::new(engine, login, "node_db".parse().unwrap())
    }

    #[test]
    fn what_permits_the_service() {
        let permit = permit_of(Engine::MySql);
        let of = |number| permit.for_code(Some(ServerCode::MySql(number)));
        insta::assert_snapshot!(of(1045).unwrap(), @r#"
        The statement that the caller's role needs:
        {
          "Sid": "ConnectToDatabase",
          "Effect": "Allow",
          "Action": "rds-db:connect",
          "Resource": [
            "arn:aws:rds-db:eu-west-1:<account: 12 digits>:dbuser:<resource-id: db-… of the instance, cluster-… of the Aurora cluster, prx-… of the proxy>/node_app"
          ]
        }
        The user that the server needs:
        CREATE USER IF NOT EXISTS 'node_app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';
        ALTER USER 'node_app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL ACCOUNT UNLOCK;
        The privileges that the user needs:
        GRANT SELECT, INSERT, UPDATE, DELETE ON `node\_db`.* TO 'node_app'@'%';
        "#);
        // The login succeeded: neither the policy nor the user is wrong.
        insta::assert_snapshot!(of(1142).unwrap(), @r"
        The privileges that the user needs:
        GRANT SELECT, INSERT, UPDATE, DELETE ON `node\_db`.* TO 'node_app'@'%';
        ");
        assert_eq!(of(1227), None);

        let permit = permit_of(Engine::Postgres);
        let of = |code| permit.for_code(ServerCode::from_sqlstate(code));
        insta::assert_snapshot!(of("42501").unwrap(), @r#"
        The privileges that the user needs:
        GRANT CONNECT ON DATABASE "node_db" TO "node_app";
        -- In that database:
        GRANT USAGE ON SCHEMA public TO "node_app";
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "node_app";
        "#);
        assert!(of("28000").unwrap().contains("\nGRANT rds_iam TO \"node_app\";\n"));
        assert_eq!(of("3D000"), None);
    }
}
