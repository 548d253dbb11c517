//! Rust declarations of Linux-PAM's structures and numbers from `security/_pam_types.h`, with the original names.
#![allow(unsafe_code, reason = "C's `free` is declared")]

use std::ffi::{c_char, c_int, c_void};
use std::mem::{offset_of, size_of};

/// The operation succeeded.
pub(crate) const PAM_SUCCESS: c_int = 0;
/// An error of the library itself.
pub(crate) const PAM_SYSTEM_ERR: c_int = 4;
/// The client's credentials are invalid.
pub(crate) const PAM_AUTH_ERR: c_int = 7;
/// The conversation with the client failed.
pub(crate) const PAM_CONV_ERR: c_int = 19;
/// The item has a number that is not supported.
pub(crate) const PAM_BAD_ITEM: c_int = 29;

/// The item with the service's name, by which the PAM project's library chooses its configuration.
pub(crate) const PAM_SERVICE: c_int = 1;
/// The item with the user's name.
pub(crate) const PAM_USER: c_int = 2;
/// The item with the client's address.
pub(crate) const PAM_RHOST: c_int = 4;
/// The item with the conversation function.
pub(crate) const PAM_CONV: c_int = 5;

/// The style of a message that asks for a password.
pub(crate) const PAM_PROMPT_ECHO_OFF: c_int = 1;

/// `struct pam_message`: a question to the client.
#[repr(C)]
pub(crate) struct PamMessage {
    pub(crate) msg_style: c_int,
    pub(crate) msg: *const c_char,
}

/// `struct pam_response`: the answer to one message. The text is allocated by C, for the library to free.
#[repr(C)]
pub(crate) struct PamResponse {
    pub(crate) resp: *mut c_char,
    pub(crate) resp_retcode: c_int,
}

/// The conversation function: gets `num_msg` messages, and sets `resp` to an array of as many responses.
pub(crate) type Conversation = unsafe extern "C" fn(
    num_msg: c_int,
    msg: *const *const PamMessage,
    resp: *mut *mut PamResponse,
    appdata_ptr: *mut c_void,
) -> c_int;

/// `struct pam_conv`: the conversation function, and its last argument.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct PamConv {
    pub(crate) conv: Option<Conversation>,
    pub(crate) appdata_ptr: *mut c_void,
}

unsafe extern "C" {
    /// C's `free`, for the memory that the conversation function allocated.
    #[cfg(not(test))]
    pub(crate) fn free(memory: *mut c_void);
}

// The layout of a C compiler for 64-bit pointers (x86-64 and aarch64 Linux).
const _: () = {
    assert!(size_of::<PamMessage>() == 16);
    assert!(offset_of!(PamMessage, msg) == 8);
    assert!(size_of::<PamResponse>() == 16);
    assert!(offset_of!(PamResponse, resp_retcode) == 8);
    assert!(size_of::<PamConv>() == 16);
    assert!(offset_of!(PamConv, appdata_ptr) == 8);
};
