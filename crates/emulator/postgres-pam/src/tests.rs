//! Calls the six functions as PostgreSQL does, with a conversation whose client is made up.
#![allow(unsafe_code, reason = "the tests call C's interface")]

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::path::Path;
use std::ptr::{null, null_mut};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use rds_iam_emulator_control::{AccessKey, LoginEvent, RefusalCode, State};
use rds_iam_token::{Login, sign};

use crate::abi::*;
use crate::entry::*;
use crate::handle::Handle;

const ENDPOINT: &str = "db.abc.us-east-1.rds.amazonaws.com:5432";

unsafe extern "C" {
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn strdup(text: *const c_char) -> *mut c_char;
    #[link_name = "free"]
    fn c_free(memory: *mut c_void);
}

thread_local! {
    /// The texts that were freed since the test began, with the bytes that they had at that time.
    static FREED: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    /// The answers that were handed out: address and length.
    static ANSWERS: RefCell<Vec<(usize, usize)>> = const { RefCell::new(Vec::new()) };
}

/// Frees memory, and remembers what an answer contained.
pub(crate) unsafe fn free(memory: *mut c_void) {
    let length = ANSWERS.with_borrow(|answers| {
        answers.iter().find(|(address, _)| *address == memory.addr()).map_or(0, |(_, length)| *length)
    });
    // SAFETY: the memory is an answer of this length, or none of its bytes are read; it is freed below.
    let bytes = unsafe { std::slice::from_raw_parts(memory.cast::<u8>(), length) }.to_vec();
    FREED.with_borrow_mut(|freed| freed.push(bytes));
    // SAFETY: allocated by `calloc` or `strdup`, and not used after this.
    unsafe { c_free(memory) };
}

/// The client of a login, behind the conversation's last argument.
#[derive(Default)]
struct Client {
    /// The password; `None` for a null answer.
    password: Option<CString>,
    /// Whether the conversation fails: the client has gone away.
    is_gone: bool,
    /// The style and text of each question.
    questions: Vec<(c_int, String)>,
}

/// The conversation function of a server.
unsafe extern "C" fn converse(
    count: c_int,
    messages: *const *const PamMessage,
    responses: *mut *mut PamResponse,
    client: *mut c_void,
) -> c_int {
    assert_eq!(count, 1, "PostgreSQL's function answers only one message");
    // SAFETY: the test's client outlives the login, and the test does not use it during the call.
    let client = unsafe { &mut *client.cast::<Client>() };
    // SAFETY: PAM's contract: there is one message, with a text.
    let (message, text) = unsafe { (&**messages, CStr::from_ptr((**messages).msg)) };
    client.questions.push((message.msg_style, text.to_string_lossy().into_owned()));
    if client.is_gone {
        return PAM_CONV_ERR;
    }
    // SAFETY: zeroes are a valid response, with a null text.
    let response: *mut PamResponse = unsafe { calloc(1, size_of::<PamResponse>()) }.cast();
    if let Some(password) = &client.password {
        // SAFETY: `response` was allocated above, and the password ends with a NUL.
        unsafe { (*response).resp = strdup(password.as_ptr()) };
        // SAFETY: as above.
        let address = unsafe { (*response).resp }.addr();
        ANSWERS.with_borrow_mut(|answers| answers.push((address, password.count_bytes())));
    }
    // SAFETY: PAM's contract: the place for the responses may be written to.
    unsafe { responses.write(response) };
    PAM_SUCCESS
}

/// Logs in as PostgreSQL does. Returns the statuses of `pam_authenticate` and `pam_acct_mgmt`.
fn log_in(dir: &Path, user: Option<&CStr>, client: &mut Client) -> (c_int, c_int) {
    let dir = dir.to_owned();
    let handle = started(client);
    // SAFETY: the handle is from `pam_start`, and the texts are statics or outlive the call.
    unsafe {
        if let Some(user) = user {
            assert_eq!(pam_set_item(handle, PAM_USER, user.as_ptr().cast()), PAM_SUCCESS);
        }
        assert_eq!(pam_set_item(handle, PAM_RHOST, c"192.0.2.7".as_ptr().cast()), PAM_SUCCESS);
        assert_eq!(pam_acct_mgmt(handle, 0), PAM_AUTH_ERR, "before the answer");
        let answered = authenticate(handle, move || dir);
        let permitted = pam_acct_mgmt(handle, 0);
        assert_eq!(pam_end(handle, 0), PAM_SUCCESS);
        (answered, permitted)
    }
}

/// Starts a login with PostgreSQL's arguments.
fn started(client: &mut Client) -> *mut Handle {
    let conversation = PamConv { conv: Some(converse), appdata_ptr: (&raw mut *client).cast() };
    let mut handle = null_mut();
    // SAFETY: all pointers are valid during the call; the client outlives the login.
    let status = unsafe {
        pam_start(c"postgresql".as_ptr(), c"pgsql@".as_ptr(), &raw const conversation, &raw mut handle)
    };
    assert_eq!(status, PAM_SUCCESS);
    assert!(!handle.is_null());
    handle
}

fn client(password: &str) -> Client {
    Client { password: Some(CString::new(password).unwrap()), ..Client::default() }
}

/// Returns a control folder with a key that may log in as any user.
fn control() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        r#"{{"region":"us-east-1","endpoints":["{ENDPOINT}"],"keys":[{{"id":"AKID","secret":"secret"}}]}}"#
    );
    fs::write(dir.path().join(State::FILE), text).unwrap();
    dir
}

#[expect(clippy::disallowed_methods, reason = "the library decides by the machine's clock")]
fn token(user: &str, secret: &str) -> String {
    let login = Login::new(ENDPOINT.parse().unwrap(), "us-east-1".parse().unwrap(), user.parse().unwrap());
    let credentials = Credentials::new("AKID", secret, None, None, "test");
    sign(&login, &credentials, SystemTime::now()).unwrap().expose().to_owned()
}

fn only_event(dir: &Path) -> LoginEvent {
    let events = LoginEvent::read_all(dir).unwrap();
    assert_eq!(events.len(), 1, "{events:?}");
    events.into_iter().next().unwrap()
}

#[test]
fn a_token_is_accepted_after_one_question() {
    let control = control();
    let mut client = client(&token("app", "secret"));
    assert_eq!(log_in(control.path(), Some(c"app"), &mut client), (PAM_SUCCESS, PAM_SUCCESS));
    assert_eq!(client.questions, [(PAM_PROMPT_ECHO_OFF, "Password: ".to_owned())]);
    let event = only_event(control.path());
    assert!(event.accepted());
    assert_eq!((event.user.as_str(), event.host.as_str()), ("app", "192.0.2.7"));
    assert_eq!(event.access_key_id, Some(AccessKey::new("AKID", "secret").id));
}

#[test]
fn the_user_comes_from_the_item() {
    let control = control();
    let mut other = client(&token("app", "secret"));
    assert_eq!(log_in(control.path(), Some(c"other"), &mut other), (PAM_AUTH_ERR, PAM_AUTH_ERR));
    assert_eq!(only_event(control.path()).user, "other");

    // `pam_start` got a user too: the one that PostgreSQL always passes.
    let mut fixed = client(&token("pgsql@", "secret"));
    assert_eq!(log_in(control.path(), None, &mut fixed), (PAM_AUTH_ERR, PAM_AUTH_ERR));
}

#[test]
fn a_refusal_is_7_and_a_panic_4() {
    let control = control();
    let mut forged = client(&token("app", "another secret"));
    assert_eq!(log_in(control.path(), Some(c"app"), &mut forged), (7, 7));
    assert_eq!(only_event(control.path()).code(), Some(RefusalCode::InvalidToken));
    assert_eq!(guarded(|| panic!("a defect")), 4);
}

#[test]
fn a_refused_attempt_revokes_an_earlier_acceptance() {
    let control = control();
    let mut client = client(&token("app", "secret"));
    let handle = started(&mut client);
    let dir = || control.path().to_owned();
    // SAFETY: the handle is from `pam_start`, and the client is used only between the calls.
    unsafe {
        pam_set_item(handle, PAM_USER, c"app".as_ptr().cast());
        assert_eq!(authenticate(handle, dir), PAM_SUCCESS);
        assert_eq!(pam_acct_mgmt(handle, 0), PAM_SUCCESS);
        pam_set_item(handle, PAM_USER, c"other".as_ptr().cast());
        assert_eq!(authenticate(handle, dir), PAM_AUTH_ERR);
        assert_eq!(pam_acct_mgmt(handle, 0), PAM_AUTH_ERR);
        pam_end(handle, 0);
    }
}

#[test]
fn the_answer_is_freed_and_cleared() {
    let control = control();
    let password = "hunter2".repeat(10);
    let _ = log_in(control.path(), Some(c"app"), &mut client(&password));
    // The text and the array around it.
    assert_eq!(FREED.take(), [vec![0_u8; password.len()], Vec::new()]);
    assert!(!fs::read_to_string(LoginEvent::record(control.path())).unwrap().contains("hunter2"));
}

#[test]
fn a_client_without_an_answer_is_refused() {
    let control = control();
    let mut silent = Client::default();
    assert_eq!(log_in(control.path(), Some(c"app"), &mut silent), (PAM_CONV_ERR, PAM_AUTH_ERR));
    assert_eq!(FREED.take(), [Vec::<u8>::new()], "the array alone");

    let mut gone = Client { is_gone: true, ..client("password") };
    assert_eq!(log_in(control.path(), Some(c"app"), &mut gone), (PAM_CONV_ERR, PAM_AUTH_ERR));
    assert!(FREED.take().is_empty());
    assert!(!LoginEvent::record(control.path()).exists(), "no password, so no attempt");

    let mut empty = client("");
    assert_eq!(log_in(control.path(), Some(c"app"), &mut empty), (PAM_AUTH_ERR, PAM_AUTH_ERR));
}

#[test]
fn sixty_kilobytes_arrive_whole() {
    let control = control();
    // A session token makes a token long. Signed by a temporary key, which the state has.
    let session = "x".repeat(60_000);
    let key = AccessKey::new("ASIA", "secret").session_token(&session);
    let mut state = State::read(control.path()).unwrap();
    state.keys.push(key);
    fs::write(control.path().join(State::FILE), state.to_json().unwrap()).unwrap();

    let login = Login::new(ENDPOINT.parse().unwrap(), "us-east-1".parse().unwrap(), "app".parse().unwrap());
    let credentials = Credentials::new("ASIA", "secret", Some(session), None, "test");
    #[expect(clippy::disallowed_methods, reason = "the library decides by the machine's clock")]
    let token = sign(&login, &credentials, SystemTime::now()).unwrap().expose().to_owned();
    assert!(token.len() > 60_000);
    assert_eq!(log_in(control.path(), Some(c"app"), &mut client(&token)), (PAM_SUCCESS, PAM_SUCCESS));
    let (cut, _) = token.split_at(token.len() - 1);
    assert_eq!(log_in(control.path(), Some(c"app"), &mut client(cut)), (PAM_AUTH_ERR, PAM_AUTH_ERR));
}

#[test]
fn an_unknown_item_is_refused() {
    let mut client = client("");
    let handle = started(&mut client);
    let text = c"text".as_ptr().cast();
    // SAFETY: the handle is from `pam_start`; the value is a text, and null where that is tested.
    unsafe {
        // PAM_TTY, PAM_RUSER, PAM_USER_PROMPT, and two that do not exist.
        for item in [3, 8, 9, 0, -1] {
            assert_eq!(pam_set_item(handle, item, text), PAM_BAD_ITEM, "{item}");
            assert_eq!(pam_set_item(handle, item, null()), PAM_BAD_ITEM, "{item}");
        }
        for item in [PAM_SERVICE, PAM_USER, PAM_RHOST, PAM_CONV] {
            assert_eq!(pam_set_item(handle, item, null()), PAM_SYSTEM_ERR, "{item}");
        }
        assert_eq!(pam_set_item(handle, PAM_SERVICE, text), PAM_SUCCESS);
        assert_eq!(pam_end(handle, 0), PAM_SUCCESS);
    }
}

#[test]
fn null_pointers_are_errors() {
    let conversation = PamConv { conv: None, appdata_ptr: null_mut() };
    let mut handle = null_mut();
    // SAFETY: each pointer is null or valid, and the only handle that is not null is from `pam_start`.
    unsafe {
        assert_eq!(pam_start(null(), null(), null(), &raw mut handle), PAM_SYSTEM_ERR);
        assert_eq!(pam_start(null(), null(), &raw const conversation, null_mut()), PAM_SYSTEM_ERR);
        assert_eq!(pam_set_item(null_mut(), PAM_USER, c"app".as_ptr().cast()), PAM_SYSTEM_ERR);
        assert_eq!(pam_authenticate(null_mut(), 0), PAM_SYSTEM_ERR);
        assert_eq!(pam_acct_mgmt(null_mut(), 0), PAM_SYSTEM_ERR);
        assert_eq!(pam_end(null_mut(), 0), PAM_SYSTEM_ERR);

        assert_eq!(pam_start(null(), null(), &raw const conversation, &raw mut handle), PAM_SUCCESS);
        assert_eq!(pam_authenticate(handle, 0), PAM_CONV_ERR, "no conversation function");
        assert_eq!(pam_end(handle, 0), PAM_SUCCESS);
    }
}

#[test]
fn each_status_has_a_text() {
    let text = |status| {
        // SAFETY: the function returns a static text.
        unsafe { CStr::from_ptr(pam_strerror(null_mut(), status)) }.to_str().unwrap()
    };
    assert_eq!(text(PAM_SUCCESS), "Success");
    assert_eq!(text(PAM_AUTH_ERR), "Authentication failure");
    assert_eq!(text(-1), "Unknown PAM error");
}

#[test]
fn a_login_is_refused_without_a_control_folder() {
    let control = control();
    let missing = control.path().join("missing");
    let mut client = client(&token("app", "secret"));
    assert_eq!(log_in(&missing, Some(c"app"), &mut client), (PAM_AUTH_ERR, PAM_AUTH_ERR));
}
