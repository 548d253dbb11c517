//! Decides about a login by IAM token: `decide` checks an `Attempt` against the emulator's `State` and returns a
//! `LoginEvent` that accepts or refuses it.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rds_iam_emulator_control::{AccessKey, LoginEvent, RefusalCode, State, Verdict};
use rds_iam_token::{Verifier, VerifyError};

/// The only authentication string that an account may have, as on RDS.
pub(crate) const AUTH_STRING: &str = "RDS";

/// A login attempt.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) user: &'a str,
    pub(crate) host: &'a str,
    /// The text after `AS` in the account's definition.
    pub(crate) auth_string: &'a str,
    /// Whether the connection is encrypted; `None` if the server's version does not report it to plugins:
    /// there, only the account's own `REQUIRE SSL` rejects unencrypted clients.
    pub(crate) encrypted: Option<bool>,
    pub(crate) password: &'a [u8],
}

/// The number of ordered refusals that remain.
#[derive(Debug, Default)]
pub(crate) struct OrderedRefusals {
    serial: u64,
    left: u32,
}

impl OrderedRefusals {
    pub(crate) const fn none() -> Self {
        Self { serial: 0, left: 0 }
    }

    /// Returns whether this login is one of them, and counts it.
    fn take(&mut self, state: &State) -> bool {
        if state.refuse.serial != self.serial {
            *self = Self { serial: state.refuse.serial, left: state.refuse.count };
        }
        let due = self.left > 0;
        self.left = self.left.saturating_sub(1);
        due
    }
}

/// Returns the verdict on `attempt` at the real time `now`, as an event for the record.
pub(crate) fn decide(
    state: &State,
    ordered: &mut OrderedRefusals,
    attempt: Attempt<'_>,
    now: SystemTime,
) -> LoginEvent {
    let now = shift(now, state.clock_offset_seconds);
    let mut event = LoginEvent::new(unix_seconds(now), attempt.user, attempt.host, Verdict::Accepted);

    if ordered.take(state) {
        return refused(event, RefusalCode::Internal, "refused at the test's request");
    }
    if attempt.encrypted == Some(false) {
        return refused(event, RefusalCode::InvalidToken, "the connection is not encrypted");
    }
    if attempt.auth_string != AUTH_STRING {
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
pub(crate) fn undecided(attempt: Attempt<'_>, now: SystemTime, reason: &str) -> LoginEvent {
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

fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
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
mod tests {
    use aws_credential_types::Credentials;
    use rds_iam_emulator_control::{AuthSwitch, Refuse};
    use rds_iam_token::{Login, sign};

    use super::*;

    const NOW: u64 = 1_795_000_000;
    const ENDPOINT: &str = "db.abc.us-east-1.rds.amazonaws.com:3306";

    fn state() -> State {
        State {
            region: "us-east-1".into(),
            endpoints: vec![ENDPOINT.into()],
            keys: vec![
                AccessKey::new("AKID", "secret"),
                AccessKey::new("ASIA", "secret").session_token("session"),
            ],
            clock_offset_seconds: 0,
            refuse: Refuse::default(),
            auth_switch: AuthSwitch::default(),
        }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    /// Returns a token for `app`, signed at [`now`] by the long-lived key.
    fn token() -> String {
        let login =
            Login::new(ENDPOINT.parse().unwrap(), "us-east-1".parse().unwrap(), "app".parse().unwrap());
        let credentials = Credentials::new("AKID", "secret", None, None, "test");
        sign(&login, &credentials, now()).unwrap().expose().to_owned()
    }

    fn attempt(token: &str) -> Attempt<'_> {
        Attempt {
            user: "app",
            host: "127.0.0.1",
            auth_string: "RDS",
            encrypted: Some(true),
            password: token.as_bytes(),
        }
    }

    fn verdict(state: &State, attempt: Attempt<'_>) -> Result<(), (RefusalCode, String)> {
        match decide(state, &mut OrderedRefusals::none(), attempt, now()).verdict {
            Verdict::Accepted => Ok(()),
            Verdict::Refused { code, reason } => Err((code, reason)),
        }
    }

    #[test]
    fn a_good_token_is_accepted_and_recorded() {
        let state = State { clock_offset_seconds: 40, ..state() };
        let event = decide(&state, &mut OrderedRefusals::none(), attempt(&token()), now());
        assert!(event.accepted());
        assert_eq!(event.unix_time, NOW + 40);
        assert_eq!(event.access_key_id.as_deref(), Some("AKID"));
        assert_eq!(event.token_age_seconds, Some(40));
    }

    #[test]
    fn the_clock_and_the_policy_come_from_the_state() {
        use RefusalCode::{ExpiredToken, InvalidToken, NotAuthorized};
        let token = token();
        let code = |state: State| verdict(&state, attempt(&token)).unwrap_err().0;

        assert_eq!(verdict(&State { clock_offset_seconds: 899, ..state() }, attempt(&token)), Ok(()));
        assert_eq!(code(State { clock_offset_seconds: 901, ..state() }), ExpiredToken);
        assert_eq!(code(State { clock_offset_seconds: -301, ..state() }), InvalidToken);
        let key = AccessKey::new("AKID", "secret");
        assert_eq!(code(State { keys: vec![key.clone().expires_at(NOW)], ..state() }), ExpiredToken);
        assert_eq!(code(State { keys: vec![key.users(["other"])], ..state() }), NotAuthorized);
        assert_eq!(code(State { keys: vec![], ..state() }), InvalidToken);
    }

    #[test]
    fn only_an_encrypted_connection_of_an_rds_account_gets_to_the_token() {
        let token = token();
        let refused = |attempt| verdict(&state(), attempt).unwrap_err();
        let plain = Attempt { encrypted: Some(false), ..attempt(&token) };
        assert_eq!(refused(plain).1, "the connection is not encrypted");
        let other = Attempt { auth_string: "else", ..attempt(&token) };
        assert_eq!(refused(other).0, RefusalCode::Internal);
        let binary = Attempt { password: &[0xff], ..attempt(&token) };
        assert_eq!(refused(binary).0, RefusalCode::InvalidToken);
        let untold = Attempt { encrypted: None, ..attempt(&token) };
        assert_eq!(verdict(&state(), untold), Ok(()));
    }

    #[test]
    fn a_password_never_shows_in_the_reason() {
        for password in ["hunter2", "hunter2:1/?", "h:1/?hunter2=hunter2"] {
            let (code, reason) = verdict(&state(), attempt(password)).unwrap_err();
            assert_eq!(code, RefusalCode::InvalidToken);
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn ordered_refusals_are_counted_once_for_each_order() {
        let token = token();
        let mut ordered = OrderedRefusals::none();
        let mut accepted = |serial, count| {
            let state = State { refuse: Refuse { serial, count }, ..state() };
            decide(&state, &mut ordered, attempt(&token), now()).accepted()
        };
        assert_eq!([(); 4].map(|()| accepted(1, 2)), [false, false, true, true]);
        assert_eq!([(); 2].map(|()| accepted(2, 1)), [false, true]);
    }

    #[test]
    fn a_wrong_state_is_the_servers_own_fault() {
        let state = State { endpoints: vec!["no port".into()], ..state() };
        let (code, reason) = verdict(&state, attempt(&token())).unwrap_err();
        assert_eq!(code, RefusalCode::Internal);
        assert!(reason.starts_with("the emulator's state is wrong: endpoint"), "{reason}");
    }
}
