//! Tests that the users files of the README are valid, each for its engine, and that MySQL's is valid for PostgreSQL as far
//! as the README says.

use std::fs;

use rds_iam_bootstrap::Declaration;
use rds_iam_infra::{Engine, RdsConf};

const README: &str = include_str!("../README.md");

fn conf(engine: Engine) -> RdsConf {
    let mut conf = RdsConf::new(
        "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306".parse().unwrap(),
        "eu-west-1".parse().unwrap(),
        "orders/master".parse().unwrap(),
        "node_db".parse().unwrap(),
        "iam_admin".parse().unwrap(),
    );
    conf.engine = engine;
    conf
}

/// Returns MySQL's example and PostgreSQL's.
fn examples() -> [&'static str; 2] {
    let blocks = README.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.collect::<Vec<_>>().try_into().expect("the README has two blocks of TOML")
}

/// Reads a users file that has a schema beside it.
fn read(text: &str) -> Declaration {
    let folder = tempfile::tempdir().unwrap();
    let schema = "CREATE TABLE IF NOT EXISTS orders (id INT PRIMARY KEY);";
    fs::write(folder.path().join("schema.sql"), schema).unwrap();
    let file = folder.path().join("users.toml");
    fs::write(&file, text).unwrap();
    Declaration::read(&file).unwrap()
}

#[test]
fn the_users_files_are_valid() {
    let [for_mysql, for_postgres] = examples();
    let declared = read(for_mysql);
    declared.validate(&conf(Engine::MySql)).unwrap();
    assert_eq!((declared.users().len(), declared.schema().len()), (1, 2));
    let declared = read(for_postgres);
    declared.validate(&conf(Engine::Postgres)).unwrap();
    assert_eq!((declared.users().len(), declared.schema().len()), (1, 1));
    assert_eq!(declared.schema_options().owner.as_deref(), Some("orders_owner"));
}

#[test]
fn mysqls_is_valid_for_postgresql_without_its_host_and_the_table_of_another_database() {
    let [for_mysql, _] = examples();
    let refused = read(for_mysql).validate(&conf(Engine::Postgres)).unwrap_err().to_string();
    assert!(refused.contains("host"), "{refused}");
    assert!(refused.contains("\"archive\" need a run with that DB_NAME"), "{refused}");
    let (before, rest) = for_mysql.split_once("[[user.grant]]\ndatabase").unwrap();
    let (_, schema) = rest.split_once("[schema]").unwrap();
    let text = format!("{}[schema]{schema}", before.replace("host =", "# host ="));
    let declared = read(&text);
    declared.validate(&conf(Engine::Postgres)).unwrap();
    assert_eq!((declared.users().len(), declared.schema().len()), (1, 2));
}
