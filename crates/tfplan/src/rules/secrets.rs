//! Detects secrets in scripts by their form. The text of a found secret is never repeated.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex_lite::{Captures, Regex};

const NAMED: &str = "a value for something named like a secret";
const COMMAND: &str = "a password on a command line";
const BLOCK: &str = "a block of text for something named like a secret";

static PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    [
        ("a private key", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"),
        ("an AWS access key id", r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
        ("a signed URL or token", r"X-Amz-Signature=[0-9A-Fa-f]{16,}"),
        ("a token of GitHub", r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
        ("a URL or token of Slack", r"hooks\.slack\.com/[a-z]+/[A-Za-z0-9/]{8,}|\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
        // A value that begins with one of $ ` < ( { comes from a command, a variable or a template.
        ("a URL with a password", r"[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@$`<{(]+@"),
        // Its characters include `/`, like a path's, but a path has another length.
        (NAMED, r#"(?i)secret_?access_?key["']?\s*[=:]\s*["']?[a-z0-9/+]{40}\b"#),
        (
            NAMED,
            r#"(?i)(password|passwd|passphrase|pwd|secret|secret[_-]?(access[_-]?)?key|api[_-]?key|private[_-]?key|auth[_-]?token|access[_-]?token|session[_-]?token|[a-z0-9]_pass|\bpass)(?<suffix>([_-][a-z0-9]+)*)["']?\s*[=:]\s*["']?(?<value>[^\s"'$`<({\\=:/;&|,)][^\s"';,]*)"#,
        ),
        // Between single quotes, `$` begins a variable only if that is the whole text.
        (NAMED, r"(?i)(password|passwd|passphrase|pwd|secret|_pass|api[_-]?key)\s*[=:]\s*'(\$\w*[^\w'{(\s]|[\\=:;&|,)])[^']*'"),
        (BLOCK, r#"(?i)^\s*(-\s+)?["']?[\w.-]*(password|passwd|passphrase|secret|api[_-]?key|private[_-]?key|token)["']?\s*:\s*[|>][+-]?[0-9]?\s*$"#),
        ("a password in SQL", r#"(?i)\bidentified\s+(with\s+\S+\s+)?by\s+(password\s+)?\\?["'][^"'$`<({%\\\s]"#),
        ("an Authorization header", r#"(?i)\bauthorization["']?\s*[:=]\s*["']?(bearer|basic|token)\s+[a-z0-9._~+/=-]{8,}"#),
        (COMMAND, r#"\s(--password|--pass)[ =]["']?[^\s"'$`<({\\/-]|\b(login|mysql\w*|mariadb\w*|sshpass)\s(.*\s)?-p ?["']?[^\s"'$`<({\\/-]"#),
        (COMMAND, r#"(?i)\baws\s+configure\s+set\s+(\S*secret_access_key|\S*session_token)\s+["']?[^\s"'$`<({]"#),
        (COMMAND, r#"\bcurl\s[^|;&]*(-[a-zA-Z]*u|--user|--proxy-user)[ =]?["']?[^\s:"']+:[^\s"'$`<({]"#),
        (COMMAND, r#"\b(echo|printf)\s[^|]*:[^\s"'$`<({%\\][^|]*\|\s*(sudo\s+)?chpasswd|\bchpasswd\s.*<<<\s*["']?[^\s:]+:[^\s"'$`<({]"#),
        (COMMAND, r#"\b(echo|printf)\s+(-n\s+)?(["']?%s(\\n)?["']?\s+)?["']?[^\s"'$`<({%-][^|]*\|.*--password-stdin"#),
    ]
    .map(|(kind, pattern)| (kind, Regex::new(pattern).expect("a unit test compiles every pattern")))
    .into()
});

/// The last words of setting names that are about a secret without containing one: `PASSWORD_FILE`. The tasks have the same
/// list in `xtask/process/src/shell.rs`, which links none of `crates`; a test there compares them.
const NO_SECRETS: [&str; 29] = [
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
    "url",
    "version",
];

/// Values of switches, which are not secrets: `lock_passwd: true`.
const SWITCHES: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "null", "none"];

/// Returns the lines, counted from 1, that contain a secret, and its kind; one kind per line. Base64 in a
/// line is decoded and searched too.
pub(super) fn find(text: &str) -> Vec<(usize, &'static str)> {
    let lines: Vec<_> = text.lines().collect();
    let kind = |index: usize| {
        in_line(&lines, index).or_else(|| {
            lines[index].split(|c: char| !is_base64(c)).filter_map(decoded).find_map(|inner| {
                let lines: Vec<_> = inner.lines().collect();
                (0..lines.len()).find_map(|index| in_line(&lines, index))
            })
        })
    };
    (0..lines.len()).filter_map(|index| Some((index + 1, kind(index)?))).collect()
}

fn in_line(lines: &[&str], index: usize) -> Option<&'static str> {
    let found = |kind: &str, pattern: &Regex| {
        let is_secret = |captures: Captures<'_>| match kind {
            NAMED => !is_setting(&captures),
            // The block's content is a value like any other.
            BLOCK => {
                lines.get(index + 1).is_some_and(|next| !next.trim_start().starts_with(['$', '`', '<', '{']))
            }
            _ => true,
        };
        pattern.captures_iter(lines[index]).any(is_secret)
    };
    PATTERNS.iter().find(|(kind, pattern)| found(kind, pattern)).map(|(kind, _)| *kind)
}

fn is_setting(captures: &Captures<'_>) -> bool {
    let has = |name: &str, words: &[&str]| {
        let text = captures.name(name).map_or_else(String::new, |text| text.as_str().to_ascii_lowercase());
        words.contains(&text.rsplit(['_', '-']).next().unwrap_or_default())
    };
    has("suffix", &NO_SECRETS) || has("value", &SWITCHES)
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/')
}

/// Returns the base64-decoded form of a word, if that is text; a short word is not decoded.
fn decoded(word: &str) -> Option<String> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    (word.len() >= 24)
        .then(|| ENGINE.decode(word).ok())
        .flatten()
        .and_then(|bytes| String::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found() {
        for (line, expected) in [
            ("export DB_PASSWORD=hunter2", "a value for something named like a secret"),
            ("  password: 'hunter2'", "a value for something named like a secret"),
            (r#"{"password": "hunter2"}"#, "a value for something named like a secret"),
            (
                "aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
                "a value for something named like a secret",
            ),
            ("MYSQL_PWD=hunter2 mysql", "a value for something named like a secret"),
            ("AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "an AWS access key id"),
            ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
            ("-----BEGIN PRIVATE KEY-----", "a private key"),
            (
                "curl 'https://b.s3.amazonaws.com/k?X-Amz-Signature=0123456789abcdef0123'",
                "a signed URL or token",
            ),
            ("git clone https://me:hunter2@example.test/r", "a URL with a password"),
            ("docker login -u AWS -p hunter2hunter2", "a password on a command line"),
            ("mysql -uroot -phunter2", "a password on a command line"),
            ("mysql --password hunter2", "a password on a command line"),
            ("DB_PASS=hunter2", NAMED),
            ("pass='hunter2'", NAMED),
            ("DB_PASSWORD_PROD=hunter2", NAMED),
            ("SECRET_KEY_BASE=hunter2", NAMED),
            ("password='$ecret!2'", NAMED),
            ("PASSWORD=':hunter2'", NAMED),
            ("AWS_SECRET_ACCESS_KEY=/JalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NAMED),
            ("CREATE USER a IDENTIFIED BY 'hunter2';", "a password in SQL"),
            (r#"mysql -e "ALTER USER a IDENTIFIED WITH x BY 'hunter2'""#, "a password in SQL"),
            ("aws configure set aws_secret_access_key hunter2", COMMAND),
            ("aws configure set profile.a.aws_secret_access_key /hunter2", COMMAND),
            (
                "curl -H 'Authorization: Bearer hunter2hunter2' https://example.test",
                "an Authorization header",
            ),
            ("curl -su me:hunter2 https://example.test", COMMAND),
            ("curl --user \"$ME:hunter2\" https://example.test", COMMAND),
            ("echo 'root:hunter2' | chpasswd", COMMAND),
            ("chpasswd -e <<< root:hunter2", COMMAND),
            ("echo hunter2hunter2 | docker login --username me --password-stdin", COMMAND),
            ("printf '%s' \"hunter2\" | docker login --username me --password-stdin", COMMAND),
            ("token github_pat_11ABCDEFG0123456789abcdef", "a token of GitHub"),
            // Concatenated, so that no scanner reports this file.
            (concat!("ghp", "_0123456789abcdefghijklmnopqrstuvwxyz"), "a token of GitHub"),
            (
                concat!("curl https://hooks.slack", ".com/services/T000/B000/hunter2hunter2"),
                "a URL or token of Slack",
            ),
            ("  password: |\n    hunter2", BLOCK),
            ("content: IyEvYmluL3NoCmV4cG9ydCBEQl9QQVNTV09SRD1odW50ZXIyCg==", NAMED),
            ("echo ZXhwb3J0IERCX1BBU1NXT1JEPWh1bnRlcjI | base64 -d | sh", NAMED),
        ] {
            assert_eq!(find(&format!("#!/bin/sh\n{line}\n")), [(2, expected)], "{line}");
        }
    }

    #[test]
    fn names_and_commands_are_no_secrets() {
        let script = r#"
            MASTER_SECRET_NAME="orders/master"
            PASSWORD=$(aws secretsmanager get-secret-value --secret-id orders)
            password="${PASSWORD}"
            PASSWORD=`cat file`
            TOKEN_FILE=/run/token
            token=$(curl -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
            aws ecr get-login-password --region us-east-1 | docker login --username AWS --password-stdin 1.dkr.ecr
            echo "no password: $x"
            RDS_IAM_SSM_PREFIX=/dev/database
            docker run -p 3000:3000 --read-only image@sha256:0123
            mkdir -p /etc/rds-iam
            mysql --protocol tcp -h db.example.test -P 3306 -p
            image="$(aws ssm get-parameter --name /dev/app/image)"
            # logs in without a password
            https://example.test:8443/a@b
            if [ "$password" == "" ]; then
            DB_PASS="$(aws secretsmanager get-secret-value --secret-id orders)"
            PASS='${PASS}' BYPASS=1 COMPASS=1
            DB_PASSWORD_FILE=run/password
            DB_PASSWORD_SECRET_ARN=arn:aws:secretsmanager:us-east-1:123456789012:secret:a
            lock_passwd: true
            password: |
              ${password}
            ALTER USER a IDENTIFIED BY '${PASSWORD}';
            CREATE USER a IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';
            aws configure set aws_secret_access_key "$KEY"
            curl -H "Authorization: Bearer $TOKEN" -u "$ME:$PASSWORD" https://example.test | docker run -u 1:1 image
            echo "root:$PASSWORD" | chpasswd
            echo "$PASSWORD" | docker login --username me --password-stdin
            printf '%s' "${PASSWORD}" | docker login --username me --password-stdin
            docker run --user 10001:10001 image@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
            echo IyEvYmluL3NoCmVjaG8gaGVsbG8gd29ybGQK | base64 -d
        "#;
        assert_eq!(find(script), []);
        assert_eq!(find(include_str!("../../../../terraform/modules/ec2/user_data.sh.tftpl")), []);
        assert_eq!(find(include_str!("../../../../terraform/modules/ec2/gateway.sh.tftpl")), []);
    }
}
