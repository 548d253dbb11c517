//! The codes of PostgreSQL's errors.

use rds_iam_token::ServerCode;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// Returns the SQLSTATE of an error of PostgreSQL.
pub(super) fn code(error: &(dyn DatabaseError + 'static)) -> Option<ServerCode> {
    ServerCode::from_sqlstate(error.try_downcast_ref::<PgDatabaseError>()?.code())
}
