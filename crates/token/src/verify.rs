//! Verification of a token as the database does it: format, times, user, endpoint and signature.
//!
//! The canonical request is built from the token's own text: decoded, sorted and encoded again, by other code than the
//! signer's, so that an error in one of them is detected by the other.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use time::PrimitiveDateTime;
use time::macros::format_description;
use zeroize::Zeroizing;

use crate::encoding::{decode, encode};
use crate::{DbUser, EMPTY_PAYLOAD, Endpoint, LIFETIME, MAX_CLOCK_SKEW, Region, SERVICE, VerifyError};

/// A server's endpoints and region, and the access keys that it accepts.
#[derive(Debug)]
pub struct Verifier {
    region: Region,
    endpoints: Vec<Endpoint>,
    keys: HashMap<String, AccessKey>,
}

/// An access key whose signatures a [`Verifier`] accepts. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct AccessKey {
    id: String,
    secret: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
    expires_at: Option<SystemTime>,
    users: Option<Vec<DbUser>>,
}

impl AccessKey {
    /// Creates a long-lived key that may log in as any user.
    #[must_use]
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: Zeroizing::new(secret.into()),
            session_token: None,
            expires_at: None,
            users: None,
        }
    }

    /// Makes it a temporary key, which is only valid together with this session token.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(Zeroizing::new(token.into()));
        self
    }

    /// Sets the time from which its signatures are refused.
    #[must_use]
    pub fn expires_at(mut self, end: SystemTime) -> Self {
        self.expires_at = Some(end);
        self
    }

    /// Limits it to these users, as an `rds-db:connect` policy does.
    #[must_use]
    pub fn users(mut self, users: Vec<DbUser>) -> Self {
        self.users = Some(users);
        self
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("temporary", &self.session_token.is_some())
            .field("expires_at", &self.expires_at)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

/// The content of a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedToken {
    /// The access key that signed it.
    pub access_key_id: String,
    /// The time at which it was signed, by the signer's clock, in whole seconds.
    pub signed_at: SystemTime,
    /// The time at which it expires; the key may expire earlier.
    pub expires_at: SystemTime,
}

impl Verifier {
    /// Creates the verifier of a server in `region`, reached as any of `endpoints`, which accepts `keys`.
    #[must_use]
    pub fn new(region: Region, endpoints: Vec<Endpoint>, keys: Vec<AccessKey>) -> Self {
        Self { region, endpoints, keys: keys.into_iter().map(|k| (k.id.clone(), k)).collect() }
    }

    /// Verifies that `token` permits `user` to log in to this server at the time `now`.
    ///
    /// # Errors
    /// Returns [`VerifyError`] with the reason, for the server's log. Report to a client only that access is
    /// denied.
    pub fn verify(&self, token: &str, user: &str, now: SystemTime) -> Result<VerifiedToken, VerifyError> {
        let token = Presented::parse(token)?;

        if token.action != "connect" {
            return Err(VerifyError::WrongAction { action: token.action });
        }
        let same_host = |e: &&Endpoint| e.host() == token.endpoint.host();
        match self.endpoints.iter().find(same_host) {
            None => return Err(VerifyError::WrongHost { signed_for: token.endpoint }),
            Some(_) if self.endpoints.contains(&token.endpoint) => {}
            Some(e) => {
                return Err(VerifyError::WrongPort { signed_for: token.endpoint.port(), expected: e.port() });
            }
        }
        if token.user != user {
            return Err(VerifyError::WrongUser { signed_for: token.user, user: user.into() });
        }
        if token.scope.service != SERVICE {
            return Err(VerifyError::WrongService { service: token.scope.service });
        }
        if token.scope.region != self.region.as_str() {
            return Err(VerifyError::WrongRegion {
                signed_for: token.scope.region,
                expected: self.region.clone(),
            });
        }
        let expires_at = token.check_times(now)?;
        let key = self.known_key(&token, now)?;
        token.check_signature(key)?;
        // The caller is authenticated from here on: check its permission.
        if key.users.as_ref().is_some_and(|users| !users.iter().any(|u| u.as_str() == user)) {
            return Err(VerifyError::NotAllowed { access_key_id: key.id.clone(), user: user.into() });
        }
        Ok(VerifiedToken { access_key_id: key.id.clone(), signed_at: token.signed_at, expires_at })
    }

    fn known_key(&self, token: &Presented, now: SystemTime) -> Result<&AccessKey, VerifyError> {
        let id = &token.scope.access_key_id;
        let key = self.keys.get(id).ok_or_else(|| VerifyError::UnknownKey { access_key_id: id.clone() })?;
        if key.session_token.as_ref().map(|t| t.as_str()) != token.session_token.as_ref().map(|t| t.as_str())
        {
            return Err(VerifyError::SessionToken { access_key_id: id.clone() });
        }
        match key.expires_at {
            Some(expired_at) if expired_at <= now => {
                Err(VerifyError::KeyExpired { access_key_id: id.clone(), expired_at, now })
            }
            _ => Ok(key),
        }
    }
}

/// A parsed token.
struct Presented {
    endpoint: Endpoint,
    action: String,
    user: String,
    scope: Scope,
    date: String,
    signed_at: SystemTime,
    lifetime: Duration,
    session_token: Option<Zeroizing<String>>,
    /// All query parameters except the signature, in canonical encoding and order.
    canonical_query: Zeroizing<String>,
    signature: Vec<u8>,
}

/// `X-Amz-Credential`: the access key and the scope of the signature.
struct Scope {
    access_key_id: String,
    date: String,
    region: String,
    service: String,
}

impl Presented {
    fn parse(token: &str) -> Result<Self, VerifyError> {
        // AWS's Go SDKs leave the slash out, and sign the same path `/`.
        let (host, query) = token
            .split_once('?')
            .ok_or(VerifyError::Malformed { what: "not of the form host:port/?query" })?;
        let host = host.strip_suffix('/').unwrap_or(host);
        let endpoint = Endpoint::from_str(host)
            .map_err(|_| VerifyError::Malformed { what: "the text before /? is not host:port" })?;
        let mut query = Query::parse(query)?;

        let signature = hex::decode(query.take("X-Amz-Signature")?)
            .map_err(|_| VerifyError::Malformed { what: "X-Amz-Signature is not hexadecimal" })?;
        let canonical_query = query.canonical();
        if query.take("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
            return Err(VerifyError::Malformed { what: "X-Amz-Algorithm is not AWS4-HMAC-SHA256" });
        }
        if query.take("X-Amz-SignedHeaders")? != "host" {
            return Err(VerifyError::Malformed { what: "X-Amz-SignedHeaders is not host alone" });
        }
        let scope = Scope::parse(&query.take("X-Amz-Credential")?)?;
        let date = query.take("X-Amz-Date")?;
        if !date.starts_with(&scope.date) {
            return Err(VerifyError::Malformed {
                what: "X-Amz-Credential and X-Amz-Date name different days",
            });
        }
        let signed_at =
            parse_date(&date).ok_or(VerifyError::Malformed { what: "X-Amz-Date is not a date" })?;
        let lifetime = query.take("X-Amz-Expires")?;
        let lifetime = match lifetime.parse() {
            Ok(seconds) if seconds > 0 && lifetime.bytes().all(|b| b.is_ascii_digit()) => {
                Duration::from_secs(seconds)
            }
            _ => {
                return Err(VerifyError::Malformed {
                    what: "X-Amz-Expires is not a positive number of seconds",
                });
            }
        };
        let session_token = match query.take("X-Amz-Security-Token") {
            Ok(token) => Some(Zeroizing::new(token)),
            Err(VerifyError::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        let (action, user) = (query.take("Action")?, query.take("DBUser")?);
        Ok(Self {
            endpoint,
            action,
            user,
            scope,
            date,
            signed_at,
            lifetime,
            session_token,
            canonical_query,
            signature,
        })
    }

    fn check_times(&self, now: SystemTime) -> Result<SystemTime, VerifyError> {
        if self.lifetime > LIFETIME {
            return Err(VerifyError::TooLong { lifetime: self.lifetime });
        }
        if self.signed_at.duration_since(now).is_ok_and(|ahead| ahead > MAX_CLOCK_SKEW) {
            return Err(VerifyError::FromTheFuture { signed_at: self.signed_at, now });
        }
        let expires_at = self.signed_at + self.lifetime;
        if expires_at <= now {
            return Err(VerifyError::Expired { expired_at: expires_at, now });
        }
        Ok(expires_at)
    }

    fn check_signature(&self, key: &AccessKey) -> Result<(), VerifyError> {
        let canonical_request = Zeroizing::new(format!(
            "GET\n/\n{}\nhost:{}\n\nhost\n{EMPTY_PAYLOAD}",
            self.canonical_query.as_str(),
            self.endpoint
        ));
        let Scope { date, region, service, .. } = &self.scope;
        let string_to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{date}/{region}/{service}/aws4_request\n{}",
            self.date,
            hex::encode(Sha256::digest(canonical_request.as_bytes()))
        );
        let secret = Zeroizing::new(format!("AWS4{}", key.secret.as_str()));
        let mut signing_key = Zeroizing::new(hmac(secret.as_bytes(), date));
        for step in [region.as_str(), service.as_str(), "aws4_request"] {
            signing_key = Zeroizing::new(hmac(signing_key.as_slice(), step));
        }
        // `verify_slice` compares in constant time.
        mac(signing_key.as_slice(), &string_to_sign)
            .verify_slice(&self.signature)
            .map_err(|_| VerifyError::SignatureMismatch)
    }
}

impl Scope {
    fn parse(text: &str) -> Result<Self, VerifyError> {
        // From the right, because an access key id may contain a slash.
        let mut parts = text.rsplitn(5, '/');
        let mut next = || parts.next().map(str::to_owned);
        let (end, service, region, date, access_key_id) = (next(), next(), next(), next(), next());
        match (access_key_id, date, region, service, end.as_deref()) {
            (Some(access_key_id), Some(date), Some(region), Some(service), Some("aws4_request"))
                if date.len() == 8 =>
            {
                Ok(Self { access_key_id, date, region, service })
            }
            _ => Err(VerifyError::Malformed {
                what: "X-Amz-Credential is not key/date/region/service/aws4_request",
            }),
        }
    }
}

/// The decoded query parameters. Any order is accepted: signers differ in theirs.
struct Query(Vec<(String, Zeroizing<Vec<u8>>)>);

impl Query {
    fn parse(text: &str) -> Result<Self, VerifyError> {
        let parameter = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = String::from_utf8(decode(name)?).ok()?;
            Some((name, Zeroizing::new(decode(value)?)))
        };
        let parameters = text.split('&').map(parameter).collect::<Option<Vec<_>>>();
        parameters.map(Self).ok_or(VerifyError::Malformed { what: "the query has a broken %-escape" })
    }

    /// Removes and returns a parameter that must be present exactly once.
    fn take(&mut self, name: &'static str) -> Result<String, VerifyError> {
        let found =
            self.0.iter().position(|(n, _)| n == name).ok_or(VerifyError::Missing { parameter: name })?;
        let (_, value) = self.0.remove(found);
        if self.0.iter().any(|(n, _)| n == name) {
            return Err(VerifyError::Repeated { parameter: name });
        }
        String::from_utf8(value.to_vec())
            .map_err(|_| VerifyError::Malformed { what: "a query parameter is not UTF-8" })
    }

    fn canonical(&self) -> Zeroizing<String> {
        let mut pairs: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| {
                (encode(name.as_bytes()).to_string(), Zeroizing::new(encode(value).to_string()))
            })
            .collect();
        pairs.sort_by(|a, b| (&a.0, a.1.as_str()).cmp(&(&b.0, b.1.as_str())));
        let mut text =
            Zeroizing::new(String::with_capacity(pairs.iter().map(|(n, v)| n.len() + v.len() + 2).sum()));
        for (name, value) in &pairs {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        text
    }
}

fn mac(key: &[u8], message: &str) -> Hmac<Sha256> {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes a key of any length; the error type is for other MACs"
    )]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(message.as_bytes());
    mac
}

fn hmac(key: &[u8], message: &str) -> [u8; 32] {
    mac(key, message).finalize().into_bytes().into()
}

/// `20261120T213400Z` as a time.
fn parse_date(text: &str) -> Option<SystemTime> {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    PrimitiveDateTime::parse(text, &form).ok().map(|t| t.assume_utc().into())
}
