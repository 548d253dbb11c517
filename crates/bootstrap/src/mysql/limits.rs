//! Limits on an account's logins and statements, and the SQL options that remove them. An account that had a
//! password may have such limits; they stop logins by token and can't be declared.

use std::fmt;

/// The limits of an account; zero is no limit. Other attributes have no effect on an account that logs in by IAM: the
/// switch ends an expired password, a second password and the history of passwords, and the server neither checks nor
/// changes the password's lifetime for this plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `FAILED_LOGIN_ATTEMPTS`: the number of refused logins in a row that block the account. A refused token counts.
    pub(crate) failed_login_attempts: i64,
    /// `PASSWORD_LOCK_TIME`: the days that the account stays blocked; -1 is until it is unlocked.
    pub(crate) password_lock_days: i64,
    /// `MAX_QUERIES_PER_HOUR`
    pub(crate) queries_per_hour: u32,
    /// `MAX_UPDATES_PER_HOUR`
    pub(crate) updates_per_hour: u32,
    /// `MAX_CONNECTIONS_PER_HOUR`
    pub(crate) connections_per_hour: u32,
    /// `MAX_USER_CONNECTIONS`
    pub(crate) connections: u32,
}

impl Limits {
    /// Returns whether there are no limits.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn resources(&self) -> Vec<(&'static str, u32)> {
        let all = [
            ("MAX_QUERIES_PER_HOUR", self.queries_per_hour),
            ("MAX_UPDATES_PER_HOUR", self.updates_per_hour),
            ("MAX_CONNECTIONS_PER_HOUR", self.connections_per_hour),
            ("MAX_USER_CONNECTIONS", self.connections),
        ];
        all.into_iter().filter(|(_, limit)| *limit != 0).collect()
    }

    fn blocks(&self) -> bool {
        self.failed_login_attempts != 0 || self.password_lock_days != 0
    }

    /// Returns the options of `ALTER USER` that remove the limits.
    pub(super) fn lifted(&self) -> String {
        let mut options = Vec::new();
        let resources = self.resources();
        if !resources.is_empty() {
            let each: Vec<_> = resources.iter().map(|(name, _)| format!("{name} 0")).collect();
            options.push(format!("WITH {}", each.join(" ")));
        }
        if self.blocks() {
            options.push("FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0".to_owned());
        }
        options.join(" ")
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut each: Vec<_> =
            self.resources().iter().map(|(name, limit)| format!("{name} {limit}")).collect();
        if self.blocks() {
            let days = match self.password_lock_days {
                -1 => "UNBOUNDED".to_owned(),
                days => days.to_string(),
            };
            each.push(format!("FAILED_LOGIN_ATTEMPTS {}", self.failed_login_attempts));
            each.push(format!("PASSWORD_LOCK_TIME {days}"));
        }
        f.write_str(&each.join(", "))
    }
}
