//! The kind and the server's code of a driver's error.

use std::io;

use rds_iam_token::{ErrorKind, ServerCode};

use super::Error;

/// Returns the server's code, if the server refused.
pub(crate) fn code(error: &sqlx::Error) -> Option<ServerCode> {
    let error = error.as_database_error()?;
    #[cfg(feature = "mysql")]
    if let Some(code) = super::mysql::code(error) {
        return Some(code);
    }
    #[cfg(feature = "postgres")]
    if let Some(code) = super::postgres::code(error) {
        return Some(code);
    }
    None
}

/// Returns the pool's error that an I/O error contains.
pub(crate) fn of_pool(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Returns the kind of an error, by the server's code or by the error's type.
pub(crate) fn kind(error: &sqlx::Error) -> ErrorKind {
    match error {
        sqlx::Error::Database(_) => code(error).map_or(ErrorKind::Other, ServerCode::kind),
        sqlx::Error::Io(io) => kind_of_io(io),
        sqlx::Error::Tls(_) => ErrorKind::Tls,
        sqlx::Error::Configuration(_) => ErrorKind::Configuration,
        sqlx::Error::PoolTimedOut => ErrorKind::Throttled,
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => ErrorKind::Unreachable,
        _ => ErrorKind::Other,
    }
}

/// Returns the kind of an error of connecting. A refusal that PostgreSQL also gives while it restarts is not taken for a denial
/// before it is confirmed.
pub(crate) fn kind_of_connecting(error: &sqlx::Error) -> ErrorKind {
    match code(error) {
        Some(code) => kind_of_refused_login(code),
        None => kind(error),
    }
}

fn kind_of_refused_login(code: ServerCode) -> ErrorKind {
    match code {
        code if code.is_ambiguous_refusal() => ErrorKind::Unreachable,
        // RDS Proxy does not support a parameter of the login.
        ServerCode::SqlState([b'0', b'A', ..]) => ErrorKind::Configuration,
        code => code.kind(),
    }
}

fn kind_of_io(error: &io::Error) -> ErrorKind {
    if let Some(error) = of_pool(error) {
        return error.kind();
    }
    // rustls reports a bad certificate inside an I/O error.
    let tls = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
    if tls { ErrorKind::Tls } else { ErrorKind::Unreachable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_login_is_not_denied_before_it_is_confirmed() {
        let kind = |code| kind_of_refused_login(ServerCode::from_sqlstate(code).unwrap());
        assert_eq!(kind("28000"), ErrorKind::Unreachable);
        assert_eq!(kind("28P01"), ErrorKind::Denied);
        assert_eq!(kind("0A000"), ErrorKind::Configuration);
        assert_eq!(kind("53300"), ErrorKind::Throttled);
        assert_eq!(kind_of_refused_login(ServerCode::MySql(1045)), ErrorKind::Denied);
    }

    #[test]
    fn errors_are_grouped_by_type_not_text() {
        let io = |kind| sqlx::Error::Io(io::Error::new(kind, "Access denied for user (28000)"));
        assert_eq!(kind(&io(io::ErrorKind::ConnectionReset)), ErrorKind::Unreachable);
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let tls = sqlx::Error::Io(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert_eq!(kind(&tls), ErrorKind::Tls);
        assert_eq!(kind(&sqlx::Error::Tls("no".into())), ErrorKind::Tls);
        assert_eq!(kind(&sqlx::Error::PoolTimedOut), ErrorKind::Throttled);
    }
}
