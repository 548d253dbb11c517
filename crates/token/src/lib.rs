//! RDS IAM authentication tokens and their life: sign, cache, verify.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod encoding;
mod endpoint;
mod error_report;
#[cfg(feature = "errors")]
mod errors;
mod login;
mod region;
mod user;
mod verify;
mod verify_error;

#[cfg(feature = "sign")]
mod sign;
#[cfg(feature = "sign")]
mod token;

#[cfg(feature = "source")]
mod clock;
#[cfg(feature = "source")]
mod mint;
#[cfg(feature = "source")]
mod mint_error;
#[cfg(feature = "source")]
mod reload;
#[cfg(feature = "source")]
mod schedule;
#[cfg(feature = "source")]
mod source;

use std::time::Duration;

pub use endpoint::{Endpoint, EndpointError, Host};
pub use error_report::ErrorReport;
#[cfg(feature = "errors")]
pub use errors::{ErrorKind, ServerCode};
pub use login::Login;
pub use region::{Region, RegionError};
pub use user::{DbUser, DbUserError};
pub use verify::{AccessKey, VerifiedToken, Verifier};
pub use verify_error::{RefusalCode, VerifyError};

#[cfg(feature = "sign")]
pub use sign::{SignError, sign};
#[cfg(feature = "sign")]
pub use token::Token;

#[cfg(feature = "source")]
pub use clock::Clock;
#[cfg(feature = "source")]
pub use mint::Minter;
#[cfg(feature = "source")]
pub use mint_error::MintError;
#[cfg(feature = "source")]
pub use reload::{ReloadingCredentials, is_pipe, shared_files};
#[cfg(feature = "source")]
pub use schedule::{MIN_REMAINING, refresh_at, retry_delay};
#[cfg(feature = "source")]
pub use source::{TokenSource, TokenStats};

// The crates whose types are in the public interface.
#[cfg(feature = "sign")]
pub use aws_credential_types;
#[cfg(feature = "source")]
pub use aws_smithy_async;

/// The longest life of a token after it was signed: 900 seconds.
///
/// RDS accepts nothing longer, and the temporary credentials that signed may expire earlier.
/// Source: "IAM database authentication" in the Amazon RDS user guide.
pub const LIFETIME: Duration = Duration::from_secs(900);

/// The largest difference by which a signer's clock may be ahead of the server's: 5 minutes, as for every AWS API.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// The public types can be shared between threads and kept by tasks.
const _: () = {
    const fn assert_shareable<T: Send + Sync + 'static>() {}
    assert_shareable::<(Login, Endpoint, Host, Region, DbUser)>();
    assert_shareable::<(EndpointError, RegionError, DbUserError)>();
    assert_shareable::<(Verifier, AccessKey, VerifiedToken, VerifyError, RefusalCode)>();
    #[cfg(feature = "errors")]
    assert_shareable::<(ErrorKind, ServerCode)>();
    #[cfg(feature = "sign")]
    assert_shareable::<(Token, SignError)>();
    #[cfg(feature = "source")]
    assert_shareable::<(TokenSource, TokenStats, Minter, MintError, Clock, ReloadingCredentials)>();
};

/// The SigV4 service name that tokens are signed for.
pub(crate) const SERVICE: &str = "rds-db";

/// The SHA-256 of the empty string, in hexadecimal: the payload hash of a request without a body.
pub(crate) const EMPTY_PAYLOAD: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
