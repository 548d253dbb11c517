//! Signing a token: a SigV4 query-presigned `GET`, without its scheme.
//!
//! `aws-sigv4` derives the key and the signature. The canonical request is assembled here, because
//! that crate's request signer logs it, session token included, at trace level; see
//! `docs/adr/0001-signing.md`.

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use sha2::{Digest, Sha256};
use thiserror::Error;
use time::OffsetDateTime;
use time::macros::format_description;
use zeroize::Zeroizing;

use crate::encoding::encode;
use crate::{EMPTY_PAYLOAD, LIFETIME, Login, SERVICE, Token};

/// Signs a token for `login` at the time `now`.
///
/// It expires [`LIFETIME`] after `now`, or when `credentials` do if that is earlier. Signing is pure
/// computation: only the server knows whether the credentials exist and may log in as this user.
///
/// # Errors
/// [`SignError::CredentialsExpired`]: fetch fresh credentials (signing would succeed, but no server
/// would accept the token). [`SignError::CredentialsIncomplete`]: fix the credentials' source.
/// [`SignError::BadTime`]: fix the clock.
pub fn sign(login: &Login, credentials: &Credentials, now: SystemTime) -> Result<Token, SignError> {
    let (id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
    if id.is_empty() || secret.is_empty() {
        return Err(SignError::CredentialsIncomplete);
    }
    let latest = now.checked_add(LIFETIME).ok_or(SignError::BadTime { now })?;
    let expires_at = match credentials.expiry() {
        Some(end) if end <= now => return Err(SignError::CredentialsExpired { expired_at: end, now }),
        Some(end) => end.min(latest),
        None => latest,
    };
    let date = amz_date(now)?;
    let day = &date[..8];
    let (host, region) = (login.endpoint.to_string(), login.region.as_str());
    let session_token = credentials.session_token().unwrap_or_default();

    // Room for everything, so that no copy of the token is left behind by a reallocation.
    let room = 512 + 2 * host.len() + 3 * (id.len() + login.user.as_str().len() + session_token.len());
    let mut text = Zeroizing::new(String::with_capacity(room));
    // The parameters are in the order of a canonical query, so that one text serves for both.
    write!(
        text,
        "{host}/?Action=connect&DBUser={user}&X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential={id}%2F{day}%2F{region}%2F{SERVICE}%2Faws4_request\
         &X-Amz-Date={date}&X-Amz-Expires={lifetime}",
        user = encode(login.user.as_str().as_bytes()),
        id = encode(id.as_bytes()),
        lifetime = LIFETIME.as_secs(),
    )
    .and_then(|()| match session_token {
        "" => Ok(()),
        session_token => write!(text, "&X-Amz-Security-Token={}", encode(session_token.as_bytes())),
    })
    .and_then(|()| text.write_str("&X-Amz-SignedHeaders=host"))
    .map_err(|_| SignError::Unwritable)?;

    let mut canonical_request = Sha256::new();
    for part in ["GET\n/\n", &text[host.len() + "/?".len()..], "\nhost:", &host, "\n\nhost\n", EMPTY_PAYLOAD]
    {
        canonical_request.update(part);
    }
    let string_to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{day}/{region}/{SERVICE}/aws4_request\n{}",
        hex::encode(canonical_request.finalize())
    );
    let key = generate_signing_key(secret, now, region, SERVICE);
    text.push_str("&X-Amz-Signature=");
    text.push_str(&calculate_signature(key, string_to_sign.as_bytes()));
    Ok(Token::new(text, now, expires_at))
}

/// `20261120T213400Z`.
fn amz_date(now: SystemTime) -> Result<String, SignError> {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    let bad_time = || SignError::BadTime { now };
    // `OffsetDateTime::from` would panic on a time that it can't hold.
    let since =
        now.duration_since(SystemTime::UNIX_EPOCH).ok().and_then(|d| time::Duration::try_from(d).ok());
    let date = OffsetDateTime::UNIX_EPOCH.checked_add(since.ok_or_else(bad_time)?).ok_or_else(bad_time)?;
    date.format(&form).map_err(|_| bad_time())
}

/// The error of signing a token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The credentials have expired. Signing would succeed, but the login would be refused.
    #[error(
        "the AWS credentials expired {} s ago: renew them (aws sso login, a new role session) or check this machine's clock",
        now.duration_since(*expired_at).unwrap_or_default().as_secs()
    )]
    CredentialsExpired {
        /// The time at which they expired.
        expired_at: SystemTime,
        /// The requested time.
        now: SystemTime,
    },
    /// The access key id or the secret is empty.
    #[error(
        "the AWS credentials have an empty access key id or secret: check the profile or variables they come from"
    )]
    CredentialsIncomplete,
    /// The time can't be written in a token.
    #[error("the time {now:?} is not in the years 1970 to 9999: set this machine's clock")]
    BadTime {
        /// The requested time.
        now: SystemTime,
    },
    /// A buffer could not be written to, which never happens in a correct program.
    #[error("internal: the token's text could not be assembled")]
    Unwritable,
}
