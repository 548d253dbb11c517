//! The login that a token is signed for: an endpoint, its region, and a database user.

use crate::{DbUser, Endpoint, Region};

/// The endpoint, region and user that a token names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Login {
    /// The endpoint *that the database has on AWS*, never a CNAME or the local end of a tunnel.
    pub endpoint: Endpoint,
    /// The endpoint's own region.
    pub region: Region,
    /// The database user to log in as.
    pub user: DbUser,
}

impl Login {
    /// Creates a login of `user` at `endpoint`, which is in `region`.
    #[must_use]
    pub fn new(endpoint: Endpoint, region: Region, user: DbUser) -> Self {
        Self { endpoint, region, user }
    }
}
