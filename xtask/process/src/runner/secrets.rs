//! Redaction of the secrets in this process's environment from the output of programs.

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::shell::{self, REDACTED};

/// The minimum length of a redacted value: shorter values occur in too many words.
const SHORTEST: usize = 8;

/// Returns `line` without the values of variables whose names mark a secret, and without signatures.
pub(super) fn redacted(line: &[u8]) -> Cow<'_, [u8]> {
    static SECRETS: OnceLock<Vec<String>> = OnceLock::new();
    without(line, SECRETS.get_or_init(|| declared(readable(std::env::vars_os()))))
}

/// Converts names and values to text. Output is also searched as text: bytes that are not UTF-8 are replaced
/// in both.
fn readable(variables: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (String, String)> {
    let text = |bytes: OsString| bytes.to_string_lossy().into_owned();
    variables.map(move |(name, value)| (text(name), text(value)))
}

/// Returns the values of variables whose names mark a secret, in every form in which programs print them; the
/// longest first, since a secret may be a prefix of another.
fn declared(variables: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut forms = Vec::new();
    for (name, value) in variables {
        if shell::names_a_secret(&name) {
            // In a document, each text is also a secret.
            if let Ok(document @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(&value) {
                texts(&document, &mut forms);
            }
            in_all_forms(&value, &mut forms);
        }
        if let Some(password) = shell::password_in_address(&value) {
            in_all_forms(password, &mut forms);
            in_all_forms(&percent_decoded(password), &mut forms);
        }
    }
    forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    forms.dedup();
    forms
}

fn texts(document: &Value, forms: &mut Vec<String>) {
    match document {
        Value::String(text) => in_all_forms(text, forms),
        Value::Array(values) => values.iter().for_each(|value| texts(value, forms)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, forms)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Adds a secret unchanged, line by line, escaped and encoded.
fn in_all_forms(secret: &str, forms: &mut Vec<String>) {
    if secret.len() < SHORTEST {
        return;
    }
    let mut add = |form: String| {
        if form.len() >= SHORTEST {
            forms.push(form);
        }
    };
    // Output is forwarded line by line.
    secret.lines().for_each(|line| add(line.trim().to_owned()));
    let percent = |hex: fn(u8) -> String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { hex(byte) };
        secret.bytes().map(encode).collect::<String>()
    };
    add(percent(|byte| format!("%{byte:02X}")));
    add(percent(|byte| format!("%{byte:02x}")));
    let json = serde_json::to_string(secret).unwrap_or_default().trim_matches('"').to_owned();
    // The JSON escaping of Go programs, among them Terraform and Docker, and of Python programs.
    add(escaped(&json, |c| "&<>".contains(c)));
    add(escaped(&json, |c| !c.is_ascii()));
    add(json);
    add(hex::encode(secret));
    add(hex::encode_upper(secret));
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        // Within another text, as in `user:password`, it begins at one of three positions. Characters that
        // depend on the surrounding text are left out.
        for before in 0..3 {
            let whole = engine.encode([&vec![0; before], secret.as_bytes()].concat());
            let end = (before + secret.len()) * 8 / 6;
            add(whole[(before * 8).div_ceil(6)..end].to_owned());
        }
    }
    add(secret.to_owned());
}

/// Returns `json` with some characters as `\u` and four digits, twice if UTF-16 has two units.
fn escaped(json: &str, is_escaped: fn(char) -> bool) -> String {
    let mut text = String::new();
    for c in json.chars() {
        if is_escaped(c) {
            let units =
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            text.push_str(&units);
        } else {
            text.push(c);
        }
    }
    text
}

/// Decodes the percent-encoding in a part of a URL.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let decoded = match (first, after) {
            (b'%', [high, low, ..]) => hex::decode([*high, *low]).ok(),
            _ => None,
        };
        rest = if decoded.is_some() { &after[2..] } else { after };
        bytes.push(decoded.map_or(*first, |byte| byte[0]));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn without<'l>(line: &'l [u8], secrets: &[String]) -> Cow<'l, [u8]> {
    let text = String::from_utf8_lossy(line);
    let signed = text.contains("X-Amz-");
    if !signed && !secrets.iter().any(|secret| text.contains(secret.as_str())) {
        return Cow::Borrowed(line);
    }
    let mut text = text.into_owned();
    for secret in secrets {
        text = text.replace(secret.as_str(), REDACTED);
    }
    if signed {
        // Word by word: a token in the middle of a line is a query string.
        text = text.split_inclusive(char::is_whitespace).map(shell::redact).collect();
    }
    Cow::Owned(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn shown_with(variables: &[(&str, &str)], line: &str) -> String {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        String::from_utf8(without(line.as_bytes(), &declared(variables)).into_owned()).unwrap()
    }

    fn shown(line: &str) -> String {
        let variables =
            [("AWS_SECRET_ACCESS_KEY", "abcdefgh/1"), ("DB_PASSWORD", "short"), ("HOME", "/var/lib/ada")];
        shown_with(&variables, line)
    }

    #[test]
    fn values_of_secret_variables_and_signatures_are_left_out() {
        assert_eq!(
            shown("key=abcdefgh/1 in /var/lib/ada, short\n"),
            "key=<redacted> in /var/lib/ada, short\n"
        );
        assert_eq!(
            shown("token h:1/?X-Amz-Expires=900&X-Amz-Signature=0f&X-Amz-Date=1 end\n"),
            "token h:1/?X-Amz-Expires=900&X-Amz-Signature=<redacted>&X-Amz-Date=1 end\n"
        );
        assert_eq!(shown("nothing\n"), "nothing\n");
    }

    #[test]
    fn variables_that_are_not_utf_8_are_read() {
        let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let variables = [
            (bytes(b"\xff"), bytes(b"anything")),
            (bytes(b"GREETING"), bytes(b"\xff\xfe")),
            (bytes(b"DB_PASSWORD"), bytes(b"hunter\xff2-of-ada")),
        ];
        let secrets = declared(readable(variables.into_iter()));
        assert_eq!(without(b"it is hunter\xff2-of-ada.", &secrets), &b"it is <redacted>."[..]);
    }

    #[test]
    fn a_secret_is_left_out_in_each_of_its_forms() {
        let secret = "p4ss/w\u{f6}rd \"of\" ada";
        for form in [
            secret.to_owned(),
            "p4ss%2Fw%C3%B6rd%20%22of%22%20ada".to_owned(),
            "p4ss%2fw%c3%b6rd%20%22of%22%20ada".to_owned(),
            r#"p4ss/w\u{f6}rd \"of\" ada"#.replace("\\u{f6}", "\u{f6}"),
            r#"p4ss/w\u00f6rd \"of\" ada"#.to_owned(),
            hex::encode(secret),
            STANDARD.encode(secret),
        ] {
            let told = shown_with(&[("DB_PASSWORD", secret)], &format!("it is {form}."));
            assert!(told.starts_with("it is <redacted>"), "{form}: {told}");
        }
        // In an `Authorization: Basic` header.
        for user in ["a", "ad", "ada"] {
            let told = shown_with(&[("DB_PASSWORD", secret)], &STANDARD.encode(format!("{user}:{secret}")));
            assert!(told.contains(REDACTED) && told.len() < 20, "{user}: {told}");
        }
    }

    #[test]
    fn lines_and_parts_of_a_secret_are_left_out() {
        let pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG\n-----END KEY-----\n";
        assert_eq!(shown_with(&[("TLS_KEY_PEM", pem)], "  MIIEvQIBADANBgkq\n"), "  <redacted>\n");
        let json = r#"{"auths": {"r": {"auth": "YWRhOmxvdmVsYWNl"}}}"#;
        assert_eq!(shown_with(&[("DOCKER_AUTH_CONFIG", json)], "with YWRhOmxvdmVsYWNl"), "with <redacted>");
        let proxy = [("HTTPS_PROXY", "http://ada:lovelace1815@proxy.test:3128")];
        assert_eq!(
            shown_with(&proxy, "Proxy-Authorization: lovelace1815"),
            "Proxy-Authorization: <redacted>"
        );
        let encoded = [("HTTPS_PROXY", "http://ada:love%2Flace%401815%@proxy.test:3128")];
        assert_eq!(shown_with(&encoded, "password: love/lace@1815%"), "password: <redacted>");
        let marked = [("DB_PASSWORD", "a<b>&c-and-more")];
        assert_eq!(shown_with(&marked, r#""a\u003cb\u003e\u0026c-and-more""#), "\"<redacted>\"");
        let both = [("A_TOKEN", "prefix-of-a-token"), ("B_TOKEN", "prefix-of-a-token-and-its-end")];
        assert_eq!(shown_with(&both, "prefix-of-a-token-and-its-end"), "<redacted>");
    }
}
