//! The login with the password of a secret: by SCRAM, or an MD5 digest.

use std::io;

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use rds_iam_gateway::Failure;
use rds_iam_gateway::postgres::connect::{AuthRequest, Authenticator};
use rds_iam_token::Endpoint;
use zeroize::Zeroizing;

/// Answers with a digest of the password, or with the password itself: the stream is TLS, and the server's name is
/// verified.
pub(super) struct PasswordAuthenticator<'a> {
    password: &'a Zeroizing<String>,
    user: &'a str,
    endpoint: &'a Endpoint,
    scram: Option<ScramSha256>,
}

impl<'a> PasswordAuthenticator<'a> {
    pub(super) fn new(password: &'a Zeroizing<String>, user: &'a str, endpoint: &'a Endpoint) -> Self {
        Self { password, user, endpoint, scram: None }
    }

    fn unexpected(&self, what: &'static str) -> Failure {
        Failure::Unexpected { endpoint: self.endpoint.clone(), what }
    }
}

fn lost(endpoint: &Endpoint, source: io::Error) -> Failure {
    Failure::Lost { endpoint: endpoint.clone(), source }
}

impl Authenticator for PasswordAuthenticator<'_> {
    fn answer(&mut self, request: AuthRequest<'_>) -> Result<Option<Vec<u8>>, Failure> {
        let password = self.password.as_bytes();
        match request {
            AuthRequest::Cleartext => Ok(Some([password, b"\0"].concat())),
            AuthRequest::Md5 { salt } => {
                Ok(Some([md5_hash(self.user.as_bytes(), password, salt).as_bytes(), b"\0"].concat()))
            }
            AuthRequest::Sasl { mechanisms } if mechanisms.contains(&SCRAM_SHA_256) => {
                let scram = self.scram.insert(ScramSha256::new(password, ChannelBinding::unsupported()));
                let first = scram.message();
                let length = u32::try_from(first.len()).unwrap_or(u32::MAX).to_be_bytes();
                Ok(Some([SCRAM_SHA_256.as_bytes(), b"\0", &length, first].concat()))
            }
            AuthRequest::SaslContinue(data) => match &mut self.scram {
                Some(scram) => {
                    scram.update(data).map_err(|source| lost(self.endpoint, source))?;
                    Ok(Some(scram.message().to_vec()))
                }
                None => Err(self.unexpected("it continues an exchange that has not begun")),
            },
            AuthRequest::SaslFinal(data) => match &mut self.scram {
                Some(scram) => {
                    scram.finish(data).map(|()| None).map_err(|source| lost(self.endpoint, source))
                }
                None => Err(self.unexpected("it ends an exchange that has not begun")),
            },
            _ => Err(self.unexpected("its request for authentication is not supported")),
        }
    }
}
