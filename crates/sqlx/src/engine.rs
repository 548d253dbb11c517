//! `Engine`: a database engine that pools can be of. All that differs between engines is in its private half, `Driver`.

use sqlx::{Database, Either};

use crate::error::SettingError;

/// A database engine: MySQL ([`sqlx::MySql`]) or PostgreSQL ([`sqlx::Postgres`]).
///
/// The trait is sealed: another engine is another file of this crate.
pub trait Engine: driver::Driver {}

/// What a statement yields: the result of each statement, and its rows before that.
pub(crate) type Step<DB> = Either<<DB as Database>::QueryResult, <DB as Database>::Row>;

/// Returns the error of each variable of the environment that the driver would use and no option overrides.
pub(crate) fn unusable_variables<DB: Engine>(
    is_set: impl Fn(&str) -> bool,
) -> impl Iterator<Item = SettingError> {
    DB::UNUSABLE_VARIABLES.iter().filter(move |name| is_set(name)).map(|name| {
        let cause = format!("{name} is set, and the driver would use it: unset it for this program");
        SettingError::new("environment", cause)
    })
}

/// The driver's connect options.
pub(crate) type OptionsOf<DB> = <<DB as Database>::Connection as sqlx::Connection>::Options;

pub(crate) mod driver {
    use std::path::Path;

    use futures_core::future::BoxFuture;
    use futures_core::stream::BoxStream;
    use rds_iam_token::{DbUser, Endpoint};
    use sqlx::{Database, Execute, SqlStr};

    use super::{OptionsOf, Step};
    use crate::credential::Credential;

    /// The way to a server, and the login there.
    #[expect(unnameable_types, reason = "private, so that the trait is sealed")]
    pub struct Route<'a> {
        pub(crate) endpoint: &'a Endpoint,
        /// The socket of the relay to the address that is dialled. `None`: the driver dials the endpoint itself.
        pub(crate) socket: Option<&'a Path>,
        pub(crate) roots_pem: &'a [u8],
        pub(crate) user: &'a DbUser,
        pub(crate) credential: &'a Credential<'a>,
        pub(crate) database: Option<&'a str>,
        /// Prepared statements to keep.
        pub(crate) statement_cache: usize,
    }

    /// What differs between engines. Options print the password in `Debug`: they must not leave this crate.
    #[expect(unnameable_types, reason = "private, so that the trait is sealed")]
    pub trait Driver: Database {
        /// The port of a server that names none.
        const DEFAULT_PORT: u16;

        /// Whether a refused write proves that the server is a reader, as opposed to a transaction that may only read.
        const REFUSED_WRITE_IS_PROOF: bool;

        /// Whether sqlx's pool tries some refused logins of this driver again by itself, until its time is over.
        const RETRIES_REFUSED_LOGINS: bool;

        /// Variables of the environment that the driver reads and that no option overrides.
        const UNUSABLE_VARIABLES: &'static [&'static str];

        /// Returns the file that the driver adds to the path of a socket, if it does.
        fn socket_file(port: u16) -> Option<String>;

        /// Returns options that verify the endpoint's name and accept no weaker connection.
        fn options(route: &Route<'_>) -> OptionsOf<Self>;

        /// Queries whether the server refuses writes.
        fn is_read_only(
            connection: &mut Self::Connection,
        ) -> impl Future<Output = sqlx::Result<bool>> + Send + '_;

        /// Rolls back, and has the server repeat a number. Returns whether it did: then the connection has no transaction, and
        /// what is read next is the answer to what is sent next.
        fn is_in_step(
            connection: &mut Self::Connection,
            number: i64,
        ) -> impl Future<Output = sqlx::Result<bool>> + Send + '_;

        // The driver's own executor: a trait can't imply the bound `&mut Self::Connection: Executor`.

        fn fetch_many<'e, 'q: 'e, E>(
            connection: &'e mut Self::Connection,
            query: E,
        ) -> BoxStream<'e, sqlx::Result<Step<Self>>>
        where
            E: 'q + Execute<'q, Self>;

        fn prepare_with<'e>(
            connection: &'e mut Self::Connection,
            sql: SqlStr,
            parameters: &'e [Self::TypeInfo],
        ) -> BoxFuture<'e, sqlx::Result<Self::Statement>>;

        fn describe<'e>(
            connection: &'e mut Self::Connection,
            sql: SqlStr,
        ) -> BoxFuture<'e, sqlx::Result<sqlx::Describe<Self>>>;
    }
}
