//! The reasons why an emulator does not start.

use std::io;

use thiserror::Error;

/// The reason why an emulator did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The system gives no port.
    #[error("cannot listen on a port of the loopback address")]
    Listen(#[source] io::Error),
    /// No certificate can be made.
    #[error("cannot make a certificate for the data channel")]
    Certificate(#[source] rcgen::Error),
    /// The certificate cannot be used.
    #[error("cannot use the certificate of the data channel")]
    Tls(#[source] rustls::Error),
}
