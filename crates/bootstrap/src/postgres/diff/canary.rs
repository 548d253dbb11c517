//! The role of the test of the master user's login, which a server that stopped meanwhile has left.

use super::Comparison;
use crate::plan::{Actor, Step};
use crate::postgres::{CANARY, Change, IAM_ROLE, Warning};

impl Comparison<'_> {
    /// Drops the role if it is as a run creates it, and warns of it otherwise.
    pub(super) fn canary(&mut self) {
        let observed = self.observed;
        let Some(canary) = &observed.canary else { return };
        let mut memberships = observed.memberships.values().flatten();
        let may_drop = |master: &String| {
            !observed.version.has_membership_options()
                || observed.memberships(master, CANARY).iter().any(|grant| grant.admin)
        };
        let reason = if observed.roles.get(CANARY).is_some_and(|role| role.can_login) {
            "it may log in"
        } else if canary.has_objects {
            "it owns objects or has privileges on some"
        } else if observed.memberships_of(CANARY).any(|grant| grant.role != IAM_ROLE) {
            "it is a member of roles other than rds_iam"
        } else if memberships.any(|grant| grant.role == CANARY && !grant.is_creator) {
            "it has members"
        } else if !observed.masters.iter().any(may_drop) {
            "another user created it, and only a user with ADMIN on it can drop it"
        } else {
            return self.push(Step::Admin, Actor::Master, Change::DropCanary);
        };
        self.diff.warnings.push(Warning::CanaryStays { reason });
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::Forecast;
    use crate::postgres::fixture::{
        SIMPLE, V15, V18, complete, corrections, declared, fresh, membership, role,
    };
    use crate::postgres::{CANARY, Canary, IAM_ROLE, Membership, Observed, ObservedRole, Version, diff};

    /// Returns a server that matches the declaration, except for the role of a test.
    fn left(version: Version) -> Observed {
        with_canary(complete(&declared(SIMPLE), &fresh(version)))
    }

    fn with_canary(mut observed: Observed) -> Observed {
        observed.roles.insert(CANARY.into(), ObservedRole { can_login: false, ..role() });
        observed.canary = Some(Canary { has_objects: false });
        observed.add_membership(membership(CANARY, IAM_ROLE, "postgres"));
        if observed.version.has_membership_options() {
            let creator = membership("postgres", CANARY, "rdsadmin");
            observed.add_membership(Membership {
                admin: true,
                inherit: false,
                set: false,
                is_creator: true,
                ..creator
            });
        }
        observed
    }

    #[test]
    fn a_role_that_was_left_is_dropped_once() {
        let simple = declared(SIMPLE);
        for version in [V15, V18] {
            let observed = left(version);
            let statement = "Master: DROP ROLE IF EXISTS \"rds_iam_bootstrap_canary\"";
            assert_eq!(corrections(&simple, &observed), statement);
            let found = diff(&simple, &observed).unwrap();
            assert_eq!(
                found.changes[0].change.to_string(),
                "drop role rds_iam_bootstrap_canary: left by a server that stopped during the test"
            );
            assert_eq!(found.warnings, []);
            // Before any other change, also of a first run.
            let first = corrections(&simple, &with_canary(fresh(version)));
            assert!(first.starts_with(&format!("{statement}\nMaster: CREATE ROLE \"iam_admin\"")), "{first}");
        }
    }

    /// Another run makes the test: the role is there, and will be dropped.
    #[test]
    fn the_role_of_a_test_that_runs_is_no_difference() {
        let observed = Observed { canary: None, ..left(V18) };
        let found = diff(&declared(SIMPLE), &observed).unwrap();
        assert_eq!((found.changes, found.warnings), (vec![], vec![]));
    }

    /// The master user logged in as a member of the role: its memberships are in the forecast before the changes only.
    #[test]
    fn the_forecast_ends_with_the_role() {
        let mut observed = left(V18);
        // Another role created the admin.
        observed.memberships.remove(&("postgres".into(), "iam_admin".into()));
        let found = diff(&declared(SIMPLE), &observed).unwrap();
        let path = ["postgres", CANARY, IAM_ROLE].map(str::to_owned).to_vec();
        assert_eq!((found.path_before, found.path_after), (Forecast::CreatorEdge { path }, Forecast::None));
    }

    #[test]
    fn a_role_that_a_run_did_not_create_is_left() {
        let change = |change: &dyn Fn(&mut Observed)| {
            let mut observed = left(V18);
            change(&mut observed);
            observed
        };
        for (observed, reason) in [
            (change(&|observed| observed.roles.get_mut(CANARY).unwrap().can_login = true), "it may log in"),
            (
                change(&|observed| observed.canary = Some(Canary { has_objects: true })),
                "it owns objects or has privileges on some",
            ),
            (
                change(&|observed| observed.add_membership(membership(CANARY, "group", "postgres"))),
                "it is a member of roles other than rds_iam",
            ),
            (
                change(&|observed| observed.add_membership(membership("other", CANARY, "postgres"))),
                "it has members",
            ),
            (
                change(&|observed| {
                    observed.memberships.remove(&("postgres".into(), CANARY.into()));
                }),
                "another user created it, and only a user with ADMIN on it can drop it",
            ),
        ] {
            let found = diff(&declared(SIMPLE), &observed).unwrap();
            assert_eq!(found.changes, [], "{reason}");
            let warning = found.warnings[0].to_string();
            let expected = format!("the role rds_iam_bootstrap_canary is left, because {reason}; ");
            assert!(warning.starts_with(&expected), "{warning}");
        }
    }
}
