//! What an operator can do about an error, in a sentence or two: by the server's code if it says more than the kind.

use rds_iam_token::{ErrorKind, MintError, ServerCode, SignError};

use super::Error;
use crate::host::is_aws_name;

/// The steps for a login that MySQL denied, in order.
const DENIED: &str = "Check, in this order: the user exists and is IDENTIFIED WITH AWSAuthenticationPlugin; the caller's policy allows rds-db:connect on this resource id (db-, cluster- or prx-, not the identifier) and user; the token was signed for the server's own endpoint and region; this machine's clock is right; the AWS credentials have not ended (keys copied into a file do not say when they end). The cause is in a log: for a proxy first in /aws/rds/proxy/NAME, then, as for an instance, in /aws/rds/instance/NAME/iam-db-auth-error.";

/// The steps for a login that PostgreSQL denied, in order.
const DENIED_POSTGRES: &str = "Check, in this order: the user exists, may log in (ALTER ROLE … LOGIN) and is a member of rds_iam, GRANT rds_iam TO it (28P01: it does not exist or is no member, and the server took the token for a password); the caller's policy allows rds-db:connect on this resource id (db-, cluster- or prx-, not the identifier) and user; the token was signed for the server's own endpoint and region; this machine's clock is right; the AWS credentials have not ended (keys copied into a file do not say when they end). The cause is in a log: for a proxy first in /aws/rds/proxy/NAME, then in /aws/rds/instance/NAME/iam-db-auth-error, or in that of the cluster.";

/// The step before those, if tokens are signed for a name that is not AWS's own.
const DENIED_ALIAS: &str = "The endpoint is not a name of AWS, and a token is only accepted for the server's own name: make that the endpoint, and the alias the address to dial (`dial`). If the name is right, check that the policy allows rds-db:connect on this resource id and user, and that the user exists and is IDENTIFIED WITH AWSAuthenticationPlugin (MySQL) or may log in and is a member of rds_iam (PostgreSQL).";

/// A login that PostgreSQL accepted, to a database that it did not.
const NO_CONNECT: &str = "The user may not connect to this database: GRANT CONNECT ON DATABASE it TO the user, or use another database.";

/// A refusal that is not confirmed.
const REFUSED_ONCE: &str = "The server refused the login without a reason, which PostgreSQL also does while an instance restarts: try again. If it is refused again, check the membership in rds_iam, the policy and the clock.";

/// A startup parameter that RDS Proxy does not accept.
const UNSUPPORTED_AT_LOGIN: &str =
    "The server does not accept a parameter of the login: connect with no options but those of this crate.";

pub(super) fn hint(error: &Error) -> &'static str {
    if let Some(help) = error.code().and_then(ServerCode::help) {
        return help;
    }
    match error {
        Error::Token { source: MintError::Sign { source }, .. }
            if matches!(**source, SignError::CredentialsExpired { .. }) =>
        {
            "The AWS credentials have expired: renew them at their source (aws sso login, a new role session, new keys in the file)."
        }
        Error::Token { source: MintError::NotConfigured { .. }, .. } => {
            "Give the instance, task, pod or function a role; or set AWS_PROFILE to a profile of ~/.aws, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. In the same environment, `aws sts get-caller-identity` prints whose credentials are found."
        }
        Error::Token { .. } => "Check the source of the AWS credentials; the cause below says what failed.",
        Error::Dsn(_) => "Correct the connection string; the documentation of `Dsn` has both forms.",
        Error::Settings { .. } => "Correct the settings; the message says what would be right.",
        Error::OtherEngine { .. } => {
            "Correct the engine, or the endpoint and its port: MySQL has 3306, PostgreSQL 5432, if no other was chosen."
        }
        Error::TimedOut { saturated: true, .. } => {
            "Every connection was in use: statements are slow, or the pool is too small for the load."
        }
        Error::Connect { .. } if error.code() == ServerCode::from_sqlstate("42501") => NO_CONNECT,
        Error::Connect { subject, kind: ErrorKind::Denied, .. } if !is_aws_name(subject.endpoint.host()) => {
            DENIED_ALIAS
        }
        Error::Connect { kind, .. } => match (kind, error.code()) {
            (ErrorKind::Denied, Some(ServerCode::SqlState(_))) => DENIED_POSTGRES,
            (ErrorKind::Unreachable, Some(code)) if code.is_ambiguous_refusal() => REFUSED_ONCE,
            (ErrorKind::Configuration, Some(ServerCode::SqlState([b'0', b'A', ..]))) => UNSUPPORTED_AT_LOGIN,
            _ => of_connecting(*kind),
        },
        Error::TimedOut { .. } => of_connecting(error.kind()),
        Error::Statement { kind, .. } => of_statement(*kind),
    }
}

fn of_connecting(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Configuration => "Check the endpoint, the port and the database name.",
        ErrorKind::Denied => DENIED,
        ErrorKind::Throttled => {
            "The server limits logins or connections: keep under 200 new IAM connections a second per instance, and see max_connections."
        }
        ErrorKind::Unreachable => {
            "The server did not answer: check the endpoint's name, the server's state, the security groups and the port. A private database is reached through a tunnel."
        }
        ErrorKind::Tls => {
            "The server's certificate does not name the endpoint's host, or is not issued under the trust roots in use: check the endpoint, that the address dialled leads to it, and that the roots are current."
        }
        _ => "The cause below has the server's message.",
    }
}

fn of_statement(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "The database user lacks a privilege: GRANT it to the user, or use another user."
        }
        ErrorKind::Unreachable => {
            "The connection broke, or the statement was not answered in time. Try again; whether a write or a commit took effect is unknown."
        }
        ErrorKind::Throttled => "The server is busy: try again a little later.",
        _ => "The cause below has the server's message.",
    }
}
