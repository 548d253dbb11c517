//! Signing a token: a SigV4 query-presigned `GET`, without its scheme.

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    self, SignableBody, SignableRequest, SignatureLocation, SigningError, SigningSettings,
};
use aws_sigv4::sign::v4;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::encoding::encode;
use crate::{LIFETIME, Login, SERVICE, Token};

const SCHEME: &str = "https://";

/// Signs a token for `login` at the time `now`.
///
/// It expires [`LIFETIME`] after `now`, or when `credentials` do if that is earlier. Signing is pure
/// computation: whether the credentials are real, or may log in as this user, only the server knows.
///
/// # Errors
/// [`SignError::CredentialsExpired`]: fetch fresh credentials (signing would succeed, but no server
/// would accept the token). [`SignError::CredentialsIncomplete`]: mend the credentials' source.
/// [`SignError::Refused`]: the login cannot be put in a request; mend the configuration.
pub fn sign(login: &Login, credentials: &Credentials, now: SystemTime) -> Result<Token, SignError> {
    if credentials.access_key_id().is_empty() || credentials.secret_access_key().is_empty() {
        return Err(SignError::CredentialsIncomplete);
    }
    let expires_at = match credentials.expiry() {
        Some(end) if end <= now => return Err(SignError::CredentialsExpired { expired_at: end, now }),
        Some(end) => end.min(now + LIFETIME),
        None => now + LIFETIME,
    };

    let host = login.endpoint.to_string();
    let session_token = credentials.session_token().unwrap_or_default();
    // The longest form of everything, so that no copy of the token is left behind by a reallocation.
    let mut text = Zeroizing::new(String::with_capacity(
        512 + host.len() + 3 * (login.user.as_str().len() + session_token.len()),
    ));
    write!(text, "{SCHEME}{host}/?Action=connect&DBUser={}", encode(login.user.as_str().as_bytes()))
        .map_err(|_| SignError::Unwritable)?;

    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFETIME);
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(login.region.as_str())
        .name(SERVICE)
        .time(now)
        .settings(settings)
        .build()
        .map_err(|_| SignError::Unwritable)?
        .into();
    // The host is given as a header so that the port is signed whatever its number.
    let headers = [("host", host.as_str())].into_iter();
    let request = SignableRequest::new("GET", text.as_str(), headers, SignableBody::Bytes(&[]))?;
    let (instructions, _signature) = http_request::sign(request, &params)?.into_parts();
    for (name, value) in instructions.params() {
        write!(text, "&{name}={}", encode(value.as_bytes())).map_err(|_| SignError::Unwritable)?;
    }
    text.drain(..SCHEME.len());
    Ok(Token::new(text, now, expires_at))
}

/// Why no token was signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The credentials' time is over. Signing with them would succeed and the login be refused.
    #[error(
        "the AWS credentials expired {} s ago: renew them (aws sso login, a new role session) or check this machine's clock",
        now.duration_since(*expired_at).unwrap_or_default().as_secs()
    )]
    CredentialsExpired {
        /// When they ended.
        expired_at: SystemTime,
        /// The time that was asked for.
        now: SystemTime,
    },
    /// The access key id or the secret is empty.
    #[error(
        "the AWS credentials have an empty access key id or secret: check the profile or variables they come from"
    )]
    CredentialsIncomplete,
    /// The SigV4 library refused the request.
    #[error("the login can't be put in a signed request: check endpoint and user")]
    Refused(#[from] SigningError),
    /// A buffer could not be written to, which a correct program never sees.
    #[error("internal: the token's text could not be assembled")]
    Unwritable,
}
