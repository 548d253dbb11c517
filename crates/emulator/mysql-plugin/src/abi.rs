//! Rust declarations of MySQL's plugin structures from `include/mysql/plugin.h`, `plugin_auth.h` and
//! `plugin_auth_common.h` of 8.4 and 9.x, with the original names.

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use std::mem::{offset_of, size_of};

/// `MYSQL_PLUGIN_INTERFACE_VERSION`: the server checks the major part (the upper byte) and requires the minor
/// part to be at least its minimum.
pub(crate) const PLUGIN_INTERFACE_VERSION: c_int = 0x010A;
/// `MYSQL_AUTHENTICATION_INTERFACE_VERSION`.
pub(crate) const AUTHENTICATION_INTERFACE_VERSION: c_int = 0x0201;
/// `MYSQL_AUTHENTICATION_PLUGIN`, a kind of plugin.
pub(crate) const AUTHENTICATION_PLUGIN: c_int = 7;
/// `PLUGIN_LICENSE_PROPRIETARY`: any licence that is not the GPL or BSD.
pub(crate) const LICENSE_OTHER: c_int = 0;

/// `CR_OK`: let the client in.
pub(crate) const CR_OK: c_int = -1;
/// `CR_ERROR`: an error occurred.
pub(crate) const CR_ERROR: c_int = 0;
/// `CR_AUTH_USER_CREDENTIALS`: the client's credentials are invalid.
pub(crate) const CR_AUTH_USER_CREDENTIALS: c_int = 1;

#[repr(C)]
pub(crate) struct StMysqlPlugin {
    pub(crate) type_: c_int,
    pub(crate) info: *const c_void,
    pub(crate) name: *const c_char,
    pub(crate) author: *const c_char,
    pub(crate) descr: *const c_char,
    pub(crate) license: c_int,
    pub(crate) init: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    pub(crate) check_uninstall: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    pub(crate) deinit: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    pub(crate) version: c_uint,
    pub(crate) status_vars: *const c_void,
    pub(crate) system_vars: *const c_void,
    pub(crate) reserved1: *const c_void,
    pub(crate) flags: c_ulong,
}

#[repr(C)]
pub(crate) struct StMysqlAuth {
    pub(crate) interface_version: c_int,
    pub(crate) client_auth_plugin: *const c_char,
    pub(crate) authenticate_user: unsafe extern "C" fn(*mut Vio, *mut ServerAuthInfo) -> c_int,
    pub(crate) generate_authentication_string:
        unsafe extern "C" fn(*mut c_char, *mut c_uint, *const c_char, c_uint) -> c_int,
    pub(crate) validate_authentication_string: unsafe extern "C" fn(*mut c_char, c_uint) -> c_int,
    pub(crate) set_salt: unsafe extern "C" fn(*const c_char, c_uint, *mut u8, *mut u8) -> c_int,
    pub(crate) authentication_flags: c_ulong,
    pub(crate) compare_password_with_hash:
        Option<unsafe extern "C" fn(*const c_char, c_ulong, *const c_char, c_ulong, *mut c_int) -> c_int>,
}

/// `MYSQL_PLUGIN_VIO`: the connection. Newer servers have more functions behind these.
#[repr(C)]
pub(crate) struct Vio {
    pub(crate) read_packet: unsafe extern "C" fn(*mut Vio, *mut *mut u8) -> c_int,
    pub(crate) write_packet: unsafe extern "C" fn(*mut Vio, *const u8, c_int) -> c_int,
    pub(crate) info: unsafe extern "C" fn(*mut Vio, *mut VioInfo),
}

/// `MYSQL_PLUGIN_VIO_INFO`, with room for what later versions may add.
#[repr(C)]
pub(crate) struct VioInfo {
    pub(crate) protocol: c_int,
    pub(crate) socket: c_int,
    /// Since 9.0. A byte and not a `bool`, because older servers do not write it.
    pub(crate) is_tls_established: u8,
    pub(crate) room: [u8; 55],
}

/// `MYSQL_SERVER_AUTH_INFO`, as far as every version has it. It is only used by reference: newer
/// servers have more fields behind these.
#[repr(C)]
pub(crate) struct ServerAuthInfo {
    pub(crate) user_name: *mut c_char,
    pub(crate) user_name_length: c_uint,
    pub(crate) auth_string: *const c_char,
    pub(crate) auth_string_length: c_ulong,
    pub(crate) authenticated_as: [c_char; 97],
    pub(crate) external_user: [c_char; 512],
    pub(crate) password_used: c_int,
    pub(crate) host_or_ip: *const c_char,
    pub(crate) host_or_ip_length: c_uint,
}

// The layout of a C compiler for 64-bit pointers and `long` (x86-64 and aarch64 Linux).
const _: () = {
    assert!(size_of::<StMysqlPlugin>() == 0x70);
    assert!(offset_of!(StMysqlPlugin, info) == 8);
    assert!(offset_of!(StMysqlPlugin, license) == 40);
    assert!(offset_of!(StMysqlPlugin, init) == 48);
    assert!(offset_of!(StMysqlPlugin, version) == 72);
    assert!(offset_of!(StMysqlPlugin, status_vars) == 80);
    assert!(offset_of!(StMysqlPlugin, flags) == 104);

    assert!(size_of::<StMysqlAuth>() == 64);
    assert!(offset_of!(StMysqlAuth, client_auth_plugin) == 8);
    assert!(offset_of!(StMysqlAuth, authenticate_user) == 16);
    assert!(offset_of!(StMysqlAuth, set_salt) == 40);
    assert!(offset_of!(StMysqlAuth, authentication_flags) == 48);
    assert!(offset_of!(StMysqlAuth, compare_password_with_hash) == 56);

    assert!(offset_of!(Vio, info) == 16);
    assert!(offset_of!(VioInfo, is_tls_established) == 8);

    assert!(offset_of!(ServerAuthInfo, user_name_length) == 8);
    assert!(offset_of!(ServerAuthInfo, auth_string) == 16);
    assert!(offset_of!(ServerAuthInfo, auth_string_length) == 24);
    assert!(offset_of!(ServerAuthInfo, authenticated_as) == 32);
    assert!(offset_of!(ServerAuthInfo, external_user) == 129);
    assert!(offset_of!(ServerAuthInfo, password_used) == 644);
    assert!(offset_of!(ServerAuthInfo, host_or_ip) == 648);
    assert!(offset_of!(ServerAuthInfo, host_or_ip_length) == 656);
};
