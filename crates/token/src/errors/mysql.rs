//! The kinds of MySQL's error numbers, and what an operator can do about some of them.
//!
//! Sources: "Server Error Message Reference" of MySQL 8.4; for 3159, 9501 and the IAM rate limit under 1040, "Troubleshooting
//! for RDS Proxy" of the RDS user guide.

use super::ErrorKind;

pub(super) fn kind(number: u16) -> ErrorKind {
    match number {
        // Access denied: to the server, a database, a table, a column, a routine; host not allowed; no grant to revoke;
        // the account is locked, blocked after failed logins, or its password has expired.
        1044 | 1045 | 1130 | 1142 | 1143 | 1227 | 1370 | 1410 | 1698 | 1820 | 1862 | 3118 | 3879 | 3955 => {
            ErrorKind::Denied
        }
        // Unknown database, unknown table, plugin not loaded.
        1049 | 1146 | 1524 => ErrorKind::Configuration,
        // Too many connections (and RDS Proxy's IAM rate limit), limits of a user, RDS Proxy's borrow timeout.
        1040 | 1203 | 1226 | 9501 => ErrorKind::Throttled,
        // Shutting down, connection lost or killed, idle for too long, offline mode.
        1053 | 1077 | 1079 | 1152 | 1158..=1161 | 1184 | 1317 | 3032 | 3168 | 3169 | 4031 => {
            ErrorKind::Unreachable
        }
        // `read_only`, `super_read_only`; `innodb_read_only`. Not 1792, which a transaction's own mode causes.
        1290 | 1836 => ErrorKind::ReadOnly,
        // TLS required and missing.
        3159 => ErrorKind::Tls,
        _ => ErrorKind::Other,
    }
}

pub(super) fn help(number: u16) -> Option<&'static str> {
    let help = match number {
        1049 => "The database does not exist on this server: check its name, or create it first.",
        1129 => {
            "The server has blocked this host after too many failed handshakes: run FLUSH HOSTS (TRUNCATE performance_schema.host_cache) once the cause is gone."
        }
        1146 => "A table is missing: create it, or check the name of the database.",
        1226 => {
            "The database user has reached its own limit: ALTER USER … WITH MAX_USER_CONNECTIONS 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 removes all of them."
        }
        1290 | 1836 => {
            "The server refuses writes: it is a reader. Connect to the writer's endpoint; after a failover, connect again."
        }
        1524 => {
            "The server does not have AWSAuthenticationPlugin: it is not RDS, or IAM authentication is off on the instance."
        }
        1820 | 1862 => {
            "The database user's password has expired, though it logs in by token: ALTER USER … PASSWORD EXPIRE NEVER."
        }
        3118 | 3955 => {
            "The database user is locked: ALTER USER … ACCOUNT UNLOCK. A user that logs in by token needs no lock-out policy: FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0 removes it."
        }
        3159 => "The server requires TLS, which this program always uses: a proxy between them removes it.",
        _ => return None,
    };
    Some(help)
}
