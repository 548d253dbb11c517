//! Whether the master user can still log in by password: its paths to the role `rds_iam`, and the forecast of a plan.
//! Pure.
//!
//! The server lets members of `rds_iam` log in by token only, and counts every membership, direct or through other
//! roles, whatever its options INHERIT and SET. A master user with a path is locked out of its password.
//!
//! Since PostgreSQL 16 the creator of a role is a member of it, with ADMIN and neither INHERIT nor SET. Whether RDS counts
//! that membership is not documented. A path that contains one is therefore of a kind that only a test decides.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::IAM_ROLE;
use crate::plan::Forecast;

/// A membership: `member` is a member of `role`. Several grants of the same membership are one edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    /// The member.
    pub(crate) member: String,
    /// The role.
    pub(crate) role: String,
    /// Whether it is nothing but the membership that the creation of the role made.
    pub(crate) is_creator: bool,
}

/// The memberships of a server. Pure data, so that a plan's effect can be calculated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memberships(BTreeMap<(String, String), bool>);

impl Memberships {
    /// Adds a membership. One that is not the creator's prevails over one that is.
    pub(crate) fn add(&mut self, member: &str, role: &str, is_creator: bool) {
        let key = (member.to_owned(), role.to_owned());
        self.0.entry(key).and_modify(|creator| *creator &= is_creator).or_insert(is_creator);
    }

    /// Removes a membership.
    pub(crate) fn remove(&mut self, member: &str, role: &str) {
        self.0.remove(&(member.to_owned(), role.to_owned()));
    }

    /// Removes a role with all its memberships.
    pub(crate) fn remove_role(&mut self, name: &str) {
        self.0.retain(|(member, role), _| member != name && role != name);
    }

    /// Returns the master user's path to `rds_iam`.
    #[must_use]
    pub(crate) fn forecast(&self, master: &str) -> Forecast {
        if let Some(path) = self.path(master, false) {
            return Forecast::LockOut { path };
        }
        match self.path(master, true) {
            Some(path) => Forecast::CreatorEdge { path },
            None => Forecast::None,
        }
    }

    /// Returns the members of `rds_iam`, each with the role that a shortest path leads to next: the server lets them log in
    /// by token only. Memberships that only the creation of a role made don't count here.
    pub(crate) fn members(&self) -> BTreeMap<String, String> {
        let mut members_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for ((member, role), _) in self.0.iter().filter(|(_, is_creator)| !**is_creator) {
            members_of.entry(role).or_default().push(member);
        }
        let mut found = BTreeMap::new();
        let mut queue = VecDeque::from([IAM_ROLE]);
        while let Some(role) = queue.pop_front() {
            for member in members_of.get(role).into_iter().flatten().copied() {
                if member != IAM_ROLE && !found.contains_key(member) {
                    found.insert(member.to_owned(), role.to_owned());
                    queue.push_back(member);
                }
            }
        }
        found
    }

    /// Returns a shortest path from a role to `rds_iam`.
    fn path(&self, from: &str, through_creators: bool) -> Option<Vec<String>> {
        let mut roles: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for ((member, role), is_creator) in &self.0 {
            if through_creators || !is_creator {
                roles.entry(member).or_default().push(role);
            }
        }
        let mut queue = VecDeque::from([vec![from]]);
        let mut visited = BTreeSet::from([from]);
        while let Some(path) = queue.pop_front() {
            let last = path.last().copied().unwrap_or(from);
            if last == IAM_ROLE {
                return Some(path.into_iter().map(str::to_owned).collect());
            }
            for role in roles.get(last).into_iter().flatten().copied() {
                if visited.insert(role) {
                    queue.push_back(path.iter().copied().chain([role]).collect());
                }
            }
        }
        None
    }
}

impl FromIterator<Edge> for Memberships {
    fn from_iter<I: IntoIterator<Item = Edge>>(edges: I) -> Self {
        let mut memberships = Self::default();
        for edge in edges {
            memberships.add(&edge.member, &edge.role, edge.is_creator);
        }
        memberships
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `member > role` as a membership, and `member ~ role` as the creator's.
    fn forecast(edges: &str) -> String {
        let edge = |text: &str| {
            let is_creator = text.contains('~');
            let (member, role) = text.split_once(if is_creator { " ~ " } else { " > " }).unwrap();
            Edge { member: member.trim().into(), role: role.trim().into(), is_creator }
        };
        let edges = edges.split(';').filter(|text| !text.trim().is_empty()).map(edge);
        match edges.collect::<Memberships>().forecast("postgres") {
            Forecast::None => "none".into(),
            Forecast::CreatorEdge { path } => format!("creator: {}", path.join(" > ")),
            Forecast::LockOut { path } => format!("locked out: {}", path.join(" > ")),
        }
    }

    /// Each row of the tables of states that were tried on real servers, as the memberships that its statements make.
    #[test]
    fn every_state_that_locks_the_master_out() {
        for (statements, edges, expected) in [
            ("GRANT rds_iam TO postgres", "postgres > rds_iam", "locked out: postgres > rds_iam"),
            (
                "GRANT rds_iam TO app; GRANT app TO postgres",
                "app > rds_iam; postgres > app",
                "locked out: postgres > app > rds_iam",
            ),
            (
                "CREATE ROLE app LOGIN ADMIN postgres (or ROLE postgres); GRANT rds_iam TO app",
                "postgres > app; app > rds_iam",
                "locked out: postgres > app > rds_iam",
            ),
            (
                "GRANT rds_iam TO grp; GRANT grp TO postgres",
                "grp > rds_iam; postgres > grp",
                "locked out: postgres > grp > rds_iam",
            ),
            (
                "16: CREATE USER app by the master; GRANT rds_iam TO app",
                "postgres ~ app; app > rds_iam",
                "creator: postgres > app > rds_iam",
            ),
            (
                "16: the same with createrole_self_grant = 'set, inherit'",
                "postgres ~ app; postgres > app; app > rds_iam",
                "locked out: postgres > app > rds_iam",
            ),
            (
                "16: GRANT app TO postgres WITH INHERIT FALSE, SET FALSE (app made by another role)",
                "app > rds_iam; other ~ app; postgres > app",
                "locked out: postgres > app > rds_iam",
            ),
            (
                "the path through two roles; the shortest is shown",
                "postgres > b; b > grp; grp > rds_iam; postgres > a; a > b",
                "locked out: postgres > b > grp > rds_iam",
            ),
            (
                "a path with a creator's membership beside one without",
                "postgres ~ app; app > rds_iam; postgres > x; x > y; y > rds_iam",
                "locked out: postgres > x > y > rds_iam",
            ),
            (
                "what bootstrap itself makes on 16 and later",
                "postgres ~ iam_admin; iam_admin > rds_iam; iam_admin ~ app; app > rds_iam",
                "creator: postgres > iam_admin > rds_iam",
            ),
        ] {
            assert_eq!(forecast(edges), expected, "{statements}");
        }
    }

    #[test]
    fn every_state_that_does_not() {
        for (statements, edges) in [
            ("15: CREATE ROLE app LOGIN; GRANT rds_iam TO app", "app > rds_iam"),
            ("GRANT app TO postgres; …; REVOKE app FROM postgres", "app > rds_iam"),
            ("16: made by another role: GRANT rds_iam TO app", "other ~ app; app > rds_iam"),
            ("16: the creator's membership is revoked", "app > rds_iam"),
            ("the master is a member of a role without rds_iam", "postgres > rds_superuser; app > rds_iam"),
            ("a member of the master", "app > postgres; app > rds_iam"),
            ("DROP ROLE app", ""),
        ] {
            assert_eq!(forecast(edges), "none", "{statements}");
        }
    }

    #[test]
    fn members_through_any_path() {
        let mut memberships = Memberships::default();
        for (member, role, is_creator) in [
            ("app", IAM_ROLE, false),
            ("grp", "app", false),
            ("legacy", "grp", false),
            ("legacy", "other", false),
            ("creator", "app", true),
            ("app", "grp", false),
        ] {
            memberships.add(member, role, is_creator);
        }
        let expected = [("app", IAM_ROLE), ("grp", "app"), ("legacy", "grp")];
        assert_eq!(
            memberships.members(),
            expected.map(|(member, role)| (member.to_owned(), role.to_owned())).into()
        );
    }

    #[test]
    fn a_membership_can_be_removed() {
        let mut memberships = Memberships::default();
        memberships.add("postgres", IAM_ROLE, false);
        memberships.remove("postgres", IAM_ROLE);
        assert_eq!(memberships.forecast("postgres"), Forecast::None);
        memberships.add("postgres", "app", true);
        memberships.add("app", IAM_ROLE, false);
        memberships.remove_role("app");
        assert_eq!(memberships, Memberships::default());
    }
}
