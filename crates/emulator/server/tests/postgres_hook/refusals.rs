//! Logins that the server refuses when ordered, as a server that limits their rate.

use std::fs;
use std::time::Duration;

use rds_iam_emulator_server::fixtures::until;
use rds_iam_emulator_server::only;
use sqlx::ConnectOptions as _;
use tokio::time::timeout;

use crate::{Result, accepted, as_master, login, master, newer, refusal, server, token, versions};

only!(
    #[tokio::test]
    postgres,
    "the module is PostgreSQL's: MySQL's logins are throttled by the relay",
    [
        throttled_logins_get_53300,
        an_invalid_count_refuses_logins_and_names_its_file,
        a_count_that_stays_locked_holds_a_login_no_longer_than_any_other_wait,
    ],
);

async fn throttled_logins_get_53300() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        let mut session = master(&server).await?;
        accepted(&mut session, &["CREATE USER app", "GRANT rds_iam TO app"]).await?;
        let throttled = Some(("53300".to_owned(), "IAM authentication rate limit exceeded".to_owned()));
        let app = login(&server, "app", &token(&server, "app")?);

        server.throttle_next(3)?;
        assert_eq!(refusal(&app).await?, throttled);
        assert_eq!(refusal(&as_master(&server)).await?, throttled);
        // The superuser's connections over the socket are not counted.
        server.as_superuser("SELECT 1").await?;
        let bad = login(&server, "app", "not a token");
        assert_eq!(refusal(&bad).await?, throttled);
        assert_eq!(refusal(&app).await?, None);
        assert_eq!(refusal(&bad).await?.map(|(code, _)| code).as_deref(), Some("28000"));
        assert_eq!(refusal(&as_master(&server)).await?, None);

        server.throttle_next(10)?;
        assert_eq!([refusal(&app).await?, refusal(&app).await?], [throttled.clone(), throttled.clone()]);
        server.throttle_next(0)?;
        assert_eq!(refusal(&app).await?, None);
        // Open sessions are not affected.
        server.throttle_next(1)?;
        accepted(&mut session, &["SELECT 1"]).await?;
        assert_eq!(refusal(&app).await?, throttled);
        assert_eq!(refusal(&app).await?, None);
    }
    Ok(())
}

async fn an_invalid_count_refuses_logins_and_names_its_file() -> Result {
    let server = server(newer()?).await?;
    server.throttle_next(0)?;
    let file = server.login_log().with_file_name("throttle");
    let valid = fs::read_to_string(&file)?;
    for text in ["1", "1 2", "1 -2\n", "1 2 3\n", "one 2\n"] {
        fs::write(&file, text)?;
        let (code, message) = refusal(&as_master(&server)).await?.ok_or("the login was accepted")?;
        assert_eq!(code, "XX000", "{text:?}: {message}");
        assert!(
            message.ends_with("/throttle\" has no serial number and count of logins to refuse"),
            "{message}"
        );
    }
    for text in ["", &valid] {
        fs::write(&file, text)?;
        assert_eq!(refusal(&as_master(&server)).await?, None, "{text:?}");
    }
    Ok(())
}

async fn a_count_that_stays_locked_holds_a_login_no_longer_than_any_other_wait() -> Result {
    for version in versions()? {
        let server = server(version).await?;
        server.throttle_next(0)?;
        let file = fs::File::open(server.login_log().with_file_name("throttle"))?;
        file.lock()?;
        server.as_superuser("ALTER SYSTEM SET authentication_timeout = '1s'").await?;
        server.as_superuser("SELECT pg_reload_conf()").await?;
        let is_set = "DO $$ BEGIN ASSERT current_setting('authentication_timeout') = '1s'; END $$";
        until("new sessions have the limit", async || server.as_superuser(is_set).await.is_ok()).await;
        // The server doesn't send the reason.
        let refused = timeout(Duration::from_secs(30), as_master(&server).connect()).await?;
        let refused = refused.err().ok_or("the login was accepted")?;
        assert!(refused.as_database_error().is_none(), "{refused}");
        file.unlock()?;
        server.as_superuser("ALTER SYSTEM RESET authentication_timeout").await?;
        server.as_superuser("SELECT pg_reload_conf()").await?;
        until("logins are accepted", async || matches!(refusal(&as_master(&server)).await, Ok(None))).await;
    }
    Ok(())
}
