//! Conversions between `Error` and sqlx's error: for code that returns sqlx's, and for getting ours back out of it.

use std::io;

use rds_iam_token::ErrorKind;

use super::{Error, classify};

impl From<sqlx::Error> for Error {
    /// Returns the pool's error that sqlx's contains, or else that of a statement.
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(io) if classify::of_pool(&io).is_some() => {
                let inner = io.into_inner().and_then(|inner| inner.downcast::<Self>().ok());
                *inner.expect("it was checked")
            }
            source => Self::Statement { subject: None, kind: classify::kind(&source), source },
        }
    }
}

impl From<Error> for sqlx::Error {
    /// Returns the driver's error of a statement, `PoolClosed` of a closed pool, and else an I/O error that contains the
    /// pool's.
    fn from(error: Error) -> Self {
        match error {
            Error::Statement { source, .. } | Error::Connect { source: source @ Self::PoolClosed, .. } => {
                source
            }
            error => Self::Io(io::Error::new(io_kind(&error), error)),
        }
    }
}

fn io_kind(error: &Error) -> io::ErrorKind {
    match (error, error.kind()) {
        (Error::TimedOut { .. }, _) => io::ErrorKind::TimedOut,
        (Error::Connect { source: sqlx::Error::Io(source), .. }, _) => source.kind(),
        (_, ErrorKind::Denied | ErrorKind::Credentials) => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Subject;
    use super::*;

    fn timed_out() -> Error {
        let endpoint: rds_iam_token::Endpoint = "db.example.com:3306".parse().unwrap();
        let subject = Subject {
            user: "app".parse().unwrap(),
            endpoint: endpoint.clone(),
            dial: endpoint,
            database: None,
        };
        let waited = Duration::from_secs(5);
        Error::TimedOut { subject: subject.into(), waited, in_use: 10, max: 10, saturated: true }
    }

    #[test]
    fn a_pool_s_error_survives_the_way_through_sqlx_s() {
        let through = sqlx::Error::from(timed_out());
        assert_eq!(classify::kind(&through), ErrorKind::Throttled);
        let error = Error::from(through);
        assert!(matches!(error, Error::TimedOut { saturated: true, in_use: 10, .. }), "{error:?}");
        assert_eq!(error.subject().unwrap().user.as_str(), "app");
    }

    #[test]
    fn a_driver_s_error_stays_itself() {
        let error = Error::from(sqlx::Error::RowNotFound);
        assert!(matches!(error, Error::Statement { subject: None, kind: ErrorKind::Other, .. }), "{error:?}");
        assert!(matches!(sqlx::Error::from(error), sqlx::Error::RowNotFound));
        let io = sqlx::Error::Io(io::ErrorKind::ConnectionReset.into());
        assert_eq!(Error::from(io).kind(), ErrorKind::Unreachable);
    }
}
