//! The plugin's C interface: the exported declarations, and the functions that the MySQL server calls. They convert
//! between C and Rust, and record each login.
#![allow(unsafe_code, reason = "MySQL's plugin interface is C: functions, pointers and exported symbols")]
#![allow(
    unreachable_pub,
    non_upper_case_globals,
    reason = "the server finds the exported symbols by these names; no Rust code does"
)]

use std::env;
use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::slice;
use std::time::SystemTime;

use rds_iam_emulator_control::decide::{self, AUTH_STRING, Attempt};
use rds_iam_emulator_control::{AuthSwitch, CONTROL_DIR_VARIABLE, DEFAULT_CONTROL_DIR, State};

use crate::abi::*;

/// The initial value of the TLS byte: neither of the two values that a server writes.
const NOT_WRITTEN: u8 = 0x7f;

/// A scramble as a stock server's plugins send it: 20 bytes and a zero. No token depends on it.
const SCRAMBLE: &[u8] = b"20-bytes-of-scramble\0";

fn control_dir() -> PathBuf {
    PathBuf::from(env::var_os(CONTROL_DIR_VARIABLE).unwrap_or(DEFAULT_CONTROL_DIR.into()))
}

/// Returns the data of the request for a token. Without a state, the login is refused in any case.
fn auth_switch_data() -> &'static [u8] {
    match State::read(&control_dir()).map(|state| state.auth_switch) {
        Ok(AuthSwitch::Scramble) => SCRAMBLE,
        _ => &[],
    }
}

/// Answers a login and records it. A login that cannot be recorded is refused.
#[expect(clippy::disallowed_methods, reason = "a server's clock is the machine's; the state shifts it")]
fn answer(attempt: Attempt<'_>) -> bool {
    let dir = control_dir();
    match decide::answer(&dir, attempt, SystemTime::now()) {
        Ok(event) => event.accepted(),
        Err(e) => {
            eprintln!("AWSAuthenticationPlugin: cannot record logins in {}: {e}", dir.display());
            false
        }
    }
}

/// Returns the bytes at `data`; an empty slice if it is null.
///
/// # Safety
/// Unless it is null, `data` points to `length` readable bytes that no thread writes to during `'a`.
unsafe fn bytes<'a>(data: *const u8, length: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: guaranteed by the caller.
    unsafe { slice::from_raw_parts(data, length) }
}

/// `authenticate_user`: reads the token, which the server gets from the client by asking for
/// `mysql_clear_password`, and answers.
///
/// # Safety
/// The server's part of the contract: both pointers are valid for the length of the call, with the
/// functions of `vio` set and the text fields of `info` as long as their lengths say.
unsafe extern "C" fn authenticate_user(vio: *mut Vio, info: *mut ServerAuthInfo) -> c_int {
    let result = catch_unwind(|| {
        let data = auth_switch_data();
        let Ok(length) = c_int::try_from(data.len()) else { return CR_ERROR };
        // SAFETY: `vio` is valid and its functions are set; `data` is as long as `length` says and stays
        // valid. Without this, the server itself requests the client's plugin, in its version's form.
        if unsafe { ((*vio).write_packet)(vio, data.as_ptr(), length) } != 0 {
            return CR_ERROR;
        }
        let mut packet: *mut u8 = null_mut();
        // SAFETY: `vio` is valid and its functions are set; `packet` outlives the call.
        let length = unsafe { ((*vio).read_packet)(vio, &raw mut packet) };
        let Ok(length) = usize::try_from(length) else { return CR_ERROR };

        let mut connection =
            VioInfo { protocol: 0, socket: 0, is_tls_established: NOT_WRITTEN, room: [0; 55] };
        // SAFETY: as above. The server writes its own version of the structure, which is 8 bytes long in
        // 8.4 and 12 in 9.x; there are 64.
        unsafe { ((*vio).info)(vio, &raw mut connection) };

        // SAFETY: `info` is valid, and no other code uses it during the call. Only this field is written.
        // Without it, the client gets "using password: NO".
        unsafe { (&raw mut (*info).password_used).write(c_int::from(length > 1)) };

        // SAFETY: `read_packet` returned the length of the packet, which is the server's and stays until
        // the next call to `read_packet`. The texts in `info` are the server's and stay as they are.
        let (password, user, host, auth_string) = unsafe {
            (
                bytes(packet, length),
                bytes((*info).user_name.cast(), (*info).user_name_length as usize),
                bytes((*info).host_or_ip.cast(), (*info).host_or_ip_length as usize),
                bytes((*info).auth_string.cast(), (*info).auth_string_length as usize),
            )
        };
        let accepted = answer(Attempt {
            user: &String::from_utf8_lossy(user),
            host: &String::from_utf8_lossy(host),
            auth_string: Some(&String::from_utf8_lossy(auth_string)),
            encrypted: match connection.is_tls_established {
                NOT_WRITTEN => None,
                established => Some(established != 0),
            },
            // `mysql_clear_password` ends the password with a NUL.
            password: password.strip_suffix(&[0]).unwrap_or(password),
        });
        if accepted { CR_OK } else { CR_AUTH_USER_CREDENTIALS }
    });
    result.unwrap_or(CR_ERROR)
}

/// `generate_authentication_string`: returns the stored value for `IDENTIFIED WITH … BY 'password'`. Fails:
/// an IAM account has no password.
unsafe extern "C" fn generate(_: *mut c_char, _: *mut c_uint, _: *const c_char, _: c_uint) -> c_int {
    1
}

/// `validate_authentication_string`: checks the text of `IDENTIFIED WITH … AS 'text'`.
///
/// # Safety
/// The server's part of the contract: `text` is null or points to `length` readable bytes.
unsafe extern "C" fn validate(text: *mut c_char, length: c_uint) -> c_int {
    // SAFETY: guaranteed by the server.
    let text = unsafe { bytes(text.cast(), length as usize) };
    c_int::from(text != AUTH_STRING.as_bytes())
}

/// `set_salt`: there is none.
///
/// # Safety
/// The server's part of the contract: `salt_length` is null or may be written to.
unsafe extern "C" fn set_salt(_: *const c_char, _: c_uint, _: *mut u8, salt_length: *mut u8) -> c_int {
    if !salt_length.is_null() {
        // SAFETY: not null, and guaranteed by the server.
        unsafe { salt_length.write(0) };
    }
    0
}

/// A `static` that the C side reads.
#[repr(transparent)]
pub struct Exported<T>(T);

// SAFETY: the pointers within are to constants and functions. The server, which alone writes to the
// declarations, does so before it has other threads, or under its own lock.
unsafe impl<T> Sync for Exported<T> {}

static AUTHENTICATION: Exported<StMysqlAuth> = Exported(StMysqlAuth {
    interface_version: AUTHENTICATION_INTERFACE_VERSION,
    client_auth_plugin: c"mysql_clear_password".as_ptr(),
    authenticate_user,
    generate_authentication_string: generate,
    validate_authentication_string: validate,
    set_salt,
    authentication_flags: 0 as c_ulong,
    compare_password_with_hash: None,
});

/// The zero entry that ends the declarations.
const END: StMysqlPlugin = StMysqlPlugin {
    type_: 0,
    info: null(),
    name: null(),
    author: null(),
    descr: null(),
    license: 0,
    init: None,
    check_uninstall: None,
    deinit: None,
    version: 0,
    status_vars: null(),
    system_vars: null(),
    reserved1: null(),
    flags: 0,
};

/// The version of the plugin interface that this library implements.
// SAFETY: no other library in a MySQL server has a symbol of this name outside its own scope: the server
// looks it up in this library's handle.
#[unsafe(no_mangle)]
pub static _mysql_plugin_interface_version_: c_int = PLUGIN_INTERFACE_VERSION;

/// The size of one declaration.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub static _mysql_sizeof_struct_st_plugin_: c_int = size_of::<StMysqlPlugin>() as c_int;

/// The plugins in this library. Mutable, because the server writes to them.
// SAFETY: as above.
#[unsafe(no_mangle)]
pub static mut _mysql_plugin_declarations_: [StMysqlPlugin; 2] = [
    StMysqlPlugin {
        type_: AUTHENTICATION_PLUGIN,
        info: (&raw const AUTHENTICATION).cast::<c_void>(),
        name: c"AWSAuthenticationPlugin".as_ptr(),
        author: c"rds-iam".as_ptr(),
        descr: c"Emulates the IAM authentication of RDS".as_ptr(),
        license: LICENSE_OTHER,
        version: 0x0100,
        ..END
    },
    END,
];
