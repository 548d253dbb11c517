//! The Lambda function, driven through the Lambda Runtime API.

use std::process::Command;
use std::time::Duration;

use rds_iam_emulator_server::Kind;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::runtime_api::Function;
use crate::support::{Deployed, Deployment, Result, STALE_PASSWORD, column, execute, finish};

const USERS_THERE: &str = "SELECT CAST(User AS CHAR) FROM mysql.user WHERE User IN ('iam_admin', 'node_app', 'reporting') ORDER BY 1";

pub(crate) fn event(mode: &str) -> Value {
    json!({ "mode": mode })
}

#[tokio::test]
async fn from_nothing_to_drift_and_back() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut master = deployment.master().await?;
    let mut function = Function::start(&deployment, &[]).await?;

    let planned = function.invoke(event("plan")).await?.report();
    assert_eq!((&planned["mode"], &planned["outcome"]), (&"plan".into(), &"drift".into()));
    assert_eq!(column(&mut master, USERS_THERE).await?, Vec::<String>::new());

    let made = function.invoke(event("apply")).await?.report();
    assert_eq!((&made["outcome"], &made["actions"]), (&"changed".into(), &planned["actions"]));
    assert_eq!(made["logins"][0]["current_user"], "node_app@%");
    assert_eq!(column(&mut master, USERS_THERE).await?, ["iam_admin", "node_app"]);

    // The second run changes nothing and reports that; the command's report is the same.
    let again = function.invoke(event("apply")).await?.report();
    assert_eq!((&again["outcome"], &again["actions"]), (&"clean".into(), &json!([])));
    assert_eq!(again, deployment.bootstrap(&["--json"]).await?.expect(0).json()?);
    assert_eq!(function.invoke(event("check")).await?.report()["outcome"], "clean");

    // Drift is a check's result: a reply, and a line in the log for an alarm.
    execute(&mut master, "GRANT DROP ON `node\\_db`.* TO node_app").await?;
    let drift = function.invoke(event("check")).await?.report();
    assert_eq!((&drift["outcome"], &drift["actions"][0]["change"]), (&"drift".into(), &"revoke".into()));
    let log = function.log();
    let lines: Vec<Value> =
        log.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>().map_err(|_| &*log)?;
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{log}");
    let last = lines.last().ok_or("nothing was logged")?;
    assert_eq!((&last["level"], &last["outcome"]), (&"WARN".into(), &"drift".into()), "{log}");
    assert_eq!(last["span"]["requestId"], "invocation-5", "{log}");
    assert_eq!(function.invoke(event("apply")).await?.report()["outcome"], "changed");

    // Another function, for other users.
    let users = "[[user]]\nname = \"reporting\"\ngrant = [{ privileges = [\"SELECT\"] }]\n";
    let mut function = Function::start(&deployment, &[("RDS_IAM_USERS", Some(users))]).await?;
    function.invoke(event("apply")).await?.report();
    assert_eq!(column(&mut master, USERS_THERE).await?, ["iam_admin", "node_app", "reporting"]);
    Ok(())
}

#[tokio::test]
async fn bad_input() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let mut failures = Vec::new();

    let mut function = Function::start(&deployment, &[]).await?;
    for event in [
        json!({}),
        json!(null),
        json!({ "mode": "destroy" }),
        json!({ "mode": "apply", "force": true }),
        json!({ "mode": "apply", "tf": { "action": "delete", "prev_input": null } }),
    ] {
        failures.push(function.invoke(event).await?.error(&deployment));
    }
    // Each invocation returns the problems of the settings; the function does not exit at its start.
    for changes in [
        [("REGION", None), ("RDS_PORT", Some("none"))].as_slice(),
        &[("RDS_IAM_USERS", Some("[[user]]\nname = \"root\""))],
        &[("RDS_CA_BUNDLE", Some("/none.pem"))],
        &[("AWS_ENDPOINT_URL", Some(""))],
    ] {
        let mut function = Function::start(&deployment, changes).await?;
        failures.push(function.invoke(event("apply")).await?.error(&deployment));
        function.invoke(event("apply")).await?.error(&deployment);
    }
    assert_eq!(deployment.server.logins()?.len(), 0);

    // The wrong secret, a stale one, and a database that is down.
    let mut other = Function::start(&deployment, &[("MASTER_SECRET_NAME", Some("no/such"))]).await?;
    failures.push(other.invoke(event("apply")).await?.error(&deployment));
    let mut down = Function::start(&deployment, &[("RDS_DIAL", Some("127.0.0.1:1"))]).await?;
    failures.push(down.invoke(event("apply")).await?.error(&deployment));
    deployment.put_master_password(STALE_PASSWORD).await?;
    failures.push(function.invoke(event("apply")).await?.error(&deployment));

    insta::assert_snapshot!(failures.join("\n"), @r#"
    Bootstrap.Configuration: error in step 1 of 6: the event has no "mode"
      Send {"mode": "apply"}, "plan" or "check", and no other key.

    Bootstrap.Configuration: error in step 1 of 6: the event is not a JSON object
      Send {"mode": "apply"}, "plan" or "check", and no other key.

    Bootstrap.Configuration: error in step 1 of 6: the event's "mode" is unknown
      Send {"mode": "apply"}, "plan" or "check", and no other key.

    Bootstrap.Configuration: error in step 1 of 6: the event has the unknown key "force"
      Send {"mode": "apply"}, "plan" or "check", and no other key.

    Bootstrap.Configuration: error in step 1 of 6: the event has "tf", which Terraform's aws_lambda_invocation adds with lifecycle_scope = "CRUD"
      Use lifecycle_scope = "CREATE_ONLY": with CRUD a destroy would also invoke this function, and there is nothing to undo.

    Bootstrap.Configuration: error in step 1 of 6: the function's environment has 2 problems:
      RDS_PORT is invalid: not a port: give a number from 1 to 65535
      REGION is missing: set it, for example to eu-west-1

    Bootstrap.Configuration: error in step 1 of 6: RDS_IAM_USERS has 1 problem:
      user "root": root belongs to RDS or MySQL and is never changed: name another user

    Bootstrap.Configuration: error in step 1 of 6: cannot read the trust roots in /none.pem; the CA bundle must be a PEM file that this program can read
      cause: No such file or directory (os error 2)
      The setting of the CA bundle is RDS_CA_BUNDLE.

    Bootstrap.Configuration: error in step 1 of 6: AWS_ENDPOINT_URL is empty; expected a URL. Unset AWS_ENDPOINT_URL to use AWS's own endpoints

    Bootstrap.Failed: error in step 2 of 6: there is no secret no/such in region us-east-1
      Check MASTER_SECRET_NAME and REGION: `aws secretsmanager describe-secret --secret-id no/such --region us-east-1`.

    Bootstrap.Failed: error in step 3 of 6: connecting to the database failed
      cause: logging in as admin at local-mysql.c0ffee123456.us-east-1.rds.amazonaws.com:3306 through 127.0.0.1:1 failed: the server can't be reached
      cause: error communicating with database: Connection refused (os error 111)
      The server did not answer: check the endpoint's name, the server's state, the security groups and the port. A private database is reached through a tunnel.

    Bootstrap.Failed: error in step 3 of 6: connecting to the database failed
      cause: logging in as admin at local-mysql.c0ffee123456.us-east-1.rds.amazonaws.com:3306 through <dial> failed: the server denied access
      cause: error returned from database: 1045 (28000): Access denied for user 'admin'@'<host>' (using password: YES)
      The server does not accept the password in the master secret: it is out of date, or belongs to another instance. Check MASTER_SECRET_NAME against RDS_ENDPOINT.
    "#);
    assert!(function.log().contains("The server does not accept the password"), "{}", function.log());

    // Once that is fixed, the same function works again.
    deployment.put_master_password(deployment.server.master().password()).await?;
    assert_eq!(function.invoke(event("apply")).await?.report()["outcome"], "changed");
    Ok(())
}

#[tokio::test]
async fn a_run_ends_before_its_time_limit() -> Result {
    let deployment = Deployment::start("node_db").await?;
    // A server that accepts connections and sends nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let dial = silent.local_addr()?.to_string();
    let mut function = Function::start(&deployment, &[("RDS_DIAL", Some(&dial))]).await?;
    let ended = function.invoke_within(event("apply"), Duration::from_secs(5)).await?;
    // The remaining time depends on how long the program took to start.
    let shown =
        ["0 s", "1 s", "2 s"].iter().fold(ended.error(&deployment), |shown, s| shown.replace(s, "<n> s"));
    insta::assert_snapshot!(shown, @"
    Bootstrap.Time: error in step 3 of 6: the run did not finish within its time limit of <n> s and was stopped
      Each change is made wholly or not at all. Run this again to make the rest, or raise the time limit.
    ");
    // It closed the connection, though the process continues: a server would release the lock.
    let (mut connection, _) = silent.accept().await?;
    assert_eq!(connection.read_to_end(&mut Vec::new()).await?, 0);
    // The next invocation connects again.
    let ended = function.invoke_within(event("apply"), Duration::ZERO).await?;
    assert!(ended.error(&deployment).starts_with("Bootstrap.Time"));
    Ok(())
}

/// An unfinished statement of another connection holds up the second table.
#[tokio::test]
async fn what_was_done_when_the_time_ends_is_kept_and_reported() -> Result {
    let deployment = Deployment::start("node_db").await?;
    let users = "[[user]]\nname = \"reader\"\ngrant = [{ privileges = [\"SELECT\"] }]\n[schema]\n\
         statements = [\"CREATE TABLE IF NOT EXISTS one (i INT); CREATE TABLE IF NOT EXISTS two (i INT)\"]\n";
    let mut function = Function::start(&deployment, &[("RDS_IAM_USERS", Some(users))]).await?;
    let mut master = deployment.master().await?;
    let mut other = deployment.master().await?;
    let id = column(&mut other, "SELECT CAST(CONNECTION_ID() AS CHAR)").await?.remove(0);
    let endless = tokio::spawn(async move {
        let sql = "CREATE TABLE node_db.two SELECT SLEEP(600) AS i";
        sqlx::raw_sql(sql).execute(&mut other).await.map(drop)
    });
    let busy = "SELECT CAST(id AS CHAR) FROM information_schema.processlist WHERE state = 'User sleep'";
    while column(&mut master, busy).await?.is_empty() {
        tokio::task::yield_now().await;
    }
    let ended = function.invoke_within(event("apply"), Duration::from_secs(8)).await?.error(&deployment);
    let shown = (0..9).fold(ended, |shown, n| shown.replace(&format!("within {n} s"), "within <n> s"));
    insta::assert_snapshot!(shown, @"
    Bootstrap.Time: error in step 5 of 6: the run did not finish within its time limit of 5 s and was stopped
      3 changes are left. Each change is made wholly or not at all. Run this again to make the rest, or raise the time limit.
      12 changes were made and stay; once the cause is fixed, the next run finishes the job.
    ");
    assert_eq!(column(&mut master, "SHOW TABLES IN node_db LIKE 'one'").await?, ["one"]);

    execute(&mut master, &format!("KILL {id}")).await?;
    assert!(endless.await?.is_err());
    let finished = function.invoke(event("apply")).await?.report();
    let actions = finished["actions"].as_array().map_or(0, Vec::len);
    assert!((2..=3).contains(&actions), "{finished}");
    assert_eq!(function.invoke(event("check")).await?.report()["outcome"], "clean");
    Ok(())
}

#[tokio::test]
async fn no_secret_is_written() -> Result {
    writes_no_secret(&Deployment::start("node_db").await?, 1).await
}

/// Invokes the function in each mode, and lets it fail: at the login of the admin, which is refused `refusals` times, at
/// that of the master user, and for its event.
pub(crate) async fn writes_no_secret<E: Kind>(deployment: &Deployed<E>, refusals: u32) -> Result {
    let mut function = Function::start(deployment, &[("RUST_LOG", Some("trace"))]).await?;
    let mut answers = Vec::new();
    for mode in ["plan", "apply", "check"] {
        answers.push(function.invoke(event(mode)).await?);
    }
    deployment.server.refuse_next(refusals)?;
    answers.push(function.invoke(event("apply")).await?);
    deployment.put_master_password(STALE_PASSWORD).await?;
    answers.push(function.invoke(event("apply")).await?);
    answers.push(function.invoke(event(STALE_PASSWORD)).await?);

    let written = format!("{}\n{answers:?}", function.log());
    assert!(written.contains("DEBUG") && written.contains("INFO"), "{written}");
    assert!(written.contains("error in step 3") && written.contains("error in step 4"), "{written}");
    deployment.assert_no_secret(&written);
    Ok(())
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the program under test is a child process, without the runner of xtask"
)]
async fn outside_of_lambda() -> Result {
    let mut by_hand = Command::new(env!("CARGO_BIN_EXE_rds-iam-bootstrap-lambda"));
    by_hand.env_clear();
    let shown = finish(by_hand).await?.expect(64);
    insta::assert_snapshot!(shown.stderr, @"
    error: AWS_LAMBDA_RUNTIME_API is not set, so AWS Lambda did not start this program
      Elsewhere, run rds-iam-bootstrap instead.
    ");

    let deployment = Deployment::start("node_db").await?;
    let mut function = Function::start(&deployment, &[("REGION", None)]).await?;
    function.invoke(event("check")).await?.error(&deployment);
    assert!(!function.abandoned().await?.success());
    Ok(())
}
