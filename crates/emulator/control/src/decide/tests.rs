//! Tests of the decision about a login, without a server.

use std::fs;

use aws_credential_types::Credentials;
use rds_iam_token::{Login, sign};

use super::*;
use crate::{AuthSwitch, Refuse};

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
        throttle: Refuse::default(),
        auth_switch: AuthSwitch::default(),
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// Returns a token for `app`, signed at [`now`] by the long-lived key.
fn token() -> String {
    let login = Login::new(ENDPOINT.parse().unwrap(), "us-east-1".parse().unwrap(), "app".parse().unwrap());
    let credentials = Credentials::new("AKID", "secret", None, None, "test");
    sign(&login, &credentials, now()).unwrap().expose().to_owned()
}

fn attempt(token: &str) -> Attempt<'_> {
    Attempt {
        user: "app",
        host: "127.0.0.1",
        auth_string: Some(AUTH_STRING),
        encrypted: Some(true),
        password: token.as_bytes(),
    }
}

fn verdict(state: &State, attempt: Attempt<'_>) -> Result<(), (RefusalCode, String)> {
    match decide(state, attempt, false, now()).verdict {
        Verdict::Accepted => Ok(()),
        Verdict::Refused { code, reason } => Err((code, reason)),
    }
}

#[test]
fn a_good_token_is_accepted_and_recorded() {
    let state = State { clock_offset_seconds: 40, ..state() };
    let event = decide(&state, attempt(&token()), false, now());
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
    let other = Attempt { auth_string: Some("else"), ..attempt(&token) };
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
fn postgresql_has_no_authentication_string_and_reports_no_encryption() {
    let token = token();
    let attempt = Attempt { auth_string: None, encrypted: None, ..attempt(&token) };
    assert_eq!(verdict(&state(), attempt), Ok(()));
}

#[test]
fn an_attempt_shows_no_password() {
    let shown = format!("{:?}", attempt("hunter2"));
    assert!(shown.contains("password_bytes: 7") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn an_answer_is_recorded_and_ordered_refusals_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let token = token();
    let answers = |serial, count| {
        let state = State { refuse: Refuse { serial, count }, ..state() };
        fs::write(dir.path().join(State::FILE), state.to_json().unwrap()).unwrap();
        [(); 3].map(|()| answer(dir.path(), attempt(&token), now()).unwrap())
    };
    let first = answers(1, 2);
    assert_eq!(first[0].code(), Some(RefusalCode::Internal));
    assert_eq!(first[0].reason(), Some("refused at the test's request"));
    assert_eq!(first.each_ref().map(LoginEvent::accepted), [false, false, true]);
    let second = answers(2, 1);
    assert_eq!(second.each_ref().map(LoginEvent::accepted), [false, true, true]);
    assert_eq!(LoginEvent::read_all(dir.path()).unwrap(), [first, second].concat());
}

#[test]
fn a_login_is_refused_without_a_readable_control_folder() {
    let dir = tempfile::tempdir().unwrap();
    let token = token();
    let event = answer(dir.path(), attempt(&token), now()).unwrap();
    assert_eq!(event.code(), Some(RefusalCode::Internal));
    assert!(event.reason().unwrap().starts_with("cannot read the state in /"), "{event:?}");

    let state = State { refuse: Refuse { serial: 1, count: 1 }, ..state() };
    fs::write(dir.path().join(State::FILE), state.to_json().unwrap()).unwrap();
    fs::write(Counter::Refusals.file(dir.path()), "no count").unwrap();
    let event = answer(dir.path(), attempt(&token), now()).unwrap();
    assert!(event.reason().unwrap().starts_with("cannot count refusals in /"), "{event:?}");

    answer(&dir.path().join("missing"), attempt(&token), now()).unwrap_err();
}

#[test]
fn a_wrong_state_is_the_servers_own_fault() {
    let state = State { endpoints: vec!["no port".into()], ..state() };
    let (code, reason) = verdict(&state, attempt(&token())).unwrap_err();
    assert_eq!(code, RefusalCode::Internal);
    assert!(reason.starts_with("the emulator's state is wrong: endpoint"), "{reason}");
}
