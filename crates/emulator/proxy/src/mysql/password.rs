//! The login with the password of a secret.

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use rds_iam_gateway::Failure;
use rds_iam_gateway::mysql::Greeting;
use rds_iam_gateway::mysql::connect::{AuthRequest, Authenticator};
use rds_iam_token::Endpoint;
use zeroize::Zeroizing;

const CACHING_SHA2: &str = "caching_sha2_password";
const NATIVE: &str = "mysql_native_password";

/// caching_sha2_password's two messages: the scramble was right; send the password itself.
const FAST_AUTH_OK: &[u8] = &[3];
const FULL_AUTH: &[u8] = &[4];

/// Answers with the scramble that a server asks for, or with the password itself: the stream is TLS, and the server's
/// name is verified.
pub(super) struct PasswordAuthenticator<'a> {
    password: &'a Zeroizing<String>,
    nonce: &'a [u8; 20],
    endpoint: &'a Endpoint,
}

impl<'a> PasswordAuthenticator<'a> {
    pub(super) fn new(password: &'a Zeroizing<String>, nonce: &'a [u8; 20], endpoint: &'a Endpoint) -> Self {
        Self { password, nonce, endpoint }
    }

    fn scramble(&self, plugin: &str, nonce: &[u8]) -> Result<Vec<u8>, Failure> {
        let nonce: &[u8; 20] = nonce
            .get(..20)
            .and_then(|nonce| nonce.try_into().ok())
            .ok_or_else(|| self.unexpected("its nonce is too short"))?;
        let password = self.password.as_bytes();
        match plugin {
            CACHING_SHA2 => Ok(scramble_sha256(nonce, password).map(Vec::from).unwrap_or_default()),
            NATIVE => Ok(scramble_native(nonce, password).map(Vec::from).unwrap_or_default()),
            _ => Err(self.unexpected("it asks for an authentication plugin that the proxy does not have")),
        }
    }

    fn unexpected(&self, what: &'static str) -> Failure {
        Failure::Unexpected { endpoint: self.endpoint.clone(), what }
    }
}

impl Authenticator for PasswordAuthenticator<'_> {
    fn start(&mut self, _greeting: &Greeting) -> Result<(&'static str, Vec<u8>), Failure> {
        Ok((CACHING_SHA2, self.scramble(CACHING_SHA2, self.nonce)?))
    }

    fn answer(&mut self, request: AuthRequest<'_>) -> Result<Option<Vec<u8>>, Failure> {
        match request {
            AuthRequest::Switch { plugin, data } => self.scramble(plugin, data).map(Some),
            AuthRequest::More(FAST_AUTH_OK) => Ok(None),
            AuthRequest::More(FULL_AUTH) => Ok(Some([self.password.as_bytes(), b"\0"].concat())),
            _ => Err(self.unexpected("its request for authentication is not supported")),
        }
    }
}
