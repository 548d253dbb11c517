//! A client as a program: `Program`, which reads libpq's variables and runs the statement of its last argument, and
//! `Login`, the values of these variables.

use std::ffi::OsString;
use std::path::Path;

use rds_iam_emulator_server::CommandError;
use rds_iam_emulator_server::command::Command;

use super::Result;

/// A client of PostgreSQL.
pub(super) struct Program {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    /// A part of its message about a certificate for another name.
    pub(super) name_refusal: &'static str,
    /// A part of its message about a certificate of an authority that it does not trust.
    pub(super) authority_refusal: &'static str,
    /// Whether it prints the SQLSTATE of a refused login. libpq has none.
    pub(super) reports_sqlstates: bool,
}

/// The server, and the user who logs in.
#[derive(Clone)]
pub(super) struct Login(Vec<(&'static str, OsString)>);

impl Program {
    pub(super) fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            name_refusal: "",
            authority_refusal: "",
            reports_sqlstates: false,
        }
    }

    pub(super) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(super) fn args<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(Into::into));
        self
    }

    pub(super) fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    pub(super) fn refuses_other_names_with(self, name_refusal: &'static str) -> Self {
        Self { name_refusal, ..self }
    }

    pub(super) fn refuses_other_authorities_with(self, authority_refusal: &'static str) -> Self {
        Self { authority_refusal, ..self }
    }

    pub(super) fn reports_sqlstates(self) -> Self {
        Self { reports_sqlstates: true, ..self }
    }

    /// Logs in, runs the statement, and returns the output.
    pub(super) async fn succeeds(&self, login: &Login, statement: &str) -> Result<String> {
        Ok(self.command(login, statement).output().await?)
    }

    /// Returns the message of a client that fails.
    pub(super) async fn fails(&self, login: &Login, statement: &str) -> Result<String> {
        let command = self.command(login, statement);
        match command.output().await {
            Err(CommandError::Failed { said, .. }) => Ok(said),
            Err(other) => Err(other.into()),
            Ok(printed) => panic!("`{command}` was let in: {printed}"),
        }
    }

    fn command(&self, login: &Login, statement: &str) -> Command {
        let command = Command::new(&self.program).args(self.arguments.iter().cloned()).arg(statement);
        let environment = self.environment.iter().chain(&login.0);
        environment.fold(command, |command, (name, value)| command.env(name, value))
    }
}

impl Login {
    /// Returns a login at a server whose name and authority are verified.
    pub(super) fn new(host: &str, address: &str, port: &str, database: &str, authority: &str) -> Self {
        let values = [
            ("PGHOST", host),
            ("PGHOSTADDR", address),
            ("PGPORT", port),
            ("PGDATABASE", database),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", authority),
            ("PGCONNECT_TIMEOUT", "30"),
        ];
        Self(values.map(|(name, value)| (name, value.into())).to_vec())
    }

    /// Returns the login of `user`, with a token or password.
    pub(super) fn with(&self, user: &str, secret: &str) -> Self {
        self.and("PGUSER", user).and("PGPASSWORD", secret)
    }

    /// Returns the login at a server of another name, at the same address.
    pub(super) fn at(&self, host: &str) -> Self {
        self.and("PGHOST", host)
    }

    /// Returns the login that trusts the authorities in another file.
    pub(super) fn trusting(&self, authorities: &Path) -> Self {
        self.and("PGSSLROOTCERT", authorities)
    }

    /// The last value of a variable counts.
    fn and(&self, name: &'static str, value: impl Into<OsString>) -> Self {
        let mut new = self.clone();
        new.0.push((name, value.into()));
        new
    }
}
