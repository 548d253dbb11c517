//! The settings of a login, which both protocols share, and the properties of its failure.

use std::sync::LazyLock;

use rds_iam_gateway::{Failure, UserRule};
use rds_iam_token::aws_credential_types::Credentials;
use rds_iam_token::{Clock, DbUser, Endpoint, Login, Minter, Token, TokenSource};

/// The local password.
pub(crate) const PASSWORD: &str = "0123456789abcdef0123456789abcdef";

/// The user of a rule that names one.
pub(crate) const USER: &str = "app";

/// The tokens, of 1 KB and of 64 KB.
static TOKENS: LazyLock<[Token; 2]> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    [700, 63 << 10].map(|length| {
        let credentials = credentials(Some("s".repeat(length)));
        let source = TokenSource::lazy(Minter::new(login(USER), credentials, Clock::system()));
        runtime.block_on(source.token()).expect("a token")
    })
});

pub(crate) fn credentials(session: Option<String>) -> Credentials {
    Credentials::new("AKIDEXAMPLE", "not-a-real-secret", session, None, "fuzz")
}

pub(crate) fn login(user: &str) -> Login {
    Login::new(endpoint(), "eu-west-1".parse().expect("a region"), user.parse().expect("a user"))
}

pub(crate) fn endpoint() -> Endpoint {
    "db.example.com:3306".parse().expect("an endpoint")
}

/// The local password of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    None,
    Password,
    /// The password is requested in clear text, and not compared.
    Cleartext,
}

/// The settings of a login.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) local: Local,
    pub(crate) rule: UserRule,
    pub(crate) offers_tls: bool,
    pub(crate) database: Option<&'static str>,
    pub(crate) token: &'static Token,
}

impl Settings {
    /// Reads the flags of an input.
    pub(crate) fn parse(flags: u8) -> Self {
        let user: DbUser = USER.parse().expect("a user");
        Self {
            local: match flags & 3 {
                0 => Local::None,
                2 => Local::Cleartext,
                _ => Local::Password,
            },
            rule: match flags >> 2 & 3 {
                0 => UserRule::Client,
                1 => UserRule::Only(user),
                _ => UserRule::Always(user),
            },
            offers_tls: flags & 1 << 4 != 0,
            database: (flags & 1 << 5 != 0).then_some("shop"),
            token: &TOKENS[usize::from(flags >> 6 & 1)],
        }
    }
}

/// Checks that neither the client's bytes nor a failure contain the token of the login.
pub(crate) fn assert_no_token(token: &Token, failure: Option<&Failure>, received: &[u8], data: &[u8]) {
    let signature = token.expose().rsplit("X-Amz-Signature=").next().expect("a signature").as_bytes();
    let contains = |bytes: &[u8]| bytes.windows(64).any(|window| window == &signature[..64]);
    // libFuzzer finds the text in the comparison, and a database that sends it is no leak.
    if contains(data) {
        return;
    }
    assert!(!contains(received), "the client receives the token");
    if let Some(failure) = failure {
        let _reason = failure.reason();
        assert!(!contains(format!("{failure} {failure:?}").as_bytes()), "the failure contains the token");
    }
}
