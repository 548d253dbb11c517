//! `Credential`: a database user's token or password.

use std::fmt;

use rds_iam_token::Token;

/// A database user's credential. It can't be printed.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Credential<'a> {
    /// An IAM token.
    Token(&'a Token),
    /// A password, such as the master user's.
    Password(&'a str),
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(redacted)",
            Self::Password(_) => "Password(redacted)",
        })
    }
}
