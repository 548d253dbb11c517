//! Logins that must be refused, each tried for real.

use anyhow::{bail, ensure};
use rds_iam_emulator_server::{LoginEvent, MySql, RefusalCode, fixtures};
use rds_iam_token::{Clock, LIFETIME, Login, Token, sign};
use sqlx::mysql::{MySqlDatabaseError, MySqlSslMode};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::deployment::{ADMIN_USER, APP_USER};

/// MySQL's "access denied", the only error that a client gets.
const ACCESS_DENIED: u16 = 1045;

/// A login that is wrong in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    Expired,
    OtherUser,
    OtherHost,
    Tampered,
    Password,
    Unencrypted,
}

impl Wrong {
    /// Returns the text in the server's record that shows the intended reason of the refusal.
    fn reason(self) -> (RefusalCode, &'static str) {
        match self {
            Self::Expired => (RefusalCode::ExpiredToken, "expired"),
            Self::OtherUser => (RefusalCode::InvalidToken, "is for the user"),
            Self::OtherHost => (RefusalCode::InvalidToken, "is for the endpoint"),
            Self::Tampered => (RefusalCode::InvalidToken, "signature does not match"),
            Self::Nothing | Self::Password => (RefusalCode::InvalidToken, "not an IAM token"),
            Self::Unencrypted => (RefusalCode::InvalidToken, "encrypt"),
        }
    }
}

/// Tries the login; returns the client's error and the server's record.
///
/// Returns an error if the login does not end as expected.
pub(crate) async fn attempt(mysql: &MySql, wrong: Wrong) -> anyhow::Result<String> {
    let before = mysql.logins()?.len();
    let secret = secret(mysql, wrong)?;
    let options =
        fixtures::connect_options(mysql).username(APP_USER).password(&secret).enable_cleartext_plugin(true);
    let options =
        if wrong == Wrong::Unencrypted { options.ssl_mode(MySqlSslMode::Disabled) } else { options };
    let connected = options.connect().await;
    let recorded: Vec<LoginEvent> =
        mysql.logins()?.split_off(before).into_iter().filter(|l| l.user == APP_USER).collect();

    let error = match (connected, wrong) {
        (Ok(session), Wrong::Nothing) => {
            session.close().await?;
            ensure!(recorded.iter().any(LoginEvent::accepted), "the server has no record of it");
            return Ok("accepted".into());
        }
        (Ok(_), _) => bail!("the server let it in"),
        (Err(error), _) => error,
    };
    let number = error
        .as_database_error()
        .and_then(|e| e.try_downcast_ref::<MySqlDatabaseError>())
        .map(MySqlDatabaseError::number);
    ensure!(number == Some(ACCESS_DENIED), "expected error {ACCESS_DENIED}, got: {error}");
    let (code, words) = wrong.reason();
    let refused =
        recorded.iter().find(|l| l.code() == Some(code) && l.reason().is_some_and(|r| r.contains(words)));
    match (refused.and_then(LoginEvent::reason), wrong) {
        (Some(reason), _) => Ok(format!("{ACCESS_DENIED} to the client; the server's log: {code}, {reason}")),
        // An account with REQUIRE SSL is refused by the server before the plugin is called.
        (None, Wrong::Unencrypted) if recorded.is_empty() => {
            Ok(format!("{ACCESS_DENIED} to the client; the account requires TLS"))
        }
        (None, _) => bail!("refused, but not for that: {recorded:?}"),
    }
}

fn secret(mysql: &MySql, wrong: Wrong) -> anyhow::Result<String> {
    let now = Clock::system().now();
    let login = fixtures::login(mysql, APP_USER);
    let signed = |login: &Login, at| sign(login, &mysql.credentials(), at);
    let text = |token: Token| token.expose().to_owned();
    Ok(match wrong {
        Wrong::Nothing | Wrong::Unencrypted => text(signed(&login, now)?),
        Wrong::Expired => text(signed(&login, now - LIFETIME)?),
        Wrong::OtherUser => {
            text(signed(&Login::new(login.endpoint, login.region, ADMIN_USER.parse()?), now)?)
        }
        Wrong::OtherHost => {
            let elsewhere = format!("another-database.c0ffee123456.{}.rds.amazonaws.com:3306", login.region);
            text(signed(&Login::new(elsewhere.parse()?, login.region, login.user), now)?)
        }
        Wrong::Tampered => {
            let mut token = text(signed(&login, now)?);
            let last = if token.pop() == Some('0') { '1' } else { '0' };
            token.push(last);
            token
        }
        Wrong::Password => "a password that a user wrote down".into(),
    })
}
