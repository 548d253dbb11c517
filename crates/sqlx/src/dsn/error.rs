//! `DsnError`: why a connection string can't be used, and what to write instead. It never has a part of the string that may
//! be a secret.

use rds_iam_token::{EndpointError, RegionError};

/// The names of the parameters, for messages.
pub(crate) const KNOWN_PARAMETERS: &str = "sslmode, sslrootcert, connect_timeout, region, profile or dial";

/// The most errors of one string that are kept.
const MOST: usize = 16;

/// The error of a connection string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DsnError {
    /// The string is empty.
    #[error("the connection string is empty: write mysql://USER@HOST/DATABASE, or postgresql://…")]
    Empty,
    /// The scheme is not an engine's.
    #[error(
        "the connection string has an unknown scheme: write mysql://USER@HOST/DATABASE, or postgresql://…"
    )]
    UnknownScheme,
    /// The form is that of Go's MySQL driver: `user@tcp(host:port)/database`.
    #[error("the connection string has the form of Go's MySQL driver: write mysql://USER@HOST:PORT/DATABASE")]
    GoForm,
    /// There is no host.
    #[error("the connection string has no host: write {example}")]
    NoHost {
        /// An example in the same form.
        example: &'static str,
    },
    /// The host is not one DNS name or IP address, or the port is not from 1 to 65535. The text is not repeated: if the `@`
    /// is missing, it is the password.
    #[error(
        "the connection string has no valid host or port: write one DNS name or IP address, or HOST:PORT with a port from 1 to 65535"
    )]
    Host,
    /// The user contains a delimiter of URLs: there is an `@` after the host.
    #[error(
        "the connection string has an @ after its host, so that the host is read as part of the user: write it as %40"
    )]
    UserHasDelimiter,
    /// The region is invalid.
    #[error("the parameter region is invalid; write one such as eu-west-1")]
    Region {
        /// The cause.
        source: RegionError,
    },
    /// The address to dial is invalid.
    #[error("the parameter dial is invalid; write HOST:PORT")]
    Dial {
        /// The cause.
        source: EndpointError,
    },
    /// The time limit for opening a connection is invalid.
    #[error("the parameter connect_timeout is invalid: write whole seconds from 1 to 2592000, such as 30")]
    ConnectTimeout,
    /// A part is not UTF-8 after percent-decoding, or has control characters.
    #[error("the {part} of the connection string is not printable text: percent-encode it as UTF-8")]
    NotText {
        /// The part.
        part: &'static str,
    },
    /// A mode of TLS permits unencrypted connections.
    #[error(
        "{key}={mode} permits unencrypted connections: remove it, since the server is always verified fully"
    )]
    Unencrypted {
        /// The parameter.
        key: &'static str,
        /// The mode.
        mode: &'static str,
    },
    /// The mode of TLS is unknown.
    #[error("the value of {key} is not a mode of TLS: remove it, since the server is always verified fully")]
    UnknownMode {
        /// The parameter.
        key: &'static str,
    },
    /// The parameter is unknown.
    #[error("the connection string has the unknown parameter {key:?}: use {}", KNOWN_PARAMETERS)]
    UnknownKey {
        /// The parameter's name, at most 32 characters.
        key: String,
    },
    /// A parameter of a URL, after another unknown one, is unknown. It is not repeated: it may be a part of the other's value, such
    /// as of a password.
    #[error("parameter {position} after the ? is unknown, too: use {}", KNOWN_PARAMETERS)]
    UnknownParameter {
        /// The parameter's number, from 1.
        position: usize,
    },
    /// A word of the second form, after the password or another unknown parameter, has an unknown parameter. It is not repeated: it may
    /// be a part of the password.
    #[error(
        "word {position} of the connection string has an unknown parameter: use {}, and write a value with white space in quotes",
        KNOWN_PARAMETERS
    )]
    UnknownWord {
        /// The word's number, from 1.
        position: usize,
    },
    /// The parameter is known and can't be used here.
    #[error("the parameter {key} can't be used: {instead}")]
    Unsupported {
        /// The parameter.
        key: &'static str,
        /// What to use instead.
        instead: &'static str,
    },
    /// The parameter occurs more than once.
    #[error("the connection string has the parameter {key} more than once: remove one of the two")]
    Repeated {
        /// The parameter.
        key: &'static str,
    },
    /// A word of the second form has no `=`.
    #[error(
        "word {position} of the connection string is not key=value: write host=HOST user=USER dbname=DATABASE"
    )]
    NoEquals {
        /// The word's number, from 1.
        position: usize,
    },
    /// A quoted value has no end.
    #[error("the value of word {position} of the connection string has no closing quote: write '…'")]
    OpenQuote {
        /// The word's number, from 1.
        position: usize,
    },
    /// Several parts can't be used. The text has all of these errors, without their causes.
    #[error("{}", join(errors))]
    Several {
        /// The errors, in the order of the string.
        errors: Vec<DsnError>,
    },
}

fn join(errors: &[DsnError]) -> String {
    errors.iter().map(DsnError::to_string).collect::<Vec<_>>().join("; ")
}

/// The errors of one string, each once.
#[derive(Default)]
pub(super) struct Errors(Vec<DsnError>);

impl Errors {
    /// Returns the value, or keeps the error.
    pub(super) fn check<T>(&mut self, result: Result<T, DsnError>) -> Option<T> {
        result.map_err(|error| self.keep(error)).ok()
    }

    fn keep(&mut self, error: DsnError) {
        if self.0.len() < MOST && !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    /// Returns whether a parameter is unknown: what follows may be a part of its value.
    pub(super) fn has_unknown_key(&self) -> bool {
        self.0.iter().any(|error| matches!(error, DsnError::UnknownKey { .. }))
    }

    /// Returns the error or errors, if there are any.
    pub(super) fn into_result(mut self) -> Result<(), DsnError> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(self.0.remove(0)),
            _ => Err(DsnError::Several { errors: self.0 }),
        }
    }
}
