//! The statements of the crate's README that create a service's user, on each engine.

use rds_iam_emulator_server::{Server, fixtures, on_each_engine};
use rds_iam_sqlx::{Databases, Pool};

use crate::support::{TestEngine, quiet};

const README: &str = include_str!("../../README.md");

on_each_engine![
    #[tokio::test]
    the_statements_of_the_readme_let_a_service_in,
];

async fn the_statements_of_the_readme_let_a_service_in<DB: TestEngine>() {
    let mut blocks = README.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let statements = blocks.find(|block| block.contains(DB::IAM_USER)).expect("a block of the engine");
    let server = Server::<DB>::builder().database("orders").start().await.unwrap();
    let table = if DB::DRIVER == "mysql" { "orders.orders" } else { "orders" };
    fixtures::execute(&server, [format!("CREATE TABLE {table} (id INT)").as_str(), statements])
        .await
        .unwrap();

    let pool = Pool::<DB>::builder(server.endpoint(), "node_app")
        .tokens(fixtures::tokens(&server, "node_app"))
        .dial(server.dial())
        .root_certificates(server.ca_pem())
        .database("orders")
        .limits(quiet())
        .connect()
        .await
        .unwrap();
    for statement in ["INSERT INTO orders VALUES (1)", "UPDATE orders SET id = 2", "DELETE FROM orders"] {
        sqlx::raw_sql(statement).execute(&pool).await.unwrap();
    }
    let refused = sqlx::raw_sql("DROP TABLE orders").execute(&pool).await;
    assert!(refused.is_err(), "these privileges and no others");
}

#[test]
fn the_configuration_of_the_readme_is_valid() {
    let yaml = README.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let databases = Databases::from_yaml(yaml, "README.md").unwrap();
    let names: std::collections::BTreeSet<_> = databases.names().collect();
    assert_eq!(names, ["reader", "reports", "writer"].into());
}
