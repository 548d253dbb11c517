//! Asks the client for its token, through the conversation function of the server.
#![allow(unsafe_code, reason = "PAM's conversation function is C")]

use std::ffi::CStr;
use std::ptr::{NonNull, null_mut};
use std::slice;

use zeroize::{Zeroize as _, Zeroizing};

#[cfg(not(test))]
use crate::abi::free;
use crate::abi::*;
#[cfg(test)]
use crate::tests::free;

/// Returns the bytes that the client sent as its password, in clear text; `None` if it sent none.
///
/// PostgreSQL's function reads them from the connection. If that fails, it may also end the process, or leave this
/// function by `longjmp`. So no value with a destructor is alive while it runs, here or in the callers.
///
/// # Safety
/// `conversation` has PAM's meaning: its function reads one message, and sets the response to an array of one, which
/// is allocated by `malloc`, as is the text in it, and belongs to the caller from then on.
pub(crate) unsafe fn ask(conversation: PamConv) -> Option<Zeroizing<Vec<u8>>> {
    let function = conversation.conv?;
    let message = PamMessage { msg_style: PAM_PROMPT_ECHO_OFF, msg: c"Password: ".as_ptr() };
    let message: *const PamMessage = &raw const message;
    let mut responses: *mut PamResponse = null_mut();
    // SAFETY: the function is the server's, and gets its own last argument. One message is announced, and one is there;
    // it and the place for the response outlive the call.
    let status = unsafe { function(1, &raw const message, &raw mut responses, conversation.appdata_ptr) };
    // After a failure, the function has freed everything itself.
    if status != PAM_SUCCESS {
        return None;
    }
    let answer = Answer(NonNull::new(responses)?);
    answer.bytes()
}

/// The response to one message. Dropping it overwrites the text and frees both.
struct Answer(NonNull<PamResponse>);

impl Answer {
    /// Returns a copy of the text's bytes; `None` if there is no text.
    fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        // SAFETY: the response is ours until `drop`, and no other code uses it.
        let text = NonNull::new(unsafe { self.0.as_ref() }.resp)?;
        // SAFETY: `text` ends with a NUL, because the server made it with `strdup`, and is ours until `drop`.
        let text = unsafe { CStr::from_ptr(text.as_ptr()) };
        Some(Zeroizing::new(text.to_bytes().to_vec()))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: the response is ours, and no other code uses it.
        let text = unsafe { self.0.as_ref() }.resp;
        if !text.is_null() {
            // SAFETY: as in `bytes`.
            let length = unsafe { CStr::from_ptr(text) }.count_bytes();
            // SAFETY: `length` bytes before the NUL are ours and initialised; the shared borrow of them has ended.
            unsafe { slice::from_raw_parts_mut(text.cast::<u8>(), length) }.zeroize();
            // SAFETY: allocated by `malloc`, ours, and not used after this.
            unsafe { free(text.cast()) };
        }
        // SAFETY: as above.
        unsafe { free(self.0.as_ptr().cast()) };
    }
}
