//! The explanation of a token: its login, its times, and what will make a database refuse it. The signature can't be
//! checked without the secret key, and is not kept, like the session token.

use std::fmt;
use std::time::{Duration, SystemTime};

use percent_encoding::percent_decode_str;
use rds_iam_token::{Endpoint, Host, LIFETIME, MAX_CLOCK_SKEW, Region};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// The number of hexadecimal digits of a signature: HMAC-SHA-256.
const SIGNATURE_DIGITS: usize = 64;

/// The names that AWS gives to databases end with this, also those without a region.
const RDS_SUFFIX: &str = ".rds.amazonaws.com";

/// The content of a token, without its secrets.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    host: String,
    port: u16,
    user: String,
    region: String,
    pub(super) access_key_id: String,
    /// Whether it was signed by temporary credentials, which have a session token.
    temporary: bool,
    signed_at: String,
    expires_at: String,
    state: State,
    /// Seconds of its remaining life, since its end, or until it is signed.
    seconds: u64,
    /// The length in bytes, which some clients limit.
    length: usize,
    notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Valid,
    Expired,
    SignedInTheFuture,
}

/// The error of a text that is not a token. It repeats no part of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAToken(String);

impl fmt::Display for NotAToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "standard input has no IAM token: {}", self.0)
    }
}

impl std::error::Error for NotAToken {}

fn not_a_token<T>(problem: impl Into<String>) -> Result<T, NotAToken> {
    Err(NotAToken(problem.into()))
}

impl Explanation {
    /// Parses a token, in the forms of all AWS SDKs: any order of its parameters, with or without a slash before them.
    pub(super) fn parse(text: &str, now: SystemTime) -> Result<Self, NotAToken> {
        let text = text.trim();
        if text.is_empty() {
            return not_a_token("it is empty");
        }
        if text.contains(char::is_whitespace) {
            return not_a_token("it has a space or a line break inside: copy the token in one piece");
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let scheme = if scheme == "http" { "http" } else { "https" };
            return not_a_token(format!("it begins with {scheme}://; a token does not: remove that"));
        }
        let Some((host, query)) = text.split_once('?') else {
            return not_a_token("expected host:port/?Action=connect&DBUser=…");
        };
        let Ok(endpoint) = host.strip_suffix('/').unwrap_or(host).parse::<Endpoint>() else {
            return not_a_token("the text before the question mark is not host:port");
        };
        let query = Query::parse(query)?;
        let credential = query.get("X-Amz-Credential")?;
        // From the right, because an access key id may contain a slash.
        let parts: Vec<_> = credential.rsplitn(5, '/').collect();
        let ["aws4_request", service, region, day, key] = parts[..] else {
            return not_a_token("X-Amz-Credential is not KEY/DAY/REGION/SERVICE/aws4_request");
        };
        let date = query.get("X-Amz-Date")?;
        let Some(signed_at) = parse_date(&date) else {
            return not_a_token("X-Amz-Date is not a time such as 20261130T080000Z");
        };
        let Ok(lifetime) = query.get("X-Amz-Expires")?.parse::<u32>() else {
            return not_a_token("X-Amz-Expires is not a number of seconds");
        };
        let expires_at = signed_at + Duration::from_secs(lifetime.into());
        let (state, seconds) = state(signed_at, expires_at, now);
        let (user, temporary) = (query.get("DBUser")?, query.has("X-Amz-Security-Token"));
        let mut notes = query.notes();
        if service != "rds-db" {
            notes.push(format!("it is for the service {service:?}, not rds-db: no database accepts it"));
        }
        if !date.starts_with(day) {
            notes.push(
                "X-Amz-Credential and X-Amz-Date name different days: no database accepts it".to_owned(),
            );
        }
        notes.extend(notes_on_place(endpoint.host(), region));
        notes.extend(notes_on_time(state, signed_at, lifetime, temporary, now));
        Ok(Self {
            host: endpoint.host().to_string(),
            port: endpoint.port(),
            user,
            region: region.to_owned(),
            access_key_id: key.to_owned(),
            temporary,
            signed_at: rfc3339(signed_at),
            expires_at: rfc3339(expires_at),
            state,
            seconds,
            length: text.len(),
            notes,
        })
    }
}

/// Returns the state of a token, and the seconds that it remains, or has been expired, or is ahead.
fn state(signed_at: SystemTime, expires_at: SystemTime, now: SystemTime) -> (State, u64) {
    if let Ok(ahead) = signed_at.duration_since(now)
        && ahead > MAX_CLOCK_SKEW
    {
        return (State::SignedInTheFuture, ahead.as_secs());
    }
    match expires_at.duration_since(now) {
        Ok(left) if !left.is_zero() => (State::Valid, left.as_secs()),
        _ => (State::Expired, now.duration_since(expires_at).unwrap_or_default().as_secs()),
    }
}

fn notes_on_place(host: &Host, region: &str) -> Vec<String> {
    let name = host.to_string();
    match Region::from_rds_host(&name) {
        Some(named) if named.as_str() != region => {
            vec![format!("it is for the region {region:?}, but the host is in {named}: sign it for {named}")]
        }
        Some(_) => Vec::new(),
        None if name.ends_with(RDS_SUFFIX) => Vec::new(),
        None => vec![format!(
            "{name} is not a name that AWS gives to a database: sign for the endpoint's own name, not for an alias, \
             an address or the end of a tunnel"
        )],
    }
}

fn notes_on_time(
    state: State,
    signed_at: SystemTime,
    lifetime: u32,
    temporary: bool,
    now: SystemTime,
) -> Vec<String> {
    let mut notes = Vec::new();
    if let Ok(ahead) = signed_at.duration_since(now)
        && ahead.as_secs() > 0
    {
        let (seconds, limit) = (ahead.as_secs(), MAX_CLOCK_SKEW.as_secs());
        notes.push(format!(
            "it was signed {seconds} s in the future: the signer's clock or this one is wrong; AWS tolerates {limit} s"
        ));
    }
    if u64::from(lifetime) > LIFETIME.as_secs() {
        let limit = LIFETIME.as_secs();
        notes.push(format!("its lifetime is {lifetime} s; RDS accepts no more than {limit} s"));
    }
    if temporary && state == State::Valid {
        notes.push("temporary credentials signed it: it ends with them, if that is earlier".to_owned());
    }
    notes
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds;
        let state = match self.state {
            State::Valid => format!("valid for {seconds} s, if the signature is right"),
            State::Expired => format!("expired {seconds} s ago"),
            State::SignedInTheFuture => format!("not valid: signed {seconds} s in the future"),
        };
        let kind = if self.temporary { "temporary" } else { "long-lived" };
        let lines = [
            ("host", self.host.clone()),
            ("port", self.port.to_string()),
            ("user", self.user.clone()),
            ("region", self.region.clone()),
            ("access key", format!("{} ({kind})", self.access_key_id)),
            ("signed at", self.signed_at.clone()),
            ("expires at", self.expires_at.clone()),
            ("length", format!("{} bytes", self.length)),
            ("state", state),
        ];
        // A line break in the user's name does not begin another line.
        for (name, value) in lines {
            writeln!(f, "{name:<12}{}", rds_iam_report::escape_control(&value))?;
        }
        for note in &self.notes {
            writeln!(f, "note: {}", rds_iam_report::escape_control(note))?;
        }
        Ok(())
    }
}

/// The decoded parameters of a token.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Result<Self, NotAToken> {
        let decode = |part: &str| percent_decode_str(part).decode_utf8().map(String::from).ok();
        let parameters = text.split('&').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        });
        match parameters.collect() {
            Some(parameters) => Ok(Self(parameters)),
            None => not_a_token("a parameter is not UTF-8 after decoding"),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    /// Returns a parameter that must be present exactly once.
    fn get(&self, name: &str) -> Result<String, NotAToken> {
        let mut values = self.0.iter().filter(|(found, _)| found == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value.clone()),
            (None, _) => not_a_token(format!("{name} is missing; a client or a copy may have cut the token")),
            (Some(_), Some(_)) => not_a_token(format!("{name} is in it twice")),
        }
    }

    /// Returns what is wrong with the parameters that every token has with the same value, and with the signature.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (name, expected) in
            [("Action", "connect"), ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-SignedHeaders", "host")]
        {
            if self.get(name).ok().as_deref() != Some(expected) {
                notes.push(format!("{name} is not {expected}: no database accepts it"));
            }
        }
        let is_signature = |text: String| {
            text.len() == SIGNATURE_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if !self.get("X-Amz-Signature").is_ok_and(is_signature) {
            notes.push(format!(
                "X-Amz-Signature does not have {SIGNATURE_DIGITS} hexadecimal digits: a client or a copy may have cut the \
                 token"
            ));
        }
        notes
    }
}

/// `20261120T213400Z` as a time.
fn parse_date(text: &str) -> Option<SystemTime> {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    PrimitiveDateTime::parse(text, &form).ok().map(|time| time.assume_utc().into())
}

/// Returns a time such as `2026-11-30T08:00:00Z`, in whole seconds.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = i64::try_from(seconds).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
