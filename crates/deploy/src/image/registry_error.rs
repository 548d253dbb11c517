//! Errors of registry calls, with their fixes. URLs are omitted: those of uploads and blobs contain signatures.

use std::error::Error as _;

/// The maximum number of characters of a message from elsewhere that are printed.
const MAX_MESSAGE: usize = 200;

/// A failed registry call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation} {name} in {repository}: {kind}")]
#[non_exhaustive]
pub struct RegistryError {
    /// The operation.
    pub operation: &'static str,
    /// The operation's object: a digest or tag.
    pub name: String,
    /// The repository URL.
    pub repository: String,
    /// The kind of error.
    pub kind: RegistryErrorKind,
}

/// The kind of a [`RegistryError`]. `Display` names the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryErrorKind {
    /// The registry rejects the login.
    #[error("the registry rejected the login, which is valid for 12 hours: retry")]
    Unauthorized,
    /// The caller lacks a permission.
    #[error(
        "denied{}: allow ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and, to push, ecr:PutImage and the ecr:*LayerUpload actions in the caller's role, and the layers' bucket in the policy of an S3 endpoint",
        detail(message)
    )]
    Denied {
        /// The registry's message, without the login; may be empty.
        message: String,
    },
    /// The registry answered with another error.
    #[error("the registry answered {status}{}: run the same command again to resume", detail(message))]
    Answered {
        /// The HTTP status.
        status: u16,
        /// The registry's message, without the login; may be empty.
        message: String,
    },
    /// The connection failed or broke off.
    #[error(
        "the connection failed{}: check the network to the registry, and run the same command again to resume",
        detail(message)
    )]
    Broken {
        /// The system's message; may be empty.
        message: String,
    },
    /// The answer is larger than its descriptor, or than the limit for its kind.
    #[error(
        "it is larger than {limit} bytes, the limit for this object: use another image, or a registry that conforms"
    )]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The content does not have its digest.
    #[error("the content does not match its digest: retry")]
    Corrupt,
    /// The digest is not an image manifest's.
    #[error("it is not an image manifest: use the digest of an image for one platform")]
    NotAnImage,
    /// The registry violates the OCI distribution specification.
    #[error("its answer violates the OCI distribution specification: use a registry version that conforms")]
    Protocol,
}

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({message})") }
}

impl RegistryErrorKind {
    /// Returns the kind of an error answer; `code` is the registry's own.
    pub(super) fn from_answer(status: u16, code: &str, message: String) -> Self {
        match (status, code) {
            (401, _) | (400..=499, "UNAUTHORIZED") => Self::Unauthorized,
            (403, _) | (400..=499, "DENIED") => Self::Denied { message },
            _ => Self::Answered { status, message },
        }
    }

    /// Returns the kind of a request that got no answer, or whose answer broke off.
    pub(super) fn from_request(error: &reqwest::Error) -> Self {
        // The innermost cause; the others contain the URL.
        let causes = std::iter::successors(error.source(), |&error| error.source());
        let message = causes.last().map(ToString::to_string).unwrap_or_default();
        Self::Broken { message: one_line(&message) }
    }
}

/// Returns the beginning of a message from elsewhere, which may be an HTML page, on one line.
pub(super) fn one_line(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MAX_MESSAGE).collect::<String>().trim().to_owned()
}
