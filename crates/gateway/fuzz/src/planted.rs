//! A fault that the fuzz targets have to find: a reader that trusts the length in a header. It shows that they can
//! fail.

use rds_iam_gateway::postgres::{ClientFrames, Observer, ServerFrames};

use crate::input::Input;
use crate::relay::forward;

/// The type of COPY's data.
const COPY_DATA: u8 = b'd';

/// An observer that keeps COPY's data. Its fault: it takes the length of the message for the number of bytes that it
/// received.
#[derive(Debug, Default)]
struct Trusting(Vec<u8>);

impl Observer for Trusting {
    const START: usize = 64;

    fn observe(&mut self, tag: u8, length: usize, start: &[u8]) -> Option<Vec<u8>> {
        if tag == COPY_DATA {
            self.0 = start[..length].to_vec();
        }
        None
    }
}

/// Forwards a session of PostgreSQL with a faulty observer.
///
/// # Panics
/// If the client sends COPY's data in a message of more than 64 bytes.
pub fn planted_fault(data: &[u8]) {
    forward(&Input::parse(data), || (ClientFrames::new(Trusting::default()), ServerFrames::new(())));
}
