//! The kinds of PostgreSQL's SQLSTATEs, and what an operator can do about some of them.
//!
//! Source: appendix A, "PostgreSQL Error Codes", of PostgreSQL 17. A code that is not listed counts as its class.

use super::ErrorKind;

pub(super) fn kind(code: [u8; 5]) -> ErrorKind {
    match &code {
        // Password or PAM authentication failed, authorization refused, a missing privilege.
        b"28P01" | b"28000" | b"42501" => ErrorKind::Denied,
        // Unknown database, schema, table, role or other object; the database was dropped.
        b"3D000" | b"3F000" | b"42P01" | b"42704" | b"57P04" => ErrorKind::Configuration,
        // Too many connections; a configured limit; no memory for one more.
        b"53300" | b"53400" | b"53200" => ErrorKind::Throttled,
        // Shutting down, crashed, starting, idle for too long.
        b"57P01" | b"57P02" | b"57P03" | b"57P05" => ErrorKind::Unreachable,
        b"25006" => ErrorKind::ReadOnly,
        // Class 08, connection exception: also 08004, a connection that was rejected.
        [b'0', b'8', ..] => ErrorKind::Unreachable,
        _ => ErrorKind::Other,
    }
}

pub(super) fn help(code: [u8; 5]) -> Option<&'static str> {
    let help = match &code {
        b"25006" => {
            "The server refuses writes: it is a reader, or the transaction, session or role may only read (default_transaction_read_only). Connect to the writer's endpoint; after a failover, connect again."
        }
        b"3D000" => "The database does not exist on this server: check its name, or create it first.",
        b"3F000" => "A schema is missing: create it, or check its name and the name of the database.",
        b"42704" => {
            "A role or another object is missing: create it, or check its name. The role rds_iam exists once IAM authentication was enabled on the instance or cluster."
        }
        b"42P01" => "A table is missing: create it, or check the names of the database and schema.",
        b"53300" => {
            "The server has no connection left, or limits logins: keep under 200 new IAM connections a second per instance; compare max_connections of all pools with the server's, and with the CONNECTION LIMIT of the user and of the database."
        }
        b"57P03" => {
            "The server accepts no connections yet: it is starting, shutting down or recovering. Try again."
        }
        b"57P05" => "The connection was idle for longer than the server's idle_session_timeout.",
        _ => return None,
    };
    Some(help)
}
