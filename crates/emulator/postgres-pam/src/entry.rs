//! The library's C interface: the six functions that PostgreSQL imports. They convert between C and Rust.
//!
//! The contract of the pointers, to which the safety comments refer: PostgreSQL calls `pam_start` once per login, then
//! the other functions with the handle that it returned, one after the other on one thread, and `pam_end` last or not
//! at all. Items and texts are valid for the length of a call. Each login has its own process.
#![allow(unsafe_code, reason = "PAM's interface is C: pointers and exported functions")]
#![allow(
    unreachable_pub,
    private_interfaces,
    reason = "the server finds the exported functions by their names; no Rust code does"
)]

use std::env;
use std::ffi::{c_char, c_int, c_void};
use std::io::{self, Write as _};
use std::panic::{UnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rds_iam_emulator_control::decide::{self, Attempt};
use rds_iam_emulator_control::{CONTROL_DIR_VARIABLE, DEFAULT_CONTROL_DIR, LoginEvent, Verdict};

use crate::abi::*;
use crate::conversation;
use crate::handle::Handle;

/// Starts a login. The service and the user are not used: PostgreSQL sets the user as an item.
///
/// # Safety
/// `conversation` is null or points to a [`PamConv`]; `handle` is null or may be written to.
// SAFETY: PostgreSQL is to find this library's symbol of this name, and no other library defines it: its own
// libpam is not loaded, because this one has its name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_start(
    _service: *const c_char,
    _user: *const c_char,
    conversation: *const PamConv,
    handle: *mut *mut Handle,
) -> c_int {
    if conversation.is_null() || handle.is_null() {
        return PAM_SYSTEM_ERR;
    }
    // SAFETY: not null, and guaranteed by the caller.
    let conversation = unsafe { conversation.read() };
    // SAFETY: as above.
    unsafe { handle.write(Box::into_raw(Box::new(Handle::new(conversation)))) };
    PAM_SUCCESS
}

/// Ends a login.
///
/// # Safety
/// `handle` is null, or from [`pam_start`] and not used afterwards.
// SAFETY: as for `pam_start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_end(handle: *mut Handle, _status: c_int) -> c_int {
    if handle.is_null() {
        return PAM_SYSTEM_ERR;
    }
    // SAFETY: not null, so it is the box that `pam_start` released, and the caller does not use it again.
    drop(unsafe { Box::from_raw(handle) });
    PAM_SUCCESS
}

/// Sets an item of a login: the user, the client's address or the conversation.
///
/// # Safety
/// `handle` is null or from [`pam_start`]; `value` as for [`Handle::set_item`].
// SAFETY: as for `pam_start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_set_item(handle: *mut Handle, item: c_int, value: *const c_void) -> c_int {
    // SAFETY: null or the box of `pam_start`, to which no other reference exists during the call.
    match unsafe { handle.as_mut() } {
        // SAFETY: guaranteed by the caller.
        Some(handle) => unsafe { handle.set_item(item, value) },
        None => PAM_SYSTEM_ERR,
    }
}

/// Asks the client for its token and decides about the login.
///
/// # Safety
/// `handle` is null or from [`pam_start`].
// SAFETY: as for `pam_start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_authenticate(handle: *mut Handle, _flags: c_int) -> c_int {
    // SAFETY: guaranteed by the caller.
    guarded(|| unsafe { authenticate(handle, control_dir) })
}

/// Answers whether the login was accepted: an account has no other conditions.
///
/// # Safety
/// `handle` is null or from [`pam_start`].
// SAFETY: as for `pam_start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_acct_mgmt(handle: *mut Handle, _flags: c_int) -> c_int {
    // SAFETY: null or the box of `pam_start`, which no other code changes during the call.
    match unsafe { handle.as_ref() } {
        Some(handle) if handle.is_accepted => PAM_SUCCESS,
        Some(_) => PAM_AUTH_ERR,
        None => PAM_SYSTEM_ERR,
    }
}

/// Returns the text of a status, in the PAM project's words, for the server's log.
// SAFETY: as for `pam_start`.
#[unsafe(no_mangle)]
pub extern "C" fn pam_strerror(_handle: *mut Handle, status: c_int) -> *const c_char {
    let text = match status {
        PAM_SUCCESS => c"Success",
        PAM_SYSTEM_ERR => c"System error",
        PAM_AUTH_ERR => c"Authentication failure",
        PAM_CONV_ERR => c"Conversation error",
        PAM_BAD_ITEM => c"Bad item passed to pam_*_item()",
        _ => c"Unknown PAM error",
    };
    text.as_ptr()
}

/// Returns the status of `call`; an error of the library if it panics. A panic must not leave it: C has no unwinding,
/// and the server would crash with all its connections.
pub(crate) fn guarded(call: impl FnOnce() -> c_int + UnwindSafe) -> c_int {
    catch_unwind(call).unwrap_or(PAM_SYSTEM_ERR)
}

/// Asks for the token and decides about the login, by the state in the folder that `dir` returns. It is a function, so
/// that no path is alive during the conversation.
///
/// # Safety
/// `handle` is null or from [`pam_start`].
pub(crate) unsafe fn authenticate(handle: *mut Handle, dir: impl FnOnce() -> PathBuf) -> c_int {
    if handle.is_null() {
        return PAM_SYSTEM_ERR;
    }
    // SAFETY: not null, so it is the box of `pam_start`; the structure is copied, and no reference remains.
    let conversation = unsafe { (*handle).conversation };
    // SAFETY: the conversation is the server's, and PostgreSQL's allocates as PAM requires.
    let password = unsafe { conversation::ask(conversation) };
    // SAFETY: not null, as above, and no other reference exists from here on.
    let handle = unsafe { &mut *handle };
    handle.is_accepted = false;
    let Some(password) = password else { return PAM_CONV_ERR };
    handle.is_accepted = is_accepted(handle, &password, &dir());
    if handle.is_accepted { PAM_SUCCESS } else { PAM_AUTH_ERR }
}

/// Decides about a login and records the decision; the reason of a refusal is also in the server's log. A login that
/// cannot be recorded is refused.
#[expect(clippy::disallowed_methods, reason = "a server's clock is the machine's; the state shifts it")]
fn is_accepted(handle: &Handle, password: &[u8], dir: &Path) -> bool {
    let attempt = Attempt {
        user: &handle.user,
        host: &handle.host,
        auth_string: None,
        // PAM does not learn it: only `hostssl` in pg_hba.conf leads here.
        encrypted: None,
        password,
    };
    match decide::answer(dir, attempt, SystemTime::now()) {
        Ok(event) => {
            if let Verdict::Refused { code, reason } = &event.verdict {
                log(&format!("{} refused: {code}: {reason}", login(&event)));
            }
            event.accepted()
        }
        Err(e) => {
            log(&format!("cannot record logins in {}: {e}", dir.display()));
            false
        }
    }
}

fn login(event: &LoginEvent) -> String {
    format!("login of {:?} from {}", event.user, event.host)
}

/// Writes one line to the server's log, which is its standard error. The login does not depend on it.
fn log(text: &str) {
    let line = format!("rds-iam: {}\n", text.replace(char::is_control, " "));
    drop(io::stderr().write_all(line.as_bytes()));
}

fn control_dir() -> PathBuf {
    PathBuf::from(env::var_os(CONTROL_DIR_VARIABLE).unwrap_or(DEFAULT_CONTROL_DIR.into()))
}
