//! Renders a command for the log as one line of a POSIX shell, without secrets, and decides which names of
//! variables and options mark a secret.

use std::borrow::Cow;

/// The replacement of a secret in an echoed command.
pub const REDACTED: &str = "<redacted>";

/// Words that mark a name as secret, at any position: `DB_PASSWORD_PROD`, `SECRET_KEY_BASE`.
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "passphrase", "secret", "credential", "private"];
/// Words that mark a name as secret at its end.
const SECRET_ENDS: [&str; 14] = [
    "pwd",
    "pass",
    "pat",
    "key",
    "keys",
    "apikey",
    "token",
    "tokens",
    "auth",
    "signature",
    "pem",
    "p12",
    "pfx",
    "jwt",
];
/// Final words of names that are about a secret without containing one: `PASSWORD_FILE`. The same list as in
/// `crates/tfplan/src/rules/secrets.rs`, without `url`, whose value may contain a password. This package is linked by no
/// program for users and links none of `crates`, so that each has its own; a test here compares them.
const NO_SECRETS: [&str; 28] = [
    "age",
    "arn",
    "backend",
    "command",
    "count",
    "days",
    "enabled",
    "engine",
    "expiry",
    "file",
    "hint",
    "id",
    "label",
    "length",
    "manager",
    "name",
    "param",
    "parameter",
    "path",
    "policy",
    "prefix",
    "prompt",
    "provider",
    "required",
    "rotation",
    "store",
    "type",
    "version",
];
/// Full names whose values contain a secret among other data.
const SECRET_NAMES: [&str; 3] = ["docker_auth_config", "database_url", "netrc"];

/// Returns whether a name marks its value as secret: `--password`, `DB_TOKEN`, `X-Amz-Signature`, `TLS_KEY_PEM`,
/// `GH_PAT_B64`.
pub fn names_a_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    let words: Vec<&str> = name.split(['_', '-', '.']).collect();
    // The spelling of the name makes no difference.
    let words = match words.as_slice() {
        [before @ .., "b64" | "base64" | "json" | "hex"] if !before.is_empty() => before,
        all => all,
    };
    let last = words.last().copied().unwrap_or_default();
    // An access key's ID is public, and helps a reader to identify the key.
    if NO_SECRETS.contains(&last) {
        return false;
    }
    // Matches DBPASSWORD and clientsecret, but not COMPASS, MONKEY or the shell's PWD.
    let inside = words.iter().any(|word| SECRET_WORDS.iter().any(|secret| word.contains(secret)));
    let at_end = words.len() > 1 || ["pass", "apikey", "token", "signature", "jwt"].contains(&last);
    inside
        || (at_end && SECRET_ENDS.contains(&last))
        || ["apikey", "token"].iter().any(|end| last.ends_with(end))
        || name.starts_with("tf_token_")
        || SECRET_NAMES.contains(&name.as_str())
}

/// Returns the password of a URL such as `https://ada:password@host`.
pub fn password_in_address(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// Returns a command as one line that a POSIX shell could run: variables first, words quoted where needed,
/// the values of secret names replaced.
///
/// An argument list should contain no secret, since any user of the machine can read it; this is a second
/// line of defence.
pub fn render<'a>(
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
        // The last word of `--token-file F` is not secret, and `--flag --password` has no value yet.
        let secret_value = value_is_secret && !word.starts_with('-');
        line.push(quote(&if secret_value { REDACTED.to_owned() } else { redact(word) }));
        value_is_secret = word.starts_with("--") && !word.contains('=') && names_a_secret(word);
    }
    line.join(" ")
}

/// Redacts `name=value` pairs in a word (a flag, a query string) whose name marks a secret.
pub fn redact(word: &str) -> String {
    let mut redacted = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(equals) = rest.find('=') {
        let (before, after) = rest.split_at(equals + 1);
        redacted.push_str(before);
        let name = before.trim_end_matches('=').rsplit(['&', '?', ' ', ',']).next().unwrap_or_default();
        rest = after;
        if names_a_secret(name) {
            // Only a query string has a next pair: a password may contain any character.
            let end =
                if name.starts_with("X-Amz-") { rest.find('&').unwrap_or(rest.len()) } else { rest.len() };
            redacted.push_str(REDACTED);
            rest = &rest[end..];
        }
    }
    redacted.push_str(rest);
    match password_in_address(&redacted) {
        Some(password) => redacted.replace(&format!(":{password}@"), &format!(":{REDACTED}@")),
        None => redacted,
    }
}

/// Returns a word as a POSIX shell reads it back. shlex also quotes `=`, `,` and `%`, which no shell expands in the
/// words echoed here: `--network=none` stays as it is.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) || word == REDACTED {
        return word.to_owned();
    }
    // A word with a NUL byte can't be an argument: starting the command fails.
    shlex::try_quote(word).map_or_else(|_| format!("{word:?}"), Cow::into_owned)
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
            ("it's", "\"it's\""),
            ("--network=none", "--network=none"),
            ("HEAD^", "HEAD'^'"),
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
    fn names_of_secrets_are_recognised() {
        for name in [
            "MYSQL_PWD",
            "DB_PASS",
            "DB_PASSWORD_PROD",
            "PGPASSWORD",
            "PASSPHRASE",
            "SECRET_KEY_BASE",
            "AWS_SECRET_ACCESS_KEY",
            "GH_PAT",
            "GITHUB_TOKEN",
            "NPM_AUTH_TOKEN_B64",
            "DATABASE_URL",
            "DOCKER_AUTH_CONFIG",
            "TLS_KEY_PEM",
            "SIGNING_KEY_BASE64",
            "TF_TOKEN_app_terraform_io",
            "X-Amz-Security-Token",
            "--client-secret",
        ] {
            assert!(names_a_secret(name), "{name}");
        }
        for name in [
            "PWD",
            "OLDPWD",
            "PATH",
            "COMPASS",
            "MONKEY",
            "AWS_ACCESS_KEY_ID",
            "SSH_AUTH_SOCK",
            "PASSWORD_FILE",
            "TOKEN_TYPE",
            "MASTER_SECRET_ARN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        ] {
            assert!(!names_a_secret(name), "{name}");
        }
    }

    #[test]
    fn the_list_is_that_of_the_rule_for_plans() {
        let rule = include_str!("../../../crates/tfplan/src/rules/secrets.rs");
        let (_, list) = rule.split_once("const NO_SECRETS: [&str; ").unwrap();
        let (list, _) = list.split_once("];\n\n").unwrap();
        let words = list.split('"').skip(1).step_by(2).filter(|word| *word != "url");
        assert_eq!(words.collect::<Vec<_>>(), NO_SECRETS);
    }

    #[test]
    fn an_address_loses_its_password() {
        let shown =
            render([("HTTPS_PROXY", "http://ada:hunter2@proxy.test:3128/")], ["git", "https://a:b@c/d"]);
        insta::assert_snapshot!(
            shown,
            @"HTTPS_PROXY='http://ada:<redacted>@proxy.test:3128/' git 'https://a:<redacted>@c/d'"
        );
        assert_eq!(redact("https://host:443/a@b"), "https://host:443/a@b");
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
