//! The state of one login: the items that the server sets, and whether the login was accepted.
#![allow(unsafe_code, reason = "PAM's items are pointers")]

use std::ffi::{CStr, c_int, c_void};

use crate::abi::*;

/// The state between `pam_start` and `pam_end`; `pam_handle_t` in C, where only its address is used.
pub(crate) struct Handle {
    /// The database user: the item [`PAM_USER`]. PostgreSQL calls `pam_start` with a fixed text in its place.
    pub(crate) user: String,
    /// The client's address.
    pub(crate) host: String,
    pub(crate) conversation: PamConv,
    pub(crate) is_accepted: bool,
}

impl Handle {
    pub(crate) fn new(conversation: PamConv) -> Self {
        Self { user: String::new(), host: String::new(), conversation, is_accepted: false }
    }

    /// Sets an item, and returns a status for C.
    ///
    /// # Safety
    /// `value` is null, or points to a [`PamConv`] for [`PAM_CONV`] and to a text that ends with a NUL for the other
    /// supported items.
    pub(crate) unsafe fn set_item(&mut self, item: c_int, value: *const c_void) -> c_int {
        if !matches!(item, PAM_SERVICE | PAM_USER | PAM_RHOST | PAM_CONV) {
            return PAM_BAD_ITEM;
        }
        if value.is_null() {
            return PAM_SYSTEM_ERR;
        }
        match item {
            // SAFETY: not null, and guaranteed by the caller.
            PAM_USER => self.user = unsafe { text(value) },
            // SAFETY: as above.
            PAM_RHOST => self.host = unsafe { text(value) },
            // SAFETY: as above; the structure is copied, and its function is a static of the server's.
            PAM_CONV => self.conversation = unsafe { value.cast::<PamConv>().read() },
            // The service's name chooses nothing here.
            _ => {}
        }
        PAM_SUCCESS
    }
}

/// Returns a copy of a text of C's. Bytes that are not UTF-8 are replaced: such a user has no token.
///
/// # Safety
/// `value` points to a text that ends with a NUL.
unsafe fn text(value: *const c_void) -> String {
    // SAFETY: guaranteed by the caller; the borrow ends before the function does.
    unsafe { CStr::from_ptr(value.cast()) }.to_string_lossy().into_owned()
}
