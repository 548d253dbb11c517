//! The part of a permission that a refusal says is missing.

/// The missing part, by the server's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The policy or the user: the server does not say which.
    Login,
    /// The user: unknown at this host, locked, or without IAM authentication.
    User,
    /// Privileges on the database. The login succeeded.
    Privileges,
}
