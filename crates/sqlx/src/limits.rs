//! `Limits`: the settings of a pool with their defaults and validation: number of connections, rate of new
//! ones, times, and limits of statements.

use std::time::Duration;

use crate::LONGEST;
use crate::error::{Error, SettingError};

/// The maximum number of connections in a pool: 100,000, the maximum of a server's `max_connections`.
pub(crate) const MOST: u32 = 100_000;

/// The limits of a pool: the number of connections, the rate of new ones, times, and limits of statements.
///
/// Each has a method of the same name that sets it:
///
/// ```
/// use std::time::Duration;
/// use rds_iam_sqlx::Limits;
///
/// let limits = Limits::default().max_connections(20).acquire_timeout(Duration::from_secs(2));
/// assert_eq!(limits.max_connections, 20);
/// limits.validate()?;
/// # Ok::<(), rds_iam_sqlx::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most connections open at once, 1 to 100,000. Default: 10.
    pub max_connections: u32,
    /// The most connections kept open that no caller uses; one that is returned above it is closed. `None` for all.
    /// Default: `None`.
    pub max_idle_connections: Option<u32>,
    /// Connections kept open and tested while the pool is idle, so that a request seldom waits for a
    /// login; `max_idle_connections` at most. Default: 2.
    pub warm_connections: u32,
    /// New connections a second, on average, after a first burst of `max_connections`. Default: 20.
    /// AWS requires fewer than 200 a second per instance, over all its clients.
    pub connects_per_second: u32,
    /// The longest wait for a connection, idle or new: of [`Pool::acquire`](crate::Pool::acquire), of a statement on the
    /// pool, and of the first connection. Default: 5 s.
    pub acquire_timeout: Duration,
    /// The longest time that opening one connection may take, attempts after a refusal included, where that is another than
    /// what is left of `acquire_timeout`. A paused cluster (Aurora Serverless) takes about 15 s to resume: with 30 s here, a
    /// caller that has to open a connection waits for it, and `acquire_timeout` still limits how long others wait for that
    /// caller. Default: `None`.
    pub connect_timeout: Option<Duration>,
    /// The longest wait of a statement for its first result, and for each further one. On expiry the statement fails as
    /// unreachable, and its connection is closed. `None` for no limit. Default: `None`.
    pub statement_timeout: Option<Duration>,
    /// Prepared statements kept per connection, on both sides. 0: none; of PostgreSQL the last one. Default: 100.
    pub statement_cache: usize,
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
            max_idle_connections: None,
            warm_connections: 2,
            connects_per_second: 20,
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: None,
            statement_timeout: None,
            statement_cache: 100,
            max_lifetime: Duration::from_secs(30 * 60),
            idle_timeout: Duration::from_secs(10 * 60),
        }
    }
}

/// Defines for each field a method that sets it.
macro_rules! setters {
    ($($field:ident: $type:ty),*; $($option:ident: $inner:ty),*) => {
        impl Limits {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
                #[must_use]
                pub fn $field(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
            $(
                #[doc = concat!("Sets [`", stringify!($option), "`](Self#structfield.", stringify!($option), ").")]
                #[must_use]
                pub fn $option(mut self, $option: $inner) -> Self {
                    self.$option = Some($option);
                    self
                }
            )*
        }
    };
}

setters! {
    max_connections: u32,
    warm_connections: u32,
    connects_per_second: u32,
    acquire_timeout: Duration,
    statement_cache: usize,
    max_lifetime: Duration,
    idle_timeout: Duration;
    connect_timeout: Duration,
    max_idle_connections: u32,
    statement_timeout: Duration
}

impl Limits {
    /// Validates these limits: `max_connections` from 1 to 100,000, `max_idle_connections` not above it, at least one
    /// `connects_per_second`, each time more than zero and 30 days at most. More `warm_connections` than the idle ones
    /// permitted count as that many.
    ///
    /// # Errors
    /// Returns [`Error::Settings`] with all invalid limits.
    pub fn validate(&self) -> Result<(), Error> {
        Error::of_settings(self.errors())
    }

    pub(crate) fn errors(&self) -> Vec<SettingError> {
        let mut errors = Vec::new();
        let mut wrong = |setting, cause: String| errors.push(SettingError::new(setting, cause));
        if !(1..=MOST).contains(&self.max_connections) {
            wrong("max_connections", format!("{} is out of range: choose 1 to 100000", self.max_connections));
        }
        if let Some(idle) = self.max_idle_connections.filter(|idle| *idle > self.max_connections) {
            let most = self.max_connections;
            wrong("max_idle_connections", format!("{idle} is more than max_connections: choose 0 to {most}"));
        }
        if self.connects_per_second == 0 {
            wrong("connects_per_second", "0 permits no connection: choose 1 or more".into());
        }
        for (setting, time) in [
            ("acquire_timeout", Some(self.acquire_timeout)),
            ("connect_timeout", self.connect_timeout),
            ("statement_timeout", self.statement_timeout),
            ("max_lifetime", Some(self.max_lifetime)),
            ("idle_timeout", Some(self.idle_timeout)),
        ] {
            if let Some(time) = time.filter(|time| time.is_zero() || *time > LONGEST) {
                let seconds = time.as_secs();
                wrong(
                    setting,
                    format!("{seconds} s is out of range: choose more than 0 and at most 30 days"),
                );
            }
        }
        errors
    }

    /// Returns the longest wait for the first connection.
    pub(crate) fn first_connection(&self) -> Duration {
        self.connect_timeout.unwrap_or(self.acquire_timeout)
    }

    /// Returns the number of connections to keep warm.
    pub(crate) fn warm(&self) -> u32 {
        self.warm_connections.min(self.max_idle())
    }

    /// Returns the most idle connections.
    pub(crate) fn max_idle(&self) -> u32 {
        self.max_idle_connections.unwrap_or(self.max_connections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_leave_no_working_pool_are_refused() {
        Limits::default().validate().unwrap();
        Limits::default().max_connections(MOST).acquire_timeout(LONGEST).validate().unwrap();
        Limits::default().max_connections(3).max_idle_connections(0).warm_connections(2).validate().unwrap();
        let default = Limits::default;
        for (setting, limits) in [
            ("max_connections", default().max_connections(0)),
            ("max_connections", default().max_connections(u32::MAX)),
            ("max_idle_connections", default().max_idle_connections(11)),
            ("connects_per_second", default().connects_per_second(0)),
            ("acquire_timeout", default().acquire_timeout(Duration::ZERO)),
            ("acquire_timeout", default().acquire_timeout(Duration::MAX)),
            ("connect_timeout", default().connect_timeout(Duration::ZERO)),
            ("connect_timeout", default().connect_timeout(Duration::MAX)),
            ("statement_timeout", default().statement_timeout(Duration::ZERO)),
            ("max_lifetime", default().max_lifetime(Duration::MAX)),
            ("max_lifetime", default().max_lifetime(Duration::ZERO)),
            ("idle_timeout", default().idle_timeout(Duration::MAX)),
        ] {
            let error = limits.validate().unwrap_err();
            assert!(error.to_string().contains(&format!(": {setting}: ")), "{error}");
            assert_eq!(error.kind(), rds_iam_token::ErrorKind::Configuration);
        }
        let all = default().max_connections(0).idle_timeout(Duration::ZERO).validate().unwrap_err();
        assert!(
            all.to_string().contains(" max_connections: ") && all.to_string().contains(" idle_timeout: "),
            "{all}"
        );
    }
}
