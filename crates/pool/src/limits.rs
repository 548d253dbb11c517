//! How much a pool may do.

use std::time::Duration;

/// How many connections a pool opens, how fast, and for how long they live.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain settings, built with struct update syntax")]
pub struct Limits {
    /// The most connections open at once. Default: 10.
    pub max_connections: u32,
    /// Connections kept open and tested when nothing happens, so that a request seldom waits for a
    /// login. Default: 2.
    pub warm_connections: u32,
    /// New connections a second, on average, after a first burst of `max_connections`. Default: 20.
    /// AWS wants fewer than 200 a second per instance, over all its clients.
    pub connects_per_second: u32,
    /// How long [`Pool::acquire`](crate::Pool::acquire) waits at most. Default: 5 s.
    pub acquire_timeout: Duration,
    /// The most that a connection lives; it retires at between 80 and 100 % of it, one after another.
    /// Default: 30 min.
    pub max_lifetime: Duration,
    /// How long an unused connection stays open. Default: 10 min.
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
