//! The numbers of MySQL's errors.

use rds_iam_token::ServerCode;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

/// Returns the number of an error of MySQL.
pub(super) fn code(error: &(dyn DatabaseError + 'static)) -> Option<ServerCode> {
    Some(ServerCode::MySql(error.try_downcast_ref::<MySqlDatabaseError>()?.number()))
}
