//! Tests of the `rds-iam-bootstrap` command as a team uses it: plan, apply, check, and correct drift. Also users
//! with passwords, unusual names, locked accounts, and callers without permission.

use crate::support::{Deployment, Result, column, execute};

#[tokio::test]
async fn from_nothing_to_drift_and_back() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut master = deployment.master().await?;
    let accounts =
        "SELECT CAST(User AS CHAR) FROM mysql.user WHERE User IN ('iam_admin', 'node_app') ORDER BY 1";

    // A plan, before anything exists: read as the master user, and nothing is changed.
    let planned = deployment.bootstrap(&["--plan"]).await?.expect(0);
    assert!(planned.stdout.contains("read as the master user"), "{}", planned.stdout);
    assert!(planned.stdout.contains("+ create node_app@%"), "{}", planned.stdout);
    assert!(
        planned.stdout.contains(r"GRANT SELECT, INSERT, UPDATE, DELETE ON `node\_db`.* TO `node_app`@`%`;")
    );
    assert_eq!(column(&mut master, accounts).await?, Vec::<String>::new());
    deployment.bootstrap(&["--check"]).await?.expect(2);

    // The run makes the planned changes.
    let planned = deployment.bootstrap(&["--plan", "--json"]).await?.expect(0);
    let made = deployment.bootstrap(&["--json"]).await?.expect(0);
    assert_eq!(made.sql()?, planned.sql()?);
    let json = made.json()?;
    assert_eq!((&json["outcome"], &json["read_as"]), (&"changed".into(), &"master".into()));
    assert_eq!(json["logins"][0]["result"], "ok");
    assert_eq!(json["logins"][0]["current_user"], "node_app@%");
    assert_eq!(column(&mut master, accounts).await?, ["iam_admin", "node_app"]);
    insta::assert_snapshot!(column(&mut master, "SHOW GRANTS FOR node_app").await?.join("\n"), @r"
    GRANT USAGE ON *.* TO `node_app`@`%`
    GRANT SELECT, INSERT, UPDATE, DELETE ON `node\_db`.* TO `node_app`@`%`
    ");
    insta::assert_snapshot!(column(&mut master, "SHOW GRANTS FOR iam_admin").await?.join("\n"), @r"
    GRANT CREATE USER ON *.* TO `iam_admin`@`%`
    GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `node\_db`.* TO `iam_admin`@`%` WITH GRANT OPTION
    GRANT SELECT ON `mysql`.`columns_priv` TO `iam_admin`@`%`
    GRANT SELECT ON `mysql`.`db` TO `iam_admin`@`%`
    GRANT SELECT ON `mysql`.`global_grants` TO `iam_admin`@`%`
    GRANT SELECT ON `mysql`.`procs_priv` TO `iam_admin`@`%`
    GRANT SELECT ON `mysql`.`proxies_priv` TO `iam_admin`@`%`
    GRANT SELECT ON `mysql`.`role_edges` TO `iam_admin`@`%`
    GRANT SELECT ON `mysql`.`tables_priv` TO `iam_admin`@`%`
    GRANT SELECT ON `mysql`.`user` TO `iam_admin`@`%`
    ");
    assert_eq!(column(&mut master, "SHOW TABLES IN node_db").await?, ["messages"]);

    // The second run, and the checks, which no longer need the master user.
    let again = deployment.bootstrap(&[]).await?.expect(0);
    assert!(again.stdout.contains("no changes: everything is as declared"), "{}", again.stdout);
    let checked = deployment.bootstrap(&["--check", "--json"]).await?.expect(0);
    assert_eq!(
        (&checked.json()?["outcome"], &checked.json()?["read_as"]),
        (&"clean".into(), &"admin".into())
    );

    // An operator grants by hand, on every level.
    for sql in [
        "GRANT DROP, CREATE ON `node\\_db`.* TO node_app WITH GRANT OPTION",
        "GRANT SELECT ON `node_db`.* TO node_app",
        "GRANT SELECT ON node_db.messages TO node_app",
        "GRANT SELECT (id), UPDATE (message) ON node_db.messages TO node_app",
        "GRANT PROCESS, RELOAD ON *.* TO node_app WITH GRANT OPTION",
        "CREATE PROCEDURE node_db.p() SELECT 1",
        "GRANT EXECUTE ON PROCEDURE node_db.p TO node_app WITH GRANT OPTION",
        "REVOKE DELETE ON `node\\_db`.* FROM node_app",
        "CREATE USER node_app@'10.0.0.1' IDENTIFIED BY 'x'",
        "GRANT DROP ON `node\\_db`.* TO iam_admin",
    ] {
        execute(&mut master, sql).await?;
    }
    let drift = deployment.bootstrap(&["--check"]).await?.expect(2);
    insta::assert_snapshot!(drift.stdout.replace(&deployment.conf.endpoint.to_string(), "<endpoint>"), @r"
    node_db at <endpoint>, read as the IAM admin

    as the master user:
      - revoke DROP on node\_db.* from iam_admin@%
          REVOKE DROP ON `node\_db`.* FROM `iam_admin`@`%`;

    as the IAM admin:
      + grant DELETE on node\_db.* to node_app@%
          GRANT DELETE ON `node\_db`.* TO `node_app`@`%`;

    as the master user:
      - revoke GRANT OPTION, PROCESS, RELOAD on the whole server (*.*) from node_app@%
          REVOKE GRANT OPTION, PROCESS, RELOAD ON *.* FROM `node_app`@`%`;
      - revoke CREATE, DROP, GRANT OPTION on node\_db.* from node_app@%
          REVOKE CREATE, DROP, GRANT OPTION ON `node\_db`.* FROM `node_app`@`%`;
      - revoke SELECT on node_db.* from node_app@% (_ and % are wildcards there)
          REVOKE SELECT ON `node_db`.* FROM `node_app`@`%`;

    as the IAM admin:
      - revoke SELECT on node_db.messages.id from node_app@%
          REVOKE SELECT (`id`) ON `node_db`.`messages` FROM `node_app`@`%`;
      - revoke UPDATE on node_db.messages.message from node_app@%
          REVOKE UPDATE (`message`) ON `node_db`.`messages` FROM `node_app`@`%`;
      - revoke SELECT on node_db.messages from node_app@%
          REVOKE SELECT ON `node_db`.`messages` FROM `node_app`@`%`;

    as the master user:
      - revoke GRANT OPTION, EXECUTE on procedure node_db.p from node_app@%
          REVOKE GRANT OPTION, EXECUTE ON PROCEDURE `node_db`.`p` FROM `node_app`@`%`;

    warning: node_app@10.0.0.1 exists beside node_app@% and is used instead by clients from that host; if no client needs it: DROP USER `node_app`@`10.0.0.1`
    drift: 9 changes needed; run without --check to make them
    ");
    let corrected = deployment.bootstrap(&[]).await?.expect(0);
    assert!(corrected.stdout.contains("login as node_app: ok"), "{}", corrected.stdout);
    deployment.bootstrap(&["--check"]).await?.expect(0);
    insta::assert_snapshot!(column(&mut master, "SHOW GRANTS FOR node_app@'%'").await?.join("\n"), @r"
    GRANT USAGE ON *.* TO `node_app`@`%`
    GRANT SELECT, INSERT, UPDATE, DELETE ON `node\_db`.* TO `node_app`@`%`
    ");
    Ok(())
}

#[tokio::test]
async fn a_user_with_a_password_is_switched_and_the_plan_says_so() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut master = deployment.master().await?;
    execute(&mut master, "CREATE USER node_app IDENTIFIED BY 'old password'").await?;
    execute(&mut master, "GRANT ALL PRIVILEGES ON node_db.* TO node_app").await?;

    let planned = deployment.bootstrap(&["--plan"]).await?.expect(0);
    assert!(
        planned.stdout.contains("~ switch node_app@% from caching_sha2_password to IAM: its password ends"),
        "{}",
        planned.stdout
    );
    let plugin = "SELECT CAST(plugin AS CHAR) FROM mysql.user WHERE User = 'node_app'";
    assert_eq!(column(&mut master, plugin).await?, ["caching_sha2_password"], "a plan changes nothing");

    deployment.bootstrap(&[]).await?.expect(0);
    assert_eq!(column(&mut master, plugin).await?, ["AWSAuthenticationPlugin"]);
    let grants = column(&mut master, "SHOW GRANTS FOR node_app").await?;
    assert_eq!(grants[1], "GRANT SELECT, INSERT, UPDATE, DELETE ON `node\\_db`.* TO `node_app`@`%`");
    assert_eq!(grants.len(), 2);
    Ok(())
}

#[tokio::test]
async fn declared_users_with_hostile_names_around_them() -> Result {
    let database = r"o`dd_d%b 'x'";
    let deployment = Deployment::start(database).await?;
    let mut master = deployment.master().await?;
    execute(&mut master, "CREATE TABLE `o``dd_d%b 'x'`.`t``; --` (i INT)").await?;
    let users = r#"
        [[user]]
        name = "reader"
        grant = [{ privileges = ["SELECT"] }]
        [[user]]
        name = "zoe+1=x,y.z@example.com"
        host = "127.0.0.%"
        grant = [{ table = "t`; --", privileges = ["insert", "Create View"] }]
        [[user]]
        name = "idle"
        [schema]
        statements = ["CREATE TABLE IF NOT EXISTS `a;b``` (x VARCHAR(9) DEFAULT ';')"]
    "#;
    let users = deployment.write("users.toml", users)?;
    let made = deployment.bootstrap(&["--users", &users, "--json"]).await?.expect(0);
    assert_eq!(made.json()?["outcome"], "changed");
    assert_eq!(column(&mut master, "SHOW TABLES IN `o``dd_d%b 'x'`").await?, ["a;b`", "t`; --"]);
    insta::assert_snapshot!(column(&mut master, "SHOW GRANTS FOR `zoe+1=x,y.z@example.com`@`127.0.0.%`").await?.join("\n"), @r"
    GRANT USAGE ON *.* TO `zoe+1=x,y.z@example.com`@`127.0.0.%`
    GRANT INSERT, CREATE VIEW ON `o``dd_d%b 'x'`.`t``; --` TO `zoe+1=x,y.z@example.com`@`127.0.0.%`
    ");
    insta::assert_snapshot!(column(&mut master, "SHOW GRANTS FOR reader").await?.join("\n"), @r"
    GRANT USAGE ON *.* TO `reader`@`%`
    GRANT SELECT ON `o``dd\_d\%b 'x'`.* TO `reader`@`%`
    ");
    let again = deployment.bootstrap(&["--users", &users, "--json"]).await?.expect(0);
    assert_eq!(again.json()?["outcome"], "clean");
    deployment.bootstrap(&["--users", &users, "--check"]).await?.expect(0);
    Ok(())
}

/// Creating a foreign key needs REFERENCES on the other table.
#[tokio::test]
async fn tables_that_refer_to_one_another() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let users = r#"
        [[user]]
        name = "node_app"
        grant = [{ privileges = ["SELECT"] }]
        [schema]
        statements = [
            "CREATE TABLE IF NOT EXISTS topics (id INT PRIMARY KEY)",
            "CREATE TABLE IF NOT EXISTS notes (topic INT, FOREIGN KEY (topic) references topics (id))",
        ]
    "#;
    let users = deployment.write("users.toml", users)?;
    deployment.bootstrap(&["--users", &users]).await?.expect(0);
    let mut master = deployment.master().await?;
    execute(&mut master, "INSERT INTO node_db.topics VALUES (1)").await?;
    assert!(execute(&mut master, "INSERT INTO node_db.notes VALUES (2)").await.is_err());
    deployment.bootstrap(&["--users", &users, "--check"]).await?.expect(0);
    Ok(())
}

#[tokio::test]
async fn a_caller_that_may_not_log_in() -> Result {
    let deployment = Deployment::start("node_db").await?;

    // As the admin only: the logins as users are not permitted, and that is no failure.
    deployment.server.allow_users(["iam_admin"])?;
    let made = deployment.bootstrap(&[]).await?.expect(0);
    assert!(made.stdout.contains("login as node_app: not permitted for this caller"), "{}", made.stdout);
    assert_eq!(deployment.bootstrap(&["--check", "--json"]).await?.expect(0).json()?["read_as"], "admin");

    // As no declared user: a check falls back to the master user, a run reports the missing permission.
    deployment.server.allow_users(["another_user"])?;
    assert_eq!(deployment.bootstrap(&["--check", "--json"]).await?.expect(0).json()?["read_as"], "master");
    let refused = deployment.bootstrap(&[]).await?.expect(1);
    insta::assert_snapshot!(refused.stderr(&deployment), @r#"
    error in step 4 of 6: connecting to the database failed
      cause: logging in as iam_admin at local-mysql.c0ffee123456.us-east-1.rds.amazonaws.com:3306 through <dial> failed: the server denied access
      cause: error returned from database: 1045 (28000): Access denied for user 'iam_admin'@'<host>' (using password: YES)
      Check, in this order: the user exists and is IDENTIFIED WITH AWSAuthenticationPlugin; the caller's policy allows rds-db:connect on this resource id (db-, cluster- or prx-, not the identifier) and user; the token was signed for the server's own endpoint and region; this machine's clock is right; the AWS credentials have not ended (keys copied into a file do not say when they end). The cause is in a log: for a proxy first in /aws/rds/proxy/NAME, then, as for an instance, in /aws/rds/instance/NAME/iam-db-auth-error.
      The statement that the caller's role needs:
      {
        "Sid": "ConnectToDatabase",
        "Effect": "Allow",
        "Action": "rds-db:connect",
        "Resource": [
          "arn:aws:rds-db:us-east-1:123456789012:dbuser:<resource>/iam_admin"
        ]
      }
      The user that the server needs:
      CREATE USER IF NOT EXISTS 'iam_admin'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';
      ALTER USER 'iam_admin'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL ACCOUNT UNLOCK;
    "#);
    let json = deployment.bootstrap(&["--json"]).await?.expect(1).json()?;
    assert_eq!(
        (&json["outcome"], &json["step"], &json["changes_made"]),
        (&"failed".into(), &4.into(), &0.into())
    );
    Ok(())
}

#[tokio::test]
async fn locked_accounts_stay_locked() -> Result {
    let deployment = Deployment::start("node_db").await?;
    deployment.bootstrap(&[]).await?.expect(0);
    execute(&mut deployment.master().await?, "ALTER USER node_app ACCOUNT LOCK").await?;
    let run = deployment.bootstrap(&[]).await?.expect(0);
    assert!(run.stdout.contains("login as node_app: the account is locked"), "{}", run.stdout);
    assert!(run.stdout.contains("warning: node_app@% is locked"), "{}", run.stdout);
    Ok(())
}

#[tokio::test]
async fn a_client_certificate_is_required_as_before() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut master = deployment.master().await?;
    execute(&mut master, "CREATE USER node_app IDENTIFIED BY 'old password' REQUIRE SUBJECT '/CN=x'").await?;
    let run = deployment.bootstrap(&[]).await?.expect(0);
    assert!(run.stdout.contains("warning: node_app@% requires more than TLS"), "{}", run.stdout);
    assert!(
        run.stdout.contains("login as node_app: the account requires a client certificate"),
        "{}",
        run.stdout
    );
    let requirements = "SELECT CONCAT(plugin, ' ', CAST(ssl_type AS CHAR), ' ', CAST(x509_subject AS CHAR)) \
         FROM mysql.user WHERE User = 'node_app'";
    assert_eq!(column(&mut master, requirements).await?, ["AWSAuthenticationPlugin SPECIFIED /CN=x"]);
    deployment.bootstrap(&["--check"]).await?.expect(0);

    // The admin itself then can't log in, and the run reports the cause.
    execute(&mut master, "ALTER USER iam_admin REQUIRE X509").await?;
    let refused = deployment.bootstrap(&[]).await?.expect(1);
    assert!(refused.stderr.contains("error in step 4 of 6"), "{}", refused.stderr);
    assert!(refused.stderr.contains("iam_admin@% requires more than TLS"), "{}", refused.stderr);
    Ok(())
}

#[tokio::test]
async fn hosts_are_compared_as_the_server_does() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let users =
        "[[user]]\nname = \"reader\"\nhost = \"LocalHost\"\ngrant = [{ privileges = [\"SELECT\"] }]\n";
    let users = deployment.write("users.toml", users)?;
    let made = deployment.bootstrap(&["--users", &users, "--json"]).await?.expect(0);
    assert_eq!(made.json()?["outcome"], "changed");
    let again = deployment.bootstrap(&["--users", &users, "--json"]).await?.expect(0);
    assert_eq!(again.json()?["outcome"], "clean");
    Ok(())
}
