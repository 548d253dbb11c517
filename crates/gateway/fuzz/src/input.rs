//! The form of an input: a header of six bytes, then the client's bytes and the database's.

use std::io::ErrorKind;

use crate::stream::{End, Pace, Scripted};

/// The settings of a driver, and what both peers send.
///
/// Byte 0 has flags of the driver and byte 1 those of the streams; bytes 2 and 3 are the sizes of reads, and bytes 4
/// and 5 the number of bytes that the client sends. Bytes that are missing are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    /// The flags of the driver.
    pub(crate) driver: u8,
    /// The flags of the streams: pauses, reads of the client that fail at the end, the same of the database, a first
    /// byte of the database that arrives alone, and in the upper half the number of bytes, in steps of 8, after which
    /// writes to the client fail.
    pub(crate) streams: u8,
    /// The sizes of reads from the client and from the database, and of writes to the other; 0 for no limit.
    pub(crate) sizes: [u8; 2],
    /// The client's bytes.
    pub(crate) client: Vec<u8>,
    /// The database's bytes.
    pub(crate) database: Vec<u8>,
}

const HEADER: usize = 6;

impl Input {
    pub(crate) fn parse(data: &[u8]) -> Self {
        let mut header = [0; HEADER];
        let (start, rest) = data.split_at(data.len().min(HEADER));
        header[..start.len()].copy_from_slice(start);
        let [driver, streams, a, b, low, high] = header;
        let (client, database) = rest.split_at(rest.len().min(u16::from_le_bytes([low, high]).into()));
        Self { driver, streams, sizes: [a, b], client: client.to_vec(), database: database.to_vec() }
    }

    /// Returns the input's bytes. The client may send 64 KiB.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let [a, b] = self.sizes;
        let [low, high] = u16::try_from(self.client.len()).unwrap_or(u16::MAX).to_le_bytes();
        [&[self.driver, self.streams, a, b, low, high], &*self.client, &*self.database].concat()
    }

    /// Returns whether a flag of the streams is set.
    pub(crate) fn has(&self, bit: u8) -> bool {
        self.streams & 1 << bit != 0
    }

    /// Returns the paces of the client and of the database.
    pub(crate) fn paces(&self) -> (Pace, Pace) {
        let [client, database] = self.sizes.map(usize::from);
        let end = |bit| if self.has(bit) { End::Fail(ErrorKind::ConnectionReset) } else { End::Close };
        let accepts = usize::from(self.streams >> 4) * 8;
        let both = Pace { pauses: self.has(0), ..Pace::default() };
        let client_pace = Pace {
            first: client,
            read: client,
            write: database,
            end: end(1),
            accepts: (accepts > 0).then_some(accepts),
            ..both
        };
        let first = if self.has(3) { 1 } else { database };
        let database_pace = Pace { first, read: database, write: client, end: end(2), ..both };
        (client_pace, database_pace)
    }

    /// Returns the connections to the client and to the database.
    pub(crate) fn connections(&self) -> (Scripted, Scripted) {
        let (client, database) = self.paces();
        (Scripted::new(&self.client, client), Scripted::new(&self.database, database))
    }
}
