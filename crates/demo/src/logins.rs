//! Logins that must be refused, each tried for real.

use anyhow::{bail, ensure};
use rds_iam_emulator_server::{LoginEvent, RefusalCode, Server, fixtures};
use rds_iam_token::{Clock, LIFETIME, Login, Token, sign};
use sqlx::Connection as _;

use crate::deployment::{ADMIN_USER, APP_USER};
use crate::engine::Engine;

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
pub(crate) async fn attempt<E: Engine>(server: &Server<E>, wrong: Wrong) -> anyhow::Result<String> {
    let before = server.logins()?.len();
    let options = fixtures::login_options(server, APP_USER, &secret(server, wrong)?);
    let options = if wrong == Wrong::Unencrypted { E::without_tls(options) } else { options };
    let connected = E::Connection::connect_with(&options).await;
    let recorded: Vec<LoginEvent> =
        server.logins()?.split_off(before).into_iter().filter(|l| l.user == APP_USER).collect();

    let error = match (connected, wrong) {
        (Ok(session), Wrong::Nothing) => {
            session.close().await?;
            ensure!(recorded.iter().any(LoginEvent::accepted), "the server has no record of it");
            return Ok("accepted".into());
        }
        (Ok(_), _) => bail!("the server let it in"),
        (Err(error), _) => error,
    };
    let message = if wrong == Wrong::Unencrypted { E::REFUSED_PLAIN } else { E::REFUSED_TOKEN };
    let (text, code) = (error.to_string(), code(error));
    ensure!(
        code.as_deref() == Some(E::REFUSED) && text.contains(message),
        "expected error {} ({message}), got: {text}",
        E::REFUSED
    );
    let refused = format!("{} to the client", E::REFUSED);
    let (code, words) = wrong.reason();
    let because =
        recorded.iter().find(|l| l.code() == Some(code) && l.reason().is_some_and(|r| r.contains(words)));
    match (because.and_then(LoginEvent::reason), wrong) {
        (Some(reason), _) => Ok(format!("{refused}; the server's log: {code}, {reason}")),
        // The server refuses such a connection before it checks the token.
        (None, Wrong::Unencrypted) if recorded.is_empty() => Ok(format!("{refused}; {}", E::REQUIRES_TLS)),
        (None, _) => bail!("refused, but not for that: {recorded:?}"),
    }
}

/// Returns the number or SQLSTATE of a server's error.
pub(crate) fn code(error: sqlx::Error) -> Option<String> {
    rds_iam_sqlx::Error::from(error).code().map(|code| code.to_string())
}

pub(crate) fn secret<E: Engine>(server: &Server<E>, wrong: Wrong) -> anyhow::Result<String> {
    let now = Clock::system().now();
    let login = fixtures::login(server, APP_USER);
    let signed = |login: &Login, at| sign(login, &server.credentials(), at);
    let text = |token: Token| token.expose().to_owned();
    Ok(match wrong {
        Wrong::Nothing | Wrong::Unencrypted => text(signed(&login, now)?),
        Wrong::Expired => text(signed(&login, now - LIFETIME)?),
        Wrong::OtherUser => {
            text(signed(&Login::new(login.endpoint, login.region, ADMIN_USER.parse()?), now)?)
        }
        Wrong::OtherHost => {
            let elsewhere =
                format!("another-database.c0ffee123456.{}.rds.amazonaws.com:{}", login.region, E::PORT);
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

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use rds_iam_emulator_server::on_each_engine;

    use super::*;

    on_each_engine![each_wrong_login_is_refused_for_its_reason, another_outcome_is_an_error];

    async fn each_wrong_login_is_refused_for_its_reason<E: Engine>() -> anyhow::Result<()> {
        let server = fixtures::app_server::<E>().await?;
        for wrong in [
            Wrong::Nothing,
            Wrong::Expired,
            Wrong::OtherUser,
            Wrong::OtherHost,
            Wrong::Tampered,
            Wrong::Password,
            Wrong::Unencrypted,
        ] {
            attempt(&server, wrong).await.with_context(|| format!("{wrong:?}"))?;
        }
        Ok(())
    }

    async fn another_outcome_is_an_error<E: Engine>() -> anyhow::Result<()> {
        let server = fixtures::app_server::<E>().await?;
        server.refuse_next(1)?;
        assert!(attempt(&server, Wrong::Nothing).await.is_err());
        server.refuse_next(1)?;
        let error = attempt(&server, Wrong::Tampered).await.unwrap_err().to_string();
        assert!(error.starts_with("refused, but not for that: "), "{error}");
        server.set_clock(-i64::try_from(LIFETIME.as_secs())?)?;
        let error = attempt(&server, Wrong::Expired).await.unwrap_err().to_string();
        assert_eq!(error, "the server let it in");
        Ok(())
    }
}
