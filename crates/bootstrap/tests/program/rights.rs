//! Tests of runs in which the master user has its privileges through a role, directly, or only in part.

use crate::support::{Deployment, Result, column, execute};

/// As on RDS since 8.0.36, the master user's rights come from a role.
#[tokio::test]
async fn the_master_user_holds_its_rights_through_a_role() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut master = deployment.master().await?;
    let direct = "SELECT CAST(Create_user_priv AS CHAR) FROM mysql.user WHERE User = 'admin'";
    assert_eq!(column(&mut master, direct).await?, ["N"]);
    assert_eq!(column(&mut master, "SELECT CURRENT_ROLE()").await?, ["`rds_superuser_role`@`%`"]);
    deployment.bootstrap(&[]).await?.expect(0);
    deployment.bootstrap(&["--check"]).await?.expect(0);
    Ok(())
}

/// As on older instances and on Aurora 2.
#[tokio::test]
async fn the_master_user_holds_its_rights_itself() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut root = deployment.root().await?;
    for sql in [
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, \
         SHOW DATABASES, CREATE USER, CREATE VIEW, SHOW VIEW, TRIGGER ON *.* TO admin WITH GRANT OPTION",
        "SET DEFAULT ROLE NONE TO admin",
    ] {
        execute(&mut root, sql).await?;
    }
    deployment.bootstrap(&[]).await?.expect(0);
    deployment.bootstrap(&["--check"]).await?.expect(0);
    Ok(())
}

/// If the master user may not grant the right to read the catalog, it reads the catalog itself.
#[tokio::test]
async fn the_master_user_may_not_open_the_catalog() -> Result {
    let deployment = Deployment::start("node_db").await?;
    deployment.bootstrap(&[]).await?.expect(0);
    let mut root = deployment.root().await?;
    // GRANT OPTION on the database only, not on the whole server.
    for sql in [
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM iam_admin",
        "GRANT CREATE USER ON *.* TO iam_admin",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `node\\_db`.* TO iam_admin WITH GRANT OPTION",
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM admin",
        "GRANT SELECT, CREATE USER, RELOAD, PROCESS ON *.* TO admin",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON `node\\_db`.* TO admin WITH GRANT OPTION",
        "SET DEFAULT ROLE NONE TO admin",
    ] {
        execute(&mut root, sql).await?;
    }
    let users = "[[user]]\nname = \"node_app\"\ngrant = [{ privileges = [\"SELECT\", \"INSERT\", \"UPDATE\", \"DELETE\"] }]\n\
         [[user]]\nname = \"reader\"\ngrant = [{ privileges = [\"SELECT\"] }]\n\
         [schema]\nstatements = [\"CREATE TABLE IF NOT EXISTS notes (i INT)\"]\n";
    let users = deployment.write("users.toml", users)?;
    let made = deployment.bootstrap(&["--users", &users, "--json"]).await?.expect(0).json()?;
    assert_eq!(made["outcome"], "changed");
    let again = deployment.bootstrap(&["--users", &users]).await?.expect(0).stdout;
    assert!(again.contains("did not let iam_admin@% read"), "{again}");
    assert!(again.contains("no changes: everything is as declared"), "{again}");
    let checked = deployment.bootstrap(&["--users", &users, "--check", "--json"]).await?.expect(0).json()?;
    assert_eq!((&checked["read_as"], &checked["outcome"]), (&"master".into(), &"clean".into()), "{checked}");
    Ok(())
}
