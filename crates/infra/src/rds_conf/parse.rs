//! The parser of [`RdsConf`]: first lines, then values, then checks across values.

use std::collections::BTreeMap;
use std::str::FromStr;

use rds_iam_token::{Endpoint, EndpointError, Region};

use crate::Engine;
use crate::file_value::FileValue;

use super::{
    AWS_ACCOUNT_ID, DB_NAME, DatabaseName, ENGINE, EntryError, EntryErrorKind, IAM_ADMIN_USER, KEYS, Key,
    MASTER_SECRET_NAME, RDS_CA_BUNDLE, RDS_DIAL, RDS_ENDPOINT, RDS_PORT, RDS_RESOURCE_ID, REGION, RdsConf,
};

pub(super) fn parse(text: &str) -> Result<RdsConf, Vec<EntryError>> {
    let mut reader = Reader::default();
    let marked = text.strip_prefix('\u{feff}');
    if marked.is_some() {
        reader.report(Some(1), None, EntryErrorKind::ByteOrderMark);
    }
    for (index, line) in marked.unwrap_or(text).split('\n').enumerate() {
        reader.line(index + 1, line);
    }
    let conf = reader.conf();
    let mut errors = reader.errors;
    // A missing key has no line and sorts last.
    errors.sort_by_key(|error| error.line.unwrap_or(usize::MAX));
    match conf {
        Some(conf) if errors.is_empty() => Ok(conf),
        _ => Err(errors),
    }
}

/// Escapes a value for use between the quotes.
pub(super) fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if ESCAPED.contains(&c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The characters that are special to a shell between double quotes.
const ESCAPED: [char; 4] = ['"', '\\', '$', '`'];

#[derive(Default)]
struct Reader {
    /// The line of each key that was found, and its value if that is valid.
    found: BTreeMap<&'static str, (usize, Option<String>)>,
    errors: Vec<EntryError>,
    carriage_return: bool,
}

impl Reader {
    fn report(&mut self, line: Option<usize>, key: Option<&str>, kind: EntryErrorKind) {
        self.errors.push(EntryError { line, key: key.map(str::to_owned), kind });
    }

    fn line(&mut self, number: usize, line: &str) {
        let unix = line.strip_suffix('\r').unwrap_or(line);
        if unix.len() < line.len() && !self.carriage_return {
            // Reported once: a file with Windows line endings has one on each line.
            self.carriage_return = true;
            self.report(Some(number), None, EntryErrorKind::CarriageReturn);
        }
        let line = unix.trim_matches([' ', '\t']);
        let control = line.chars().find(|c| c.is_control() && *c != '\t');
        if control.is_none() && (line.is_empty() || line.starts_with('#')) {
            return;
        }
        let (name, value) =
            match control.map(EntryErrorKind::ControlCharacter).map_or_else(|| assignment(line), Err) {
                Ok(assignment) => assignment,
                Err(kind) => return self.broken_line(number, line, kind),
            };
        let Some(key) = KEYS.into_iter().find(|key| key.name == name) else {
            let similar = KEYS.into_iter().find(|key| key.name.eq_ignore_ascii_case(name));
            // Without quotes, the text before the `=` may be anything, such as a secret in Base64.
            if similar.is_none() && matches!(value, Err(EntryErrorKind::Unquoted | EntryErrorKind::Space)) {
                return self.report(Some(number), None, EntryErrorKind::NotAssignment);
            }
            let kind = EntryErrorKind::Unknown { suggestion: similar.map(|key| key.name) };
            return self.report(Some(number), Some(name), kind);
        };
        if let Some((first, _)) = self.found.get(key.name) {
            let kind = EntryErrorKind::Repeated { first: *first };
            return self.report(Some(number), Some(name), kind);
        }
        let value = match value {
            Ok(value) if value.is_empty() => {
                Err(EntryErrorKind::Empty { example: key.example, required: key.required })
            }
            other => other,
        };
        let value = value.map_err(|kind| self.report(Some(number), Some(name), kind)).ok();
        self.found.insert(key.name, (number, value));
    }

    /// Reports an unusable line. A key that it seems to set is not reported as missing too.
    fn broken_line(&mut self, number: usize, line: &str, kind: EntryErrorKind) {
        let start = line.split(['=', '"']).next().unwrap_or(line);
        if let Some(key) = KEYS.into_iter().find(|key| start.split([' ', '\t']).any(|word| word == key.name))
        {
            self.found.entry(key.name).or_insert((number, None));
        }
        self.report(Some(number), None, kind);
    }

    fn conf(&mut self) -> Option<RdsConf> {
        let engine = self.optional::<Engine>(ENGINE).unwrap_or_default();
        let (port, endpoint) = (self.optional::<Port>(RDS_PORT), self.required::<Address>(RDS_ENDPOINT));
        let region = self.required::<Region>(REGION);
        let master_secret = self.required(MASTER_SECRET_NAME);
        let database = self.required::<DatabaseName>(DB_NAME);
        let iam_admin = self.required(IAM_ADMIN_USER);
        let dial = self.optional(RDS_DIAL);
        let ca_bundle = self.optional(RDS_CA_BUNDLE);
        let resource_id = self.optional(RDS_RESOURCE_ID);
        let account_id = self.optional(AWS_ACCOUNT_ID);

        if let Some(Err(error)) = database.as_ref().map(|name| name.validate_for(engine)) {
            let line = self.found.get(DB_NAME.name).map(|(line, _)| *line);
            self.report(line, Some(DB_NAME.name), EntryErrorKind::Value { reason: error.reason.to_owned() });
        }
        let endpoint = endpoint.map(|address| self.endpoint(&address, port, engine));
        if let (Some(endpoint), Some(region)) = (&endpoint, &region) {
            self.compare_regions(endpoint, region);
        }
        let conf = RdsConf::new(endpoint?, region?, master_secret?, database?, iam_admin?);
        Some(RdsConf { engine, dial, ca_bundle, resource_id, account_id, ..conf })
    }

    fn required<T: FileValue>(&mut self, key: Key) -> Option<T> {
        if !self.found.contains_key(key.name) {
            let kind = EntryErrorKind::Missing { key: key.name, example: key.example };
            self.report(None, Some(key.name), kind);
        }
        self.optional(key)
    }

    fn optional<T: FileValue>(&mut self, key: Key) -> Option<T> {
        let (line, value) = self.found.get(key.name)?;
        let line = *line;
        match T::from_file(value.as_ref()?) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.report(Some(line), Some(key.name), EntryErrorKind::Value { reason });
                None
            }
        }
    }

    fn endpoint(&mut self, address: &Address, port: Option<Port>, engine: Engine) -> Endpoint {
        if let (Some(own), Some(Port(port))) = (address.port, port)
            && own != port
        {
            let line = self.found.get(RDS_PORT.name).map(|(line, _)| *line);
            self.report(line, Some(RDS_PORT.name), EntryErrorKind::PortsDiffer { port, endpoint: own });
        }
        let port = address.port.or(port.map(|Port(port)| port)).unwrap_or(engine.default_port());
        Endpoint::new(&address.host, port).expect("both parts were checked when they were parsed")
    }

    fn compare_regions(&mut self, endpoint: &Endpoint, region: &Region) {
        if let Some(own) = Region::from_rds_host(&endpoint.host().to_string())
            && own != *region
        {
            let line = self.found.get(REGION.name).map(|(line, _)| *line);
            let kind =
                EntryErrorKind::RegionsDiffer { region: region.to_string(), endpoint: own.to_string() };
            self.report(line, Some(REGION.name), kind);
        }
    }
}

type Assignment<'a> = (&'a str, Result<String, EntryErrorKind>);

/// Splits a line into its key and the value between the quotes, which may be invalid.
fn assignment(line: &str) -> Result<Assignment<'_>, EntryErrorKind> {
    if line.strip_prefix("export").is_some_and(|rest| rest.starts_with([' ', '\t'])) {
        return Err(EntryErrorKind::Export);
    }
    let (name, value) = line.split_once('=').ok_or(EntryErrorKind::NotAssignment)?;
    let trimmed = name.trim_end_matches([' ', '\t']);
    if !is_key(trimmed) {
        return Err(EntryErrorKind::NotAssignment);
    }
    if trimmed != name || value.starts_with([' ', '\t']) {
        return Ok((trimmed, Err(EntryErrorKind::Space)));
    }
    Ok((name, quoted(value)))
}

fn is_key(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn quoted(text: &str) -> Result<String, EntryErrorKind> {
    let mut rest = text.strip_prefix('"').ok_or(EntryErrorKind::Unquoted)?.chars();
    let mut value = String::new();
    loop {
        match rest.next().ok_or(EntryErrorKind::Unclosed)? {
            '"' => break,
            '\\' => match rest.next().ok_or(EntryErrorKind::Unclosed)? {
                c if ESCAPED.contains(&c) => value.push(c),
                c => return Err(EntryErrorKind::Escape(c)),
            },
            c @ ('$' | '`') => return Err(EntryErrorKind::Substitution(c)),
            c if c.is_control() => return Err(EntryErrorKind::ControlCharacter(c)),
            c => value.push(c),
        }
    }
    let rest = rest.as_str();
    let comment = rest.trim_start_matches([' ', '\t']);
    let ends = comment.is_empty() || (comment.len() < rest.len() && comment.starts_with('#'));
    if ends { Ok(value) } else { Err(EntryErrorKind::Trailing) }
}

/// The port used to check the host of an endpoint without a port; it is dropped afterwards.
const PLACEHOLDER_PORT: u16 = 1;

/// `RDS_ENDPOINT`: a host with an optional port.
struct Address {
    host: String,
    port: Option<u16>,
}

impl FromStr for Address {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (endpoint, has_port) = match text.parse::<Endpoint>() {
            Err(EndpointError::NoPort { .. }) => (Endpoint::new(text, PLACEHOLDER_PORT)?, false),
            other => (other?, true),
        };
        Ok(Self { host: endpoint.host().to_string(), port: has_port.then(|| endpoint.port()) })
    }
}

impl FileValue for Address {
    const ERROR: &'static str = "not an endpoint: give only a host name or host:port, without a scheme, user or path (IPv6 as [address]:port)";
}

/// `RDS_PORT`
#[derive(Clone, Copy)]
struct Port(u16);

impl FromStr for Port {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(port) if digits && port > 0 => Ok(Self(port)),
            _ => Err(()),
        }
    }
}

impl FileValue for Port {
    const ERROR: &'static str = "not a port: give a number from 1 to 65535";
}
