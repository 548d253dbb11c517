//! Words as a shell could run them, with anything secret left out.

/// What stands in an echoed command where a secret would be.
pub(crate) const REDACTED: &str = "<redacted>";

/// A name that says its value is secret: `--password`, `DB_TOKEN`, `X-Amz-Signature`.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ends = [
        "password",
        "passwd",
        "_pass",
        "secret",
        "_key",
        "apikey",
        "token",
        "_auth",
        "signature",
        "credential",
        "credentials",
    ];
    // An access key's id is public, and helps whoever asks which it was.
    (name.starts_with("tf_token_") || ends.iter().any(|end| name.ends_with(end)))
        && name != "aws_access_key_id"
}

/// One line that a POSIX shell could run: variables first, every word quoted where it has to be,
/// values that a name declares secret replaced.
///
/// Nothing secret belongs in an argument list in the first place (any user of the machine can read
/// it); this is the second line of defence.
pub(crate) fn render<'a>(
    env: impl IntoIterator<Item = (&'a str, &'a str)>,
    words: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut line: Vec<String> = Vec::new();
    for (name, value) in env {
        let value = if names_a_secret(name) { REDACTED.to_owned() } else { redact(value) };
        line.push(format!("{name}={}", quote(&value)));
    }
    let mut value_is_secret = false;
    for word in words {
        // `--token-file F` ends in no secret's name and `--flag --password` has no value yet.
        let secret_value = value_is_secret && !word.starts_with('-');
        line.push(quote(&if secret_value { REDACTED.to_owned() } else { redact(word) }));
        value_is_secret = word.starts_with("--") && !word.contains('=') && names_a_secret(word);
    }
    line.join(" ")
}

/// `name=value` pairs in a word (a flag, a query string) whose name declares a secret.
pub(crate) fn redact(word: &str) -> String {
    let mut redacted = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(equals) = rest.find('=') {
        let (before, after) = rest.split_at(equals + 1);
        redacted.push_str(before);
        let name = before.trim_end_matches('=').rsplit(['&', '?', ' ', ',']).next().unwrap_or_default();
        rest = after;
        if names_a_secret(name) {
            // Up to the next pair only of a query string: a password may hold any character.
            let end =
                if name.starts_with("X-Amz-") { rest.find('&').unwrap_or(rest.len()) } else { rest.len() };
            redacted.push_str(REDACTED);
            rest = &rest[end..];
        }
    }
    redacted + rest
}

/// A word in single quotes, unless a shell takes it as it is.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) || word == REDACTED {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        for (word, quoted) in [
            ("--locked", "--locked"),
            ("a/b.rs:1", "a/b.rs:1"),
            ("", "''"),
            ("-D warnings", "'-D warnings'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("{{.Server.Version}}", "'{{.Server.Version}}'"),
            ("~", "'~'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }

    #[test]
    fn a_command_is_one_line_for_a_shell() {
        insta::assert_snapshot!(
            render([("RUSTDOCFLAGS", "-D warnings")], ["cargo", "doc", "--workspace"]),
            @"RUSTDOCFLAGS='-D warnings' cargo doc --workspace"
        );
    }

    #[test]
    fn what_a_name_declares_secret_is_left_out() {
        insta::assert_snapshot!(
            render(
                [("DB_PASSWORD", "hunter2"), ("AWS_REGION", "eu-west-1")],
                ["mysql", "--password=hunter2 &c", "--token", "hunter2", "--user", "ada"],
            ),
            @"DB_PASSWORD=<redacted> AWS_REGION=eu-west-1 mysql '--password=<redacted>' --token <redacted> --user ada"
        );
    }

    #[test]
    fn a_token_loses_its_signature_and_its_session() {
        let token = "h:3306/?Action=connect&X-Amz-Security-Token=abc&X-Amz-Expires=900&X-Amz-Signature=def";
        let shown = render([], ["connect", token]);
        insta::assert_snapshot!(
            shown,
            @"connect 'h:3306/?Action=connect&X-Amz-Security-Token=<redacted>&X-Amz-Expires=900&X-Amz-Signature=<redacted>'"
        );
    }

    #[test]
    fn a_flag_after_a_secret_flag_is_no_secret() {
        assert_eq!(render([], ["x", "--no-password", "--once"]), "x --no-password --once");
        assert_eq!(render([], ["x", "--token-file", "f"]), "x --token-file f");
    }
}
