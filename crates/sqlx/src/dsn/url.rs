//! Connection strings as URLs: `mysql://user:$TOKEN@host:3306/database?region=eu-west-1`, `postgresql://…`.
//!
//! The last `@` ends the user and password, so that a token or an unescaped password, which have `@`, `/` and `?`, is dropped
//! whole.

use percent_encoding::percent_decode_str;
use rds_iam_token::{Endpoint, Host};

use super::Dsn;
use super::error::{DsnError, Errors};
use super::parameters::{Parameters, Parts};
use super::password::Password;

/// PostgreSQL's schemes.
pub(crate) const POSTGRES_SCHEMES: [&str; 2] = ["postgres", "postgresql"];

pub(super) fn parse(text: &str) -> Result<Dsn, DsnError> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let scheme = known_scheme(scheme)?;
    let (user_info, rest) = match rest.rsplit_once('@') {
        Some((user_info, rest)) => (Some(user_info), rest),
        None => (None, rest),
    };
    let (user, password) =
        match user_info.map(|info| info.split_once(':').map_or((info, None), |(u, p)| (u, Some(p)))) {
            Some((user, password)) => (Some(user).filter(|user| !user.is_empty()), password),
            None => (None, None),
        };
    if user.is_some_and(|user| user.contains(['/', '?', '@'])) {
        return Err(DsnError::UserHasDelimiter);
    }
    let (address, tail) =
        rest.split_once(['/', '?']).map_or((rest, ""), |(address, _)| (address, &rest[address.len()..]));
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    if address.is_empty() {
        return Err(DsnError::NoHost { example: example(scheme) });
    }
    // If the `@` is missing, what follows may be a part of the password: then no parameter is named.
    let address = host_and_port(address)?;

    let (mut parameters, mut errors) = (Parameters::default(), Errors::default());
    let user = user.and_then(|user| errors.check(decode(user, "user")));
    let database = errors.check(decode(path.trim_start_matches('/'), "database"));
    for (index, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let pair = decode(key, "query").and_then(|key| Ok((key, decode(value, "query")?)));
        let taken = pair.and_then(|(key, value)| parameters.take(&key, value));
        let taken = taken.map_err(|error| match error {
            DsnError::UnknownKey { .. } if errors.has_unknown_key() => {
                DsnError::UnknownParameter { position: index + 1 }
            }
            error => error,
        });
        errors.check(taken);
    }
    let password = Password::classify(password);
    let parts = Parts { scheme: Some(scheme), user, address: Some(address), database, password };
    parameters.into_dsn(parts, errors)
}

fn known_scheme(scheme: &str) -> Result<&'static str, DsnError> {
    let known = ["mysql"].into_iter().chain(POSTGRES_SCHEMES);
    let mut known = known.filter(|known| scheme.eq_ignore_ascii_case(known));
    known.next().ok_or(DsnError::UnknownScheme)
}

fn example(scheme: &str) -> &'static str {
    match scheme {
        "mysql" => "mysql://USER@HOST/DATABASE",
        _ => "postgresql://USER@HOST/DATABASE",
    }
}

/// Parses `host`, `host:port` or `[address]:port`, which is not empty. One dot at the host's end is removed: no token is accepted for it.
pub(super) fn host_and_port(address: &str) -> Result<(Host, Option<u16>), DsnError> {
    let (host, port) = match address.rsplit_once(':') {
        // An IPv6 address without a port.
        Some(_) if address.ends_with(']') => (address, None),
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    // The port of the engine is not known here; any stands for it.
    let endpoint: Endpoint = format!("{host}:{}", port.unwrap_or("1")).parse().map_err(|_| DsnError::Host)?;
    Ok((endpoint.host().clone(), port.map(|_| endpoint.port())))
}

fn decode(text: &str, part: &'static str) -> Result<String, DsnError> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| DsnError::NotText { part })?;
    Ok(decoded.into_owned())
}
