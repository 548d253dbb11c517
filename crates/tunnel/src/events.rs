//! The messages of log events that a program may want to tell from others.

/// The connection of a session was lost, and the session is resumed.
pub const LOST: &str = "the data channel was lost; the session is resumed";

/// An attempt to resume a session has failed, and is repeated.
pub const NOT_RESUMED: &str = "the session could not be resumed; trying again";

/// A session was resumed.
pub const RESUMED: &str = "the session was resumed";

/// A session has ended, and its caller did not end it.
pub const ENDED: &str = "a session has ended";

/// The account's administrator has a message for those who start sessions.
pub const ADMINISTRATOR: &str = "message of the account's administrator";
