//! Tests of runs on existing databases: accounts that another program created, limited or changed, anonymous
//! accounts, and the server's mandatory roles.

use crate::support::{Deployment, Result, column, execute};

/// A lock-out policy and resource limits come from the time of the password and stop logins by token.
#[tokio::test]
async fn limits_of_a_taken_over_account_are_lifted() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut master = deployment.master().await?;
    execute(
        &mut master,
        "CREATE USER node_app IDENTIFIED BY 'old password' \
         WITH MAX_QUERIES_PER_HOUR 1000 MAX_CONNECTIONS_PER_HOUR 90 MAX_USER_CONNECTIONS 9 \
         PASSWORD EXPIRE INTERVAL 30 DAY PASSWORD HISTORY 5 \
         FAILED_LOGIN_ATTEMPTS 5 PASSWORD_LOCK_TIME 1",
    )
    .await?;
    let planned = deployment.bootstrap(&["--plan"]).await?.expect(0).stdout;
    deployment.bootstrap(&[]).await?.expect(0);
    let limits = "SELECT CONCAT_WS(' ', max_questions, max_updates, max_connections, max_user_connections, \
         IFNULL(CAST(JSON_EXTRACT(User_attributes, '$.Password_locking') AS CHAR), 'unlimited')) \
         FROM mysql.user WHERE User = 'node_app'";
    assert_eq!(column(&mut master, limits).await?, ["0 0 0 0 unlimited"]);
    assert!(planned.contains("FAILED_LOGIN_ATTEMPTS 5"), "{planned}");
    assert!(planned.contains("MAX_USER_CONNECTIONS 9"), "{planned}");
    deployment.bootstrap(&["--check"]).await?.expect(0);

    // Later, each of them is drift.
    for limit in [
        "FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME UNBOUNDED",
        "WITH MAX_QUERIES_PER_HOUR 1",
        "WITH MAX_UPDATES_PER_HOUR 1",
        "WITH MAX_CONNECTIONS_PER_HOUR 1",
        "WITH MAX_USER_CONNECTIONS 1",
    ] {
        execute(&mut master, &format!("ALTER USER node_app {limit}")).await?;
        deployment.bootstrap(&["--check"]).await?.expect(2);
        deployment.bootstrap(&[]).await?.expect(0);
        assert_eq!(column(&mut master, limits).await?, ["0 0 0 0 unlimited"], "{limit}");
    }
    Ok(())
}

/// The global privilege has to be revoked before the grant, or the grant only ends the restriction and is revoked
/// with it.
#[tokio::test]
async fn partial_revokes_are_undone_in_the_right_order() -> Result {
    let deployment = Deployment::start("orders_db").await?;
    let mut master = deployment.master().await?;
    for sql in [
        "SET PERSIST partial_revokes = ON",
        "CREATE USER node_app IDENTIFIED BY 'old password'",
        "GRANT SELECT, INSERT ON *.* TO node_app",
        "REVOKE SELECT ON orders_db.* FROM node_app",
    ] {
        execute(&mut deployment.root().await?, sql).await?;
    }
    let users = "[[user]]\nname = \"node_app\"\ngrant = [{ privileges = [\"SELECT\", \"INSERT\"] }]\n";
    let users = deployment.write("users.toml", users)?;
    deployment.bootstrap(&["--users", &users]).await?.expect(0);
    insta::assert_snapshot!(column(&mut master, "SHOW GRANTS FOR node_app").await?.join("\n"), @r"
    GRANT USAGE ON *.* TO `node_app`@`%`
    GRANT SELECT, INSERT ON `orders_db`.* TO `node_app`@`%`
    ");
    deployment.bootstrap(&["--users", &users, "--check"]).await?.expect(0);
    Ok(())
}

/// The server gives every account these roles; only its own settings can take them away.
#[tokio::test]
async fn mandatory_roles_are_reported() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut root = deployment.root().await?;
    deployment.bootstrap(&[]).await?.expect(0);
    for sql in [
        "CREATE ROLE app_rw",
        "GRANT ALL ON node_db.* TO app_rw",
        "SET GLOBAL mandatory_roles = 'app_rw'",
        "SET GLOBAL activate_all_roles_on_login = ON",
    ] {
        execute(&mut root, sql).await?;
    }
    let checked = deployment.bootstrap(&["--check"]).await?.expect(0);
    assert!(checked.stdout.contains("mandatory_roles"), "{}", checked.stdout);
    assert!(checked.stdout.contains("app_rw"), "{}", checked.stdout);
    Ok(())
}

/// Two declared hosts of one name are no reason to drop either.
#[tokio::test]
async fn declared_accounts_of_the_same_name_are_no_problem() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let grant = "grant = [{ privileges = [\"SELECT\"] }]";
    let users = format!(
        "[[user]]\nname = \"node_app\"\n{grant}\n[[user]]\nname = \"node_app\"\nhost = \"10.170.213.4\"\n{grant}\n"
    );
    let users = deployment.write("users.toml", &users)?;
    deployment.bootstrap(&["--users", &users]).await?.expect(0);
    let again = deployment.bootstrap(&["--users", &users, "--check"]).await?.expect(0);
    assert!(!again.stdout.contains("DROP USER"), "{}", again.stdout);
    Ok(())
}

/// The server chooses the narrowest host first, even without a user name.
#[tokio::test]
async fn anonymous_accounts_that_take_precedence_are_reported() -> Result {
    let deployment = Deployment::start("node_db").await?;
    deployment.bootstrap(&[]).await?.expect(0);
    let mut master = deployment.master().await?;
    execute(&mut master, "CREATE USER ''@'10.0.0.1'").await?;
    execute(&mut master, "CREATE USER node_app@'*'").await?;
    let checked = deployment.bootstrap(&["--check"]).await?.expect(0).stdout;
    assert!(checked.contains("DROP USER ``@`10.0.0.1`"), "{checked}");
    assert!(checked.contains("node_app@* exists beside node_app@% and matches no client"), "{checked}");
    Ok(())
}

/// In a database that rds.sh set up, its user stays, with its privileges.
#[tokio::test]
async fn what_stays_behind_is_named() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut master = deployment.master().await?;
    for sql in [
        "CREATE USER node_user IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON node_db.* TO node_user",
        "CREATE USER old_app IDENTIFIED BY 'old password'",
        "GRANT ALL ON node_db.* TO old_app",
        "CREATE USER elsewhere IDENTIFIED BY 'old password'",
        "GRANT ALL ON other_db.* TO elsewhere",
    ] {
        execute(&mut master, sql).await?;
    }
    for arguments in [["--plan"], ["--json"], ["--check"]] {
        let run = deployment.bootstrap(&arguments).await?.expect(0).stdout;
        assert!(run.contains("node_user@% is not declared") && run.contains("CREATE on node_db.*"), "{run}");
        assert!(run.contains("DROP USER `node_user`@`%`"), "{run}");
        assert!(run.contains("DROP USER `old_app`@`%`"), "{run}");
        assert!(!run.contains("elsewhere"), "{run}");
    }
    Ok(())
}

/// A login without the required certificate has its own result.
#[tokio::test]
async fn a_certificate_that_is_missing_has_its_own_word() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut master = deployment.master().await?;
    execute(&mut master, "CREATE USER node_app IDENTIFIED BY 'old password' REQUIRE X509").await?;
    let json = deployment.bootstrap(&["--json"]).await?.expect(0).json()?;
    assert_eq!(json["logins"][0]["result"], "certificate_required", "{json}");
    Ok(())
}
