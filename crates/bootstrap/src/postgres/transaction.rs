//! The guarded transaction: changes of roles are committed only if the master user can still log in by password.
//! Memberships are transactional, so that the check sees those that are not committed yet.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::catalog_sql::{MEMBERSHIPS_15, MEMBERSHIPS_16};
use super::names::{identifier, literal};
use super::{IAM_ROLE, Memberships, Version};
use crate::answer::answer;
use crate::plan::Forecast;

/// The condition under which a membership is nothing but what the creation of a role made.
const IS_CREATOR: &str = "(m.admin_option AND NOT m.inherit_option AND NOT m.set_option AND m.grantor = 10)";

/// What the check after the changes assumes.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) master: String,
    pub(super) version: Version,
    /// Whether memberships that only the creation of a role made count. They do unless a login has shown the contrary.
    pub(super) creators_count: bool,
}

/// The outcome of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The changes were made.
    Committed,
    /// The changes would have locked the master user out, by this path of roles, and were not made.
    LockOut(Vec<String>),
}

impl Guard {
    /// Runs statements, checks the master user's memberships, and commits or rolls back. A connection that ends before
    /// has changed nothing.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        statements: &[String],
    ) -> Result<Outcome, sqlx::Error> {
        let sql = format!("BEGIN; {}; {}", statements.join("; "), self.check());
        let checked = self.changed(connection, sql).await;
        let end = if matches!(checked, Ok(Outcome::Committed)) { "COMMIT" } else { "ROLLBACK" };
        let ended = answer(sqlx::raw_sql(end).execute(connection)).await;
        let outcome = checked?;
        ended?;
        Ok(outcome)
    }

    async fn changed(&self, connection: &mut PgConnection, sql: String) -> Result<Outcome, sqlx::Error> {
        let rows = answer(sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *connection)).await?;
        let row = rows.last().ok_or(sqlx::Error::RowNotFound)?;
        let (is_reached, is_member): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
        if is_reached || is_member {
            return Ok(Outcome::LockOut(self.path(connection).await?));
        }
        Ok(Outcome::Committed)
    }

    /// Returns the query whether the master user is a member of `rds_iam` by memberships that count.
    fn check(&self) -> String {
        let counts = if self.creators_count || !self.version.has_membership_options() {
            "true".to_owned()
        } else {
            format!("NOT {IS_CREATOR}")
        };
        let (master, iam) = (literal(&identifier(&self.master)), literal(IAM_ROLE));
        // The function counts every membership. It reads them all, again after each change of one.
        let is_member = if self.creators_count {
            format!("pg_has_role({master}::regrole, {iam}::regrole, 'MEMBER')")
        } else {
            "false".to_owned()
        };
        format!(
            "WITH RECURSIVE reached(role) AS (SELECT m.roleid FROM pg_auth_members m \
             WHERE m.member = {master}::regrole AND {counts} \
             UNION SELECT m.roleid FROM pg_auth_members m JOIN reached r ON m.member = r.role WHERE {counts}) \
             SELECT EXISTS (SELECT FROM reached WHERE role = {iam}::regrole), {is_member}"
        )
    }

    /// Returns the path for the message, from the memberships that the transaction sees.
    async fn path(&self, connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
        let sql = if self.version.has_membership_options() { MEMBERSHIPS_16 } else { MEMBERSHIPS_15 };
        let rows = answer(sqlx::raw_sql(sql).fetch_all(connection)).await?;
        let mut memberships = Memberships::default();
        for row in rows {
            let (member, role): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            memberships.add(&member, &role, row.try_get(6)?);
        }
        Ok(match memberships.forecast(&self.master) {
            Forecast::LockOut { path } | Forecast::CreatorEdge { path } => path,
            Forecast::None => vec![self.master.clone(), IAM_ROLE.to_owned()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_counts_what_it_must() {
        let guard = |version, creators_count| Guard {
            master: "post\"gres'".into(),
            version: Version::new(version),
            creators_count,
        };
        let (old, new) = (guard(150_018, false).check(), guard(180_006, false).check());
        assert!(!old.contains("inherit_option"), "15 has no such column: {old}");
        assert!(new.contains("NOT m.inherit_option"), "{new}");
        assert!(!guard(180_006, true).check().contains("inherit_option"));
        assert!(new.contains("'\"post\"\"gres''\"'::regrole"), "{new}");
    }
}
