//! A deployment and a declaration for unit tests.

use rds_iam_infra::RdsConf;

use crate::Declaration;

pub(crate) fn conf() -> RdsConf {
    RdsConf::new(
        "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306".parse().unwrap(),
        "eu-west-1".parse().unwrap(),
        "orders/master".parse().unwrap(),
        "node_db".parse().unwrap(),
        "iam_admin".parse().unwrap(),
    )
}

/// Returns one user and one table.
pub(crate) fn declaration() -> Declaration {
    let users = r#"
[[user]]
name = "node_app"
grant = [{ privileges = ["SELECT", "INSERT", "UPDATE", "DELETE"] }]

[schema]
statements = ["""CREATE TABLE IF NOT EXISTS messages (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    message VARCHAR(1000) CHARACTER SET utf8mb4 NOT NULL,
    created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
);"""]
"#;
    Declaration::parse(users, "users.toml").unwrap()
}
