//! The kind and the server's code of a driver's error.

use std::io;

use rds_iam_token::{ErrorKind, ServerCode};

use super::{Error, mysql, postgres};

/// Returns the server's code, if the server refused.
pub(crate) fn code(error: &sqlx::Error) -> Option<ServerCode> {
    let error = error.as_database_error()?;
    mysql::code(error).or_else(|| postgres::code(error))
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
