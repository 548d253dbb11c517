//! Secrets of our own environment, kept out of whatever a program prints.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::shell::{self, REDACTED};

/// Shorter values stand in too many words to be looked for.
const SHORTEST: usize = 8;

/// `line` without the values of variables whose names declare a secret, and without signatures.
pub(super) fn redacted(line: &[u8]) -> Cow<'_, [u8]> {
    static SECRETS: OnceLock<Vec<String>> = OnceLock::new();
    without(line, SECRETS.get_or_init(|| declared(std::env::vars())))
}

/// The values that a variable's name declares secret.
fn declared(variables: impl Iterator<Item = (String, String)>) -> Vec<String> {
    variables
        .filter(|(name, value)| shell::names_a_secret(name) && value.len() >= SHORTEST)
        .map(|(_, value)| value)
        .collect()
}

fn without<'l>(line: &'l [u8], secrets: &[String]) -> Cow<'l, [u8]> {
    let has = |part: &str| line.windows(part.len()).any(|window| window == part.as_bytes());
    let signed = has("X-Amz-");
    if !signed && !secrets.iter().any(|secret| has(secret)) {
        return Cow::Borrowed(line);
    }
    let mut text = String::from_utf8_lossy(line).into_owned();
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
    use super::*;

    fn shown(line: &str) -> String {
        let variables =
            [("AWS_SECRET_ACCESS_KEY", "abcdefgh/1"), ("DB_PASSWORD", "short"), ("HOME", "/var/lib/ada")];
        let secrets =
            declared(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter());
        String::from_utf8(without(line.as_bytes(), &secrets).into_owned()).unwrap()
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
}
