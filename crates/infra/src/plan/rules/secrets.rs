//! What secrets look like in a script. Nothing of what is found is ever repeated.

use std::sync::LazyLock;

use regex_lite::Regex;

static PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    [
        ("a private key", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"),
        ("an AWS access key id", r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
        ("a signed URL or token", r"X-Amz-Signature=[0-9A-Fa-f]{16,}"),
        ("a token of GitHub", r"\bgh[pousr]_[A-Za-z0-9]{36,}"),
        // A value that begins with one of $ ` < ( { is what a command, a variable or a template gives.
        ("a URL with a password", r"[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@$`<{(]+@"),
        (
            "a value for something named like a secret",
            r#"(?i)(password|passwd|passphrase|pwd|secret|secret[_-]?(access[_-]?)?key|api[_-]?key|private[_-]?key|auth[_-]?token|access[_-]?token|session[_-]?token)["']?\s*[=:]\s*["']?[^\s"'$`<({\\=:/;&|,)]"#,
        ),
        ("a password on a command line", r#"\s(--password|--pass)[ =]["']?[^\s"'$`<({\\/-]|\b(login|mysql\w*|mariadb\w*|sshpass)\s(.*\s)?-p ?["']?[^\s"'$`<({\\/-]"#),
    ]
    .map(|(kind, pattern)| (kind, Regex::new(pattern).expect("a unit test compiles every pattern")))
    .into()
});

/// The lines, counted from 1, that hold a secret, and of which kind; one kind to a line.
pub(super) fn find(text: &str) -> Vec<(usize, &'static str)> {
    let kind =
        |line: &str| PATTERNS.iter().find(|(_, pattern)| pattern.is_match(line)).map(|(kind, _)| *kind);
    (1..).zip(text.lines()).filter_map(|(number, line)| Some((number, kind(line)?))).collect()
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
        "#;
        assert_eq!(find(script), []);
    }
}
