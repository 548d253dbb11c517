//! Connection strings of `key=value` pairs: `host=… port=3306 user=node_app dbname=orders`, with libpq's rules: white space
//! between pairs, and values in single quotes, in which a backslash escapes.

use super::Dsn;
use super::error::{DsnError, Errors};
use super::parameters::{Parameters, Parts, set};
use super::password::Password;
use super::url::host_and_port;

const EXAMPLE: &str = "host=HOST user=USER dbname=DATABASE";

pub(super) fn parse(text: &str) -> Result<Dsn, DsnError> {
    if text.contains("@tcp(") {
        return Err(DsnError::GoForm);
    }
    let (mut host, mut port, mut user, mut database, mut password) = (None, None, None, None, None);
    let (mut parameters, mut errors) = (Parameters::default(), Errors::default());
    for (index, (key, value)) in pairs(text)?.into_iter().enumerate() {
        let taken = match key.as_str() {
            "host" => set(&mut host, "host", value),
            "port" => set(&mut port, "port", value),
            "user" => set(&mut user, "user", value),
            "dbname" | "database" => set(&mut database, "dbname", value),
            "password" => set(&mut password, "password", Password::classify(Some(&value))),
            other => parameters.take(other, value).map_err(|error| match error {
                // What follows the password, which another key may have, may be a part of it.
                DsnError::UnknownKey { .. } if password.is_some() || errors.has_unknown_key() => {
                    DsnError::UnknownWord { position: index + 1 }
                }
                error => error,
            }),
        };
        errors.check(taken);
    }
    let host = host.filter(|host: &String| !host.is_empty()).ok_or(DsnError::NoHost { example: EXAMPLE });
    let address = host
        .and_then(|host| host_and_port(&port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))));
    let address = errors.check(address);
    let password = password.unwrap_or(Password::None);
    parameters.into_dsn(Parts { scheme: None, user, address, database, password }, errors)
}

/// Splits a text into pairs.
fn pairs(text: &str) -> Result<Vec<(String, String)>, DsnError> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let position = pairs.len() + 1;
        let (key, after) = rest.split_once('=').ok_or(DsnError::NoEquals { position })?;
        let key = key.trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(DsnError::NoEquals { position });
        }
        let (value, after) = value(after.trim_start(), position)?;
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// Reads a value, quoted or up to white space, and returns the text after it.
fn value(text: &str, position: usize) -> Result<(String, &str), DsnError> {
    let (quoted, text) = text.strip_prefix('\'').map_or((false, text), |rest| (true, rest));
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, c)) = characters.next() {
        match c {
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, &text[index + 1..])),
            c if c.is_whitespace() && !quoted => return Ok((value, &text[index..])),
            c => value.push(c),
        }
    }
    if quoted { Err(DsnError::OpenQuote { position }) } else { Ok((value, "")) }
}
