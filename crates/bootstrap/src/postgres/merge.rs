//! The statements of one transaction. Equal grants to several roles are one statement: since PostgreSQL 16 the server
//! reads an admin's memberships again after each statement that changes one, and each statement that changes an object's
//! privileges writes all of them.

use super::names::identifier;
use crate::plan::{Action, ActionKind};

/// Returns the statements of changes, in order. Neighbours that differ in the role alone become one.
pub(super) fn statements(actions: &[Action]) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let mut last = None;
    for action in actions {
        let before = before_role(action);
        match (statements.last_mut(), before) {
            (Some(statement), Some(before)) if last == Some(before) => {
                statement.push_str(", ");
                statement.push_str(&action.sql[before.len()..]);
            }
            _ => statements.push(action.sql.clone()),
        }
        last = before;
    }
    statements
}

/// Returns what is before the role, in a statement that ends with it.
fn before_role(action: &Action) -> Option<&str> {
    let (ActionKind::UseIam | ActionKind::Grant | ActionKind::Revoke | ActionKind::RevokeRole) = action.kind
    else {
        return None;
    };
    let before = action.sql.strip_suffix(&identifier(action.account.as_deref()?))?;
    (before.ends_with(" TO ") || before.ends_with(" FROM ")).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::diff;
    use crate::postgres::fixture::{V18, complete, declared, fresh, membership, role};

    fn merged(users: &str, observed: &crate::postgres::Observed) -> String {
        let changes = diff(&declared(users), observed).unwrap().changes;
        let actions: Vec<Action> = changes.into_iter().map(Into::into).collect();
        crate::groups::groups(&actions)
            .map(|group| statements(group).join("\n"))
            .collect::<Vec<_>>()
            .join("\n\n")
    }

    const THREE: &str = r#"
        [[user]]
        name = "a"
        grant = [{ privileges = ["SELECT"] }]
        [[user]]
        name = "b"
        settings = { lock_timeout = "1s" }
        grant = [{ privileges = ["SELECT"] }, { table = "u", privileges = ["DELETE"] }]
        [[user]]
        name = "c"
        grant = [{ privileges = ["SELECT"] }]
        [schema]
        statements = ["CREATE TABLE IF NOT EXISTS t (i int); CREATE TABLE IF NOT EXISTS u (i int)"]
    "#;

    #[test]
    fn equal_grants_are_one_statement_and_each_transaction_has_all_users_of_a_batch() {
        insta::assert_snapshot!(merged(THREE, &fresh(V18)), @r#"
        CREATE ROLE "iam_admin" LOGIN CREATEROLE
        GRANT "rds_iam" TO "iam_admin"

        GRANT "rds_iam" TO "iam_admin" WITH ADMIN OPTION

        GRANT USAGE, CREATE ON SCHEMA "public" TO "iam_admin"

        CREATE TABLE IF NOT EXISTS "public"."t" (i int)

        CREATE TABLE IF NOT EXISTS "public"."u" (i int)

        CREATE ROLE "a" LOGIN
        CREATE ROLE "b" LOGIN
        CREATE ROLE "c" LOGIN
        GRANT "rds_iam" TO "a", "b", "c"
        ALTER ROLE "b" SET lock_timeout = '1s'

        GRANT USAGE ON SCHEMA "public" TO "a", "b", "c"

        GRANT SELECT ON TABLE "public"."t" TO "a", "b", "c"
        GRANT SELECT ON TABLE "public"."u" TO "a", "c"
        GRANT SELECT, DELETE ON TABLE "public"."u" TO "b"
        ALTER DEFAULT PRIVILEGES FOR ROLE "iam_admin" IN SCHEMA "public" GRANT SELECT ON TABLES TO "a", "b", "c"
        "#);
    }

    #[test]
    fn revocations_too() {
        let mut observed = complete(&declared(THREE), &fresh(V18));
        observed.roles.insert("r".into(), role());
        for user in ["a", "c"] {
            observed.add_membership(membership(user, "r", "postgres"));
        }
        let none = THREE.replace("grant = [{ privileges = [\"SELECT\"] }]", "");
        insta::assert_snapshot!(merged(&none, &observed), @r#"
        REVOKE "r" FROM "a", "c"

        REVOKE USAGE ON SCHEMA "public" FROM "a", "c"

        REVOKE SELECT ON TABLE "public"."t" FROM "a", "c"
        REVOKE SELECT ON TABLE "public"."u" FROM "a", "c"
        ALTER DEFAULT PRIVILEGES FOR ROLE "iam_admin" IN SCHEMA "public" REVOKE SELECT ON TABLES FROM "a", "c"
        "#);
    }

    /// A run that is ended in between leaves no password that a later run would not know of.
    #[test]
    fn a_role_that_exists_is_followed_by_the_end_of_its_password() {
        let mut observed = complete(&declared(THREE), &fresh(V18));
        observed
            .memberships
            .retain(|(member, role), _| role != "rds_iam" || !["b", "c"].contains(&member.as_str()));
        let merged = merged(THREE, &observed);
        let lines: Vec<_> =
            merged.lines().filter(|line| line.contains("rds_iam") || line.contains("PASSWORD")).collect();
        assert_eq!(
            lines,
            [
                r#"GRANT "rds_iam" TO "b""#,
                r#"ALTER ROLE "b" PASSWORD NULL"#,
                r#"GRANT "rds_iam" TO "c""#,
                r#"ALTER ROLE "c" PASSWORD NULL"#,
            ]
        );
    }

    #[test]
    fn a_batch_has_a_hundred_users() {
        let users: String = (0..250).map(|n| format!("[[user]]\nname = \"user_{n:03}\"\n")).collect();
        let observed = complete(&declared("[[user]]\nname = \"user_000\"\n"), &fresh(V18));
        let merged = merged(&users, &observed);
        let grants: Vec<_> = merged.lines().filter(|line| line.starts_with("GRANT")).collect();
        assert_eq!(grants.iter().map(|grant| grant.split(", ").count()).collect::<Vec<_>>(), [99, 100, 50]);
        assert!(grants[1].starts_with("GRANT \"rds_iam\" TO \"user_100\", \"user_101\","), "{}", grants[1]);
        assert_eq!(merged.split("\n\n").count(), 3);
    }
}
