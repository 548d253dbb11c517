//! Decides about a login by IAM token, for the plugins of both engines: `answer` checks an `Attempt` against the
//! emulator's `State` in the control folder, and records a `LoginEvent` that accepts or refuses it.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rds_iam_token::{Verifier, VerifyError};

use crate::{AccessKey, Counter, LoginEvent, RefusalCode, State, Verdict};

/// The only authentication string that an account of MySQL may have, as on RDS.
pub const AUTH_STRING: &str = "RDS";

/// A login attempt. Its `Debug` shows no password.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the plugins of the workspace create it")]
pub struct Attempt<'a> {
    /// The database user that the client named.
    pub user: &'a str,
    /// The address of the client.
    pub host: &'a str,
    /// The text after `AS` in the account's definition; `None` for engines that have no such text.
    pub auth_string: Option<&'a str>,
    /// Whether the connection is encrypted; `None` if the server does not report it to plugins: there, only the
    /// server's own rules (`REQUIRE SSL`, `hostssl`) reject unencrypted clients.
    pub encrypted: Option<bool>,
    /// The password that the client sent, without a final NUL.
    pub password: &'a [u8],
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("user", &self.user)
            .field("host", &self.host)
            .field("auth_string", &self.auth_string)
            .field("encrypted", &self.encrypted)
            .field("password_bytes", &self.password.len())
            .finish()
    }
}

/// Decides about a login at the real time `now` by the state in the control folder `dir`, and records the
/// decision. A login is refused if the folder can't be read.
///
/// # Errors
/// Returns an error if the decision can't be recorded. The login must then be refused: the record is complete.
pub fn answer(dir: &Path, attempt: Attempt<'_>, now: SystemTime) -> io::Result<LoginEvent> {
    let event = match State::read(dir) {
        Ok(state) => match Counter::Refusals.take(dir, state.refuse) {
            Ok(ordered) => decide(&state, attempt, ordered, now),
            Err(e) => {
                let file = Counter::Refusals.file(dir);
                undecided(attempt, now, &format!("cannot count refusals in {}: {e}", file.display()))
            }
        },
        Err(e) => undecided(attempt, now, &format!("cannot read the state in {}: {e}", dir.display())),
    };
    event.append(dir)?;
    Ok(event)
}

/// Returns the verdict on `attempt` at the real time `now`, as an event for the record. `ordered` is whether the
/// login is one of those that the emulator ordered to refuse.
fn decide(state: &State, attempt: Attempt<'_>, ordered: bool, now: SystemTime) -> LoginEvent {
    let now = shift(now, state.clock_offset_seconds);
    let mut event = LoginEvent::new(unix_seconds(now), attempt.user, attempt.host, Verdict::Accepted);

    if ordered {
        return refused(event, RefusalCode::Internal, "refused at the test's request");
    }
    if attempt.encrypted == Some(false) {
        return refused(event, RefusalCode::InvalidToken, "the connection is not encrypted");
    }
    if attempt.auth_string.is_some_and(|text| text != AUTH_STRING) {
        return refused(event, RefusalCode::Internal, "the account's authentication string is not 'RDS'");
    }
    let verifier = match verifier(state) {
        Ok(verifier) => verifier,
        Err(reason) => return refused(event, RefusalCode::Internal, reason),
    };
    let Ok(token) = std::str::from_utf8(attempt.password) else {
        return refused(event, RefusalCode::InvalidToken, "not an IAM token: not UTF-8");
    };
    match verifier.verify(token, attempt.user, now) {
        Ok(accepted) => {
            event.token_age_seconds = Some(seconds_between(accepted.signed_at, now));
            event.access_key_id = Some(accepted.access_key_id);
            event
        }
        Err(error) => {
            event.access_key_id = access_key_id(&error);
            refused(event, code(&error), error.to_string())
        }
    }
}

/// Returns the event of a login without a decision, for the given reason.
fn undecided(attempt: Attempt<'_>, now: SystemTime, reason: &str) -> LoginEvent {
    let event = LoginEvent::new(unix_seconds(now), attempt.user, attempt.host, Verdict::Accepted);
    refused(event, RefusalCode::Internal, reason)
}

fn refused(mut event: LoginEvent, code: RefusalCode, reason: impl Into<String>) -> LoginEvent {
    event.verdict = Verdict::Refused { code, reason: reason.into() };
    event
}

fn verifier(state: &State) -> Result<Verifier, String> {
    let keys = state.keys.iter().map(key).collect::<Result<_, _>>()?;
    let endpoints = state.endpoints.iter().map(|e| parsed(e)).collect::<Result<_, _>>()?;
    Ok(Verifier::new(parsed(&state.region)?, endpoints, keys))
}

fn key(key: &AccessKey) -> Result<rds_iam_token::AccessKey, String> {
    let mut known = rds_iam_token::AccessKey::new(&key.id, &key.secret);
    if let Some(token) = &key.session_token {
        known = known.session_token(token);
    }
    if let Some(end) = key.expires_at {
        known = known.expires_at(UNIX_EPOCH + Duration::from_secs(end));
    }
    if let Some(users) = &key.users {
        known = known.users(users.iter().map(|u| parsed(u)).collect::<Result<_, _>>()?);
    }
    Ok(known)
}

fn parsed<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e| format!("the emulator's state is wrong: {e}"))
}

fn code(error: &VerifyError) -> RefusalCode {
    match error.code() {
        rds_iam_token::RefusalCode::InvalidToken => RefusalCode::InvalidToken,
        rds_iam_token::RefusalCode::ExpiredToken => RefusalCode::ExpiredToken,
        rds_iam_token::RefusalCode::NotAuthorized => RefusalCode::NotAuthorized,
        _ => RefusalCode::Internal,
    }
}

fn access_key_id(error: &VerifyError) -> Option<String> {
    match error {
        VerifyError::UnknownKey { access_key_id }
        | VerifyError::SessionToken { access_key_id }
        | VerifyError::KeyExpired { access_key_id, .. }
        | VerifyError::NotAllowed { access_key_id, .. } => Some(access_key_id.clone()),
        _ => None,
    }
}

fn shift(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let shifted = if seconds < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    shifted.unwrap_or(time)
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn seconds_between(earlier: SystemTime, later: SystemTime) -> i64 {
    unix_seconds(later).cast_signed().wrapping_sub(unix_seconds(earlier).cast_signed())
}

#[cfg(test)]
mod tests;
