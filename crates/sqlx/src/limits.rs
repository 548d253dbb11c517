//! `Limits`: the settings of a pool with their defaults and validation: number of connections, rate of new
//! ones, acquire timeout, lifetime and idle time.

use std::time::Duration;

use crate::error::Error;

/// The maximum duration of a limit: 30 days. Adding it to the current time can't overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The maximum number of connections in a pool: 100,000, the maximum of a server's `max_connections`.
const MOST: u32 = 100_000;

/// The limits of a pool: the number of connections, the rate of new ones, and times.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain settings, built with struct update syntax")]
pub struct Limits {
    /// The most connections open at once. Default: 10.
    pub max_connections: u32,
    /// Connections kept open and tested while the pool is idle, so that a request seldom waits for a
    /// login. Default: 2.
    pub warm_connections: u32,
    /// New connections a second, on average, after a first burst of `max_connections`. Default: 20.
    /// AWS requires fewer than 200 a second per instance, over all its clients.
    pub connects_per_second: u32,
    /// The longest wait of [`Pool::acquire`](crate::Pool::acquire). Default: 5 s.
    pub acquire_timeout: Duration,
    /// The longest life of a connection. Connections retire at between 80 and 100 % of it, one after another.
    /// Default: 30 min.
    pub max_lifetime: Duration,
    /// The time after which an unused connection is closed. Default: 10 min.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10,
            warm_connections: 2,
            connects_per_second: 20,
            acquire_timeout: Duration::from_secs(5),
            max_lifetime: Duration::from_secs(30 * 60),
            idle_timeout: Duration::from_secs(10 * 60),
        }
    }
}

impl Limits {
    /// Validates these limits: `max_connections` from 1 to 100,000, at least one
    /// `connects_per_second`, each time more than zero and 30 days at most. More `warm_connections` than
    /// `max_connections` count as that many.
    ///
    /// # Errors
    /// Returns [`Error::Limits`] with the name of the invalid limit.
    pub fn validate(&self) -> Result<(), Error> {
        let wrong = |setting, value: String, help| Err(Error::Limits { setting, value, help });
        if !(1..=MOST).contains(&self.max_connections) {
            let value = self.max_connections.to_string();
            return wrong("max_connections", value, "choose 1 to 100000");
        }
        if self.connects_per_second == 0 {
            return wrong(
                "connects_per_second",
                "0".into(),
                "no connection could be opened; choose 1 or more",
            );
        }
        for (setting, time) in [
            ("acquire_timeout", self.acquire_timeout),
            ("max_lifetime", self.max_lifetime),
            ("idle_timeout", self.idle_timeout),
        ] {
            if time.is_zero() || time > LONGEST {
                let value = format!("{} s", time.as_secs());
                return wrong(setting, value, "choose more than 0 and at most 30 days");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_leave_no_working_pool_are_refused() {
        Limits::default().validate().unwrap();
        let most = Limits { max_connections: MOST, acquire_timeout: LONGEST, ..Limits::default() };
        most.validate().unwrap();
        let default = Limits::default;
        for (setting, limits) in [
            ("max_connections", Limits { max_connections: 0, ..default() }),
            ("max_connections", Limits { max_connections: u32::MAX, ..default() }),
            ("connects_per_second", Limits { connects_per_second: 0, ..default() }),
            ("acquire_timeout", Limits { acquire_timeout: Duration::ZERO, ..default() }),
            ("acquire_timeout", Limits { acquire_timeout: Duration::MAX, ..default() }),
            ("max_lifetime", Limits { max_lifetime: Duration::MAX, ..default() }),
            ("max_lifetime", Limits { max_lifetime: Duration::ZERO, ..default() }),
            ("idle_timeout", Limits { idle_timeout: Duration::MAX, ..default() }),
        ] {
            let error = limits.validate().unwrap_err();
            assert!(error.to_string().starts_with(&format!("the pool's limit {setting} is ")), "{error}");
            assert_eq!(error.kind(), rds_iam_token::ErrorKind::Configuration);
        }
    }
}
