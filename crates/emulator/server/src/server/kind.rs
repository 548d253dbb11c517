//! `Kind`: a kind of database server, MySQL or PostgreSQL. All that differs between their starts is in its private
//! half, `Launch`; `Root` is a connection with all rights, over the server's socket.

use sqlx::Database;

use super::Server;

/// The driver's connect options.
pub type OptionsOf<E> = <<E as Database>::Connection as sqlx::Connection>::Options;

/// A kind of database server: MySQL ([`sqlx::MySql`]) or PostgreSQL ([`sqlx::Postgres`]).
///
/// The trait is sealed: another kind is another folder of this crate.
pub trait Kind: launch::Launch + launch::SetUp {
    /// The name in labels, entries of the cache and made-up endpoints.
    const SLUG: &'static str;
    /// The port that servers of this kind listen on by default.
    const PORT: u16;
    /// The name of the master user, unless it is set.
    const MASTER: &'static str;
    /// The database of the master user where none is created; empty if a session needs none.
    const DATABASE: &'static str;

    /// Returns the options of a direct connection, without user and, on MySQL, without database. TLS verifies the
    /// certificate's authority, but not its name: sqlx would verify the address that it dials.
    fn connect_options(server: &Server<Self>) -> OptionsOf<Self>;
}

pub(crate) mod launch {
    use std::fmt::Debug;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use sqlx::Database;
    use testcontainers::bollard::Docker;

    use super::OptionsOf;
    use crate::credentials::MasterCredentials;
    use crate::error::Error;
    use crate::run_folder::RunFolder;
    use crate::server::Server;

    /// A server's image and command line, for its container.
    #[expect(unnameable_types, reason = "private, so that the trait is sealed")]
    pub struct Contained {
        pub(crate) image: &'static str,
        pub(crate) tag: String,
        /// The origin of the image, for a person.
        pub(crate) origin: String,
        /// The command that the supervising shell runs.
        pub(crate) command: Vec<String>,
        /// Files to mount beside the run folder, and their paths in the container.
        pub(crate) mounts: Vec<(PathBuf, String)>,
        /// The user in the container; `None` for its root.
        pub(crate) user: Option<u32>,
    }

    /// What differs between the starts of servers.
    #[expect(unnameable_types, reason = "private, so that the trait is sealed")]
    pub trait Launch: Database {
        /// Settings of this kind alone.
        type Settings: Clone + Debug + Default + Send + Sync + 'static;

        /// The libraries that the server loads.
        type Libraries: Send + Sync + 'static;

        /// A connection with all rights.
        type Root: Root;

        /// Returns the settings with what the environment adds.
        ///
        /// # Errors
        /// Returns [`Error::Setting`] if the environment has another value than it may.
        fn complete(settings: Self::Settings) -> Result<Self::Settings, Error>;

        /// Returns whether RDS keeps this name of a user to itself, in addition to those of all kinds.
        fn is_reserved(user: &str) -> bool;

        /// Returns the user that a child process runs as, unless it is this process's own.
        fn process_user() -> Option<u32>;

        /// Returns the environment of the server beside the control folder; `run` is the run folder's path for the
        /// server.
        fn environment(run: &Path) -> Vec<(&'static str, String)>;

        /// Returns the libraries that the server loads: found, or built now.
        fn libraries(
            settings: &Self::Settings,
        ) -> impl Future<Output = Result<Self::Libraries, Error>> + Send + '_;

        /// Prepares what a child process needs, and returns the command that the supervising shell runs.
        fn process(
            folder: &RunFolder,
            libraries: &Self::Libraries,
            settings: &Self::Settings,
            port: u16,
        ) -> impl Future<Output = Result<Vec<String>, Error>> + Send;

        /// Prepares what a container needs.
        fn container(
            docker: &Docker,
            folder: &RunFolder,
            libraries: &Self::Libraries,
            settings: &Self::Settings,
        ) -> impl Future<Output = Result<Contained, Error>> + Send;

        /// Returns whether a server of this kind answers at this port of the loopback address. An open port proves
        /// little: Docker opens it for a container, and closes the connections for as long as it does not reach the
        /// server in it.
        fn answers(port: u16) -> impl Future<Output = bool> + Send;

        /// Checks what only a running server shows; returns the problem.
        fn verify(
            root: &mut Self::Root,
            run: &Path,
        ) -> impl Future<Output = Result<Option<String>, Error>> + Send;
    }

    /// The statements of tests' set-up.
    #[expect(unnameable_types, reason = "private, so that the trait is sealed")]
    pub trait SetUp: Launch {
        /// Returns the options of a connection with a token or password.
        fn login_options(server: &Server<Self>, user: &str, secret: &str) -> OptionsOf<Self>
        where
            Self: super::Kind;

        /// Runs statements: a trait can't imply the bound `&mut Self::Connection: Executor`.
        fn run_statements(
            connection: &mut Self::Connection,
            sql: String,
        ) -> impl Future<Output = sqlx::Result<()>> + Send + '_;

        /// Returns the first column of a query's rows.
        fn numbers(
            connection: &mut Self::Connection,
            sql: String,
        ) -> impl Future<Output = sqlx::Result<Vec<i64>>> + Send + '_;

        /// Returns the name of a table of the database [`Server::database`], for the master user and for clients.
        fn table(database: &str, name: &str) -> String;

        /// Creates a user that logs in by token: see `fixtures::create_user`.
        fn create_user(
            server: &Server<Self>,
            user: &str,
            privileges: &str,
        ) -> impl Future<Output = Result<(), Error>> + Send
        where
            Self: super::Kind;

        /// Returns the statements that create the example service's tables.
        fn app_tables(database: &str) -> Vec<String>;
    }

    /// A connection with all rights, over the server's socket, which is the only access of its user.
    #[expect(unnameable_types, reason = "private, so that the trait is sealed")]
    pub trait Root: Sized + Send {
        /// Connects through the socket in the run folder; `port` is the one that the server itself listens on.
        fn connect(run: &Path, port: u16) -> impl Future<Output = sqlx::Result<Self>> + Send + '_;

        /// Returns the server's version.
        fn version(&mut self) -> impl Future<Output = Result<String, Error>> + Send;

        /// Creates the master user, with the privileges of RDS's.
        fn create_master(
            &mut self,
            master: &MasterCredentials,
        ) -> impl Future<Output = Result<(), Error>> + Send;

        /// Creates a database, unless it exists.
        fn create_database(
            &mut self,
            name: &str,
            master: &MasterCredentials,
        ) -> impl Future<Output = Result<(), Error>> + Send;

        /// Rejects writes, or accepts them again.
        fn set_read_only(&mut self, read_only: bool) -> impl Future<Output = Result<(), Error>> + Send;

        /// Cuts the connections of all current clients, waits until they are gone, and returns their number.
        fn cut_connections(&mut self, within: Duration) -> impl Future<Output = Result<usize, Error>> + Send;

        /// Closes the connection.
        fn close(self) -> impl Future<Output = ()> + Send;
    }
}
