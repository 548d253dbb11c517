//! What happens beside a run: another session's changes, a kill, a server that restarts.

use rds_iam_emulator_server::PostgresVersion;
use rds_iam_token::Endpoint;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::super::interrupted::WAITING;
use super::super::support::{Deployment, VERSIONS};
use super::{ROLES, accepts};
use crate::support::{Result, TIMEOUT, execute, until_some};

/// The canary's login is the fourth connection of a first run: the master user's, that of the lock, and that of the test.
const CANARY_LOGIN: usize = 4;

/// A relay that stops before one of its connections.
struct Gate {
    dial: Endpoint,
    /// Resolves when that connection is there.
    reached: oneshot::Receiver<()>,
    /// Forwards it and all others after it.
    open: oneshot::Sender<()>,
}

impl Gate {
    /// Starts a relay in front of `server` that stops before its connection number `number`, from 1.
    async fn start(server: &Endpoint, number: usize) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let dial = Endpoint::new("127.0.0.1", listener.local_addr()?.port())?;
        let server = (server.host().to_string(), server.port());
        let (reach, reached) = oneshot::channel();
        let (open, opened) = oneshot::channel();
        tokio::spawn(async move {
            let mut gate = Some((reach, opened));
            for connection in 1.. {
                let Ok((mut client, _)) = listener.accept().await else { return };
                if connection == number
                    && let Some((reach, opened)) = gate.take()
                {
                    // A test that has ended waits no longer, and opens nothing.
                    if reach.send(()).is_err() || opened.await.is_err() {
                        return;
                    }
                }
                let server = server.clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Ok(Self { dial, reached, open })
    }
}

/// The forecast knows nothing of a change that another session makes afterwards; the transaction does.
#[tokio::test]
async fn a_change_after_the_forecast_is_no_lock_out() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.as_superuser(&["CREATE ROLE app LOGIN"]).await?;
        let mut watching = deployment.master().await?;
        // The run waits for another session, which creates the same table, before it changes the user's role.
        let mut other = deployment.master().await?;
        execute(&mut other, "BEGIN; CREATE TABLE public.messages (id int)").await?;
        let interrupt = async {
            until_some(&mut watching, WAITING).await?;
            deployment.as_superuser(&["GRANT app TO postgres"]).await?;
            execute(&mut other, "ROLLBACK").await
        };
        let (run, interrupted) = tokio::join!(deployment.bootstrap(&[]), interrupt);
        interrupted?;
        let refused = run?.expect(3).stderr;
        assert!(
            refused.contains(
                "error in step 5 of 6: the master user would be locked out: it is a member of rds_iam by \
                 postgres > app > rds_iam\n"
            ),
            "{refused}"
        );
        assert!(refused.contains("made and stay"), "{refused}");
        let is_member = "SELECT pg_has_role('app', 'rds_iam', 'MEMBER')::text";
        assert_eq!(deployment.column(is_member).await?, ["false"], "rolled back");
        deployment.as_superuser(&["REVOKE app FROM postgres"]).await?;
        accepts(&deployment).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_canary_is_dropped_when_the_run_is_killed() -> Result {
    let deployment = Deployment::start(PostgresVersion::NEWEST).await?;
    let gate = Gate::start(deployment.server.dial(), CANARY_LOGIN).await?;
    let mut conf = deployment.conf.clone();
    conf.dial = Some(gate.dial.clone());
    let mut run = deployment.spawn(&conf)?;
    tokio::time::timeout(TIMEOUT, gate.reached).await??;
    assert_eq!(deployment.column(ROLES).await?, ["rds_iam_bootstrap_canary"]);
    run.kill()?;
    run.wait()?;

    let mut watching = deployment.master().await?;
    let gone = "SELECT 'gone' WHERE NOT EXISTS \
         (SELECT FROM pg_roles WHERE rolname = 'rds_iam_bootstrap_canary')";
    until_some(&mut watching, gone).await?;
    deployment.master().await?;
    accepts(&deployment).await?;
    Ok(())
}

/// The login beside the canary is refused because every login is.
#[tokio::test]
async fn a_restart_during_the_test_of_the_canary_is_no_lock_out() -> Result {
    let deployment = Deployment::start(PostgresVersion::NEWEST).await?;
    let gate = Gate::start(deployment.server.dial(), CANARY_LOGIN).await?;
    let mut conf = deployment.conf.clone();
    conf.dial = Some(gate.dial.clone());
    let interrupt = async {
        tokio::time::timeout(TIMEOUT, gate.reached).await??;
        deployment.refuse_all_logins(true).await?;
        gate.open.send(()).map_err(|()| "the relay has ended")?;
        Result::Ok(())
    };
    let (run, interrupted) = tokio::join!(deployment.bootstrap_with(&conf, &[], &[]), interrupt);
    interrupted?;
    let failed = run?.expect(1).stderr;
    assert!(failed.contains("also does while an instance restarts"), "{failed}");
    assert!(!failed.contains("locked out") && !failed.contains("way back"), "{failed}");
    deployment.refuse_all_logins(false).await?;
    assert_eq!(deployment.column(ROLES).await?, Vec::<String>::new(), "the canary is dropped");
    accepts(&deployment).await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_refuses_every_login_is_no_lock_out() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.refuse_all_logins(true).await?;
        for arguments in [&["--plan"][..], &[]] {
            let failed = deployment.bootstrap(arguments).await?.expect(1).stderr;
            assert!(failed.contains("also does while an instance restarts"), "{failed}");
            assert!(!failed.contains("locked out") && !failed.contains("way back"), "{failed}");
        }
        deployment.refuse_all_logins(false).await?;
        accepts(&deployment).await?;
    }
    Ok(())
}

/// A session of the master user that ends in the middle of the test would leave the canary behind.
#[tokio::test]
async fn limits_of_the_master_user_do_not_end_the_test() -> Result {
    let deployment = Deployment::start(PostgresVersion::NEWEST).await?;
    deployment.as_superuser(&["ALTER ROLE postgres SET transaction_timeout = '500ms'"]).await?;
    let gate = Gate::start(deployment.server.dial(), CANARY_LOGIN).await?;
    let mut conf = deployment.conf.clone();
    conf.dial = Some(gate.dial.clone());
    let mut watching = deployment.master().await?;
    let runs = "SELECT pid::text FROM pg_stat_activity WHERE query LIKE 'DO $canary$%' \
         AND now() - query_start > interval '700 ms'";
    let interrupt = async {
        tokio::time::timeout(TIMEOUT, gate.reached).await??;
        until_some(&mut watching, runs).await?;
        gate.open.send(()).map_err(|()| "the relay has ended")?;
        Result::Ok(())
    };
    let (run, interrupted) = tokio::join!(deployment.bootstrap_with(&conf, &["--json"], &[]), interrupt);
    interrupted?;
    assert_eq!(run?.expect(0).json()?["lock_out"]["tested"], true);
    accepts(&deployment).await?;
    Ok(())
}

/// A refused login is tried again a second later, as the master user and by IAM.
#[tokio::test]
async fn a_login_that_is_refused_once_is_no_error() -> Result {
    for version in VERSIONS {
        let deployment = Deployment::start(version).await?;
        deployment.as_superuser(&["GRANT rds_iam TO postgres"]).await?;
        let gate = Gate::start(deployment.server.dial(), 2).await?;
        let mut conf = deployment.conf.clone();
        conf.dial = Some(gate.dial.clone());
        let interrupt = async {
            tokio::time::timeout(TIMEOUT, gate.reached).await??;
            deployment.as_superuser(&["REVOKE rds_iam FROM postgres"]).await?;
            deployment.server.refuse_next(1)?;
            gate.open.send(()).map_err(|()| "the relay has ended")?;
            Result::Ok(())
        };
        let (run, interrupted) = tokio::join!(deployment.bootstrap_with(&conf, &[], &[]), interrupt);
        interrupted?;
        run?.expect(0);
        let refusals = deployment.server.logins()?;
        let refusals = refusals.iter().filter(|login| login.user == "iam_admin" && !login.accepted());
        assert_eq!(refusals.count(), 1, "the admin's first login was refused");
        accepts(&deployment).await?;
    }
    Ok(())
}
