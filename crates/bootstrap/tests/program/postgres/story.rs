//! Runs from an empty database to drift and back.

use rds_iam_emulator_server::PostgresVersion;

use super::support::{Deployment, VERSIONS};
use crate::support::{Result, execute};

#[tokio::test]
async fn from_nothing_to_drift_and_back() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        let planned = deployment.bootstrap(&["--plan"]).await?.expect(0);
        assert!(planned.stdout.contains("CREATE ROLE \"iam_admin\" LOGIN CREATEROLE;"), "{}", planned.stdout);
        deployment.bootstrap(&["--check"]).await?.expect(2);
        let made = deployment.bootstrap(&[]).await?.expect(0);
        assert!(
            made.stdout.contains("login as app: ok, by token over verified TLS, as app"),
            "{}",
            made.stdout
        );
        // Since 16 the admin also needs the right to grant `rds_iam`.
        let changes = if version == PostgresVersion::V15 { 9 } else { 10 };
        let expected = format!("{changes} changes made and verified");
        assert!(made.stdout.contains(&expected), "{}", made.stdout);

        // The user does its work, by token.
        let mut app = deployment.by_iam("app").await?;
        execute(&mut app, "INSERT INTO messages (message) VALUES ('x')").await?;
        assert!(execute(&mut app, "DELETE FROM messages").await.is_err());
        assert!(execute(&mut app, "CREATE TABLE mine (id int)").await.is_err());

        // The second run, and the checks, which no longer need the master user.
        let again = deployment.bootstrap(&[]).await?.expect(0);
        assert!(again.stdout.contains("no changes: everything is as declared"), "{}", again.stdout);
        let checked = deployment.bootstrap(&["--check", "--json"]).await?.expect(0).json()?;
        assert_eq!((&checked["outcome"], &checked["read_as"]), (&"clean".into(), &"admin".into()));

        // An operator grants by hand, on every level.
        let mut admin = deployment.by_iam("iam_admin").await?;
        for sql in [
            "GRANT DELETE ON messages TO app",
            "GRANT UPDATE (message) ON messages TO app",
            "GRANT SELECT ON messages TO app WITH GRANT OPTION",
            "REVOKE INSERT ON messages FROM app",
        ] {
            execute(&mut admin, sql).await?;
        }
        deployment
            .as_master(&[
                "GRANT CREATE ON SCHEMA public TO app",
                "GRANT CREATE ON DATABASE node_db TO app",
                "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
                "GRANT EXECUTE ON FUNCTION f TO app",
                "CREATE ROLE writers",
                "GRANT writers TO app",
                "ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO app",
            ])
            .await?;
        let drift = deployment.bootstrap(&["--check"]).await?.expect(2);
        for sql in [
            "GRANT INSERT ON TABLE \"public\".\"messages\" TO \"app\";",
            "REVOKE DELETE ON TABLE \"public\".\"messages\" FROM \"app\";",
            "REVOKE UPDATE (\"message\") ON TABLE \"public\".\"messages\" FROM \"app\";",
            "REVOKE GRANT OPTION FOR SELECT ON TABLE \"public\".\"messages\" FROM \"app\";",
            "REVOKE CREATE ON SCHEMA \"public\" FROM \"app\";",
            "REVOKE CREATE ON DATABASE \"node_db\" FROM \"app\";",
            "REVOKE EXECUTE ON ROUTINE \"public\".\"f\"(integer) FROM \"app\";",
            "REVOKE \"writers\" FROM \"app\";",
            "ALTER DEFAULT PRIVILEGES FOR ROLE \"postgres\" REVOKE DELETE ON TABLES FROM \"app\";",
        ] {
            assert!(drift.stdout.contains(sql), "{version}: {sql} is not in {}", drift.stdout);
        }
        assert!(drift.stdout.contains("drift: 9 changes needed"), "{}", drift.stdout);
        deployment.bootstrap(&[]).await?.expect(0);
        deployment.bootstrap(&["--check"]).await?.expect(0);
        execute(&mut app, "INSERT INTO messages (message) VALUES ('y')").await?;
        assert!(execute(&mut app, "DELETE FROM messages").await.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn tables_of_tomorrow_are_covered() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment.declare(
            r#"
            [[user]]
            name = "app"
            grant = [{ privileges = ["SELECT"] }, { sequence = "*", privileges = ["USAGE"] }]
            [schema]
            name = "orders"
            owner = "orders_owner"
            statements = ["CREATE TABLE IF NOT EXISTS one (id int)"]
            "#,
        )?;
        deployment.as_master(&["CREATE TABLE public.unrelated (id int)"]).await?;
        deployment.bootstrap(&[]).await?.expect(0);
        let owner = "SELECT tableowner::text FROM pg_tables WHERE schemaname = 'orders'";
        assert_eq!(deployment.column(owner).await?, ["orders_owner"]);

        let mut admin = deployment.by_iam("iam_admin").await?;
        execute(&mut admin, "SET ROLE orders_owner; CREATE TABLE orders.two (id serial)").await?;
        let mut app = deployment.by_iam("app").await?;
        execute(&mut app, "SELECT * FROM orders.two; SELECT nextval('orders.two_id_seq')").await?;
        assert!(execute(&mut app, "SELECT * FROM public.unrelated").await.is_err());
        deployment.bootstrap(&["--check"]).await?.expect(0);
    }
    Ok(())
}

#[tokio::test]
async fn grant_all_on_schema_public() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment.declare(
            r#"
            [[user]]
            name = "db_user"
            settings = { statement_timeout = "4s", search_path = "public" }
            grant = [{ schema = "public", privileges = ["ALL"] }, { privileges = ["CONNECT"] }]
            [schema]
            extensions = ["pgcrypto", "citext"]
            statements = ["CREATE TABLE IF NOT EXISTS words (word citext)"]
            "#,
        )?;
        deployment.bootstrap(&[]).await?.expect(0);
        deployment.bootstrap(&["--check"]).await?.expect(0);
        let mut user = deployment.by_iam("db_user").await?;
        execute(&mut user, "CREATE TABLE mine (id int); INSERT INTO mine VALUES (1)").await?;
        let timeout: String =
            sqlx::query_scalar("SELECT current_setting('statement_timeout')").fetch_one(&mut user).await?;
        assert_eq!(timeout, "4s");
        let checked = deployment.bootstrap(&["--check"]).await?.expect(0).stdout;
        assert!(checked.contains("db_user owns 1 object, such as table public.mine"), "{checked}");
    }
    Ok(())
}

/// The sequences of a new table's columns are covered in the first run: by `*`, and by their usual names.
#[tokio::test]
async fn sequences_of_new_tables_are_granted_in_the_first_run() -> Result {
    for version in VERSIONS {
        for sequence in ["*", "orders_id_seq"] {
            let mut deployment = Deployment::start(version).await?;
            deployment.declare(&with_orders(sequence))?;
            deployment.bootstrap(&[]).await?.expect(0);
            deployment.bootstrap(&["--check"]).await?.expect(0);
            let mut app = deployment.by_iam("app").await?;
            execute(&mut app, "INSERT INTO orders (note) VALUES ('first')").await?;
        }
    }
    Ok(())
}

/// The server gives the sequence of a new table another name than the usual one, if that is taken.
#[tokio::test]
async fn a_sequence_with_an_unforeseen_name_is_granted_in_the_first_run() -> Result {
    for version in VERSIONS {
        let mut deployment = Deployment::start(version).await?;
        deployment.as_master(&["CREATE SEQUENCE orders_id_seq"]).await?;
        deployment.declare(&with_orders("*"))?;
        let made = deployment.bootstrap(&[]).await?.expect(0).stdout;
        assert!(made.contains("grant USAGE on sequence public.orders_id_seq1 to app"), "{made}");
        deployment.bootstrap(&["--check"]).await?.expect(0);
        execute(&mut deployment.by_iam("app").await?, "INSERT INTO orders DEFAULT VALUES").await?;
    }
    Ok(())
}

fn with_orders(sequence: &str) -> String {
    format!(
        r#"
        [[user]]
        name = "app"
        grant = [
          {{ privileges = ["SELECT", "INSERT"] }},
          {{ schema = "public", sequence = "{sequence}", privileges = ["USAGE"] }},
        ]
        [schema]
        statements = ["CREATE TABLE IF NOT EXISTS orders (id BIGSERIAL PRIMARY KEY, note text)"]
        "#
    )
}
