//! AWS credentials that are rotated: the server knows the new key before the old one ends.

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use rds_iam_emulator_server::{AccessKey, Kind, Server};

/// A source of the current key. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Keys(Arc<Mutex<Current>>);

#[derive(Debug)]
struct Current {
    number: u32,
    credentials: Credentials,
}

impl Keys {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self(Arc::new(Mutex::new(Current { number: 0, credentials })))
    }

    /// Returns the secret key and the session token.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let credentials = &self.0.lock().unwrap().credentials;
        let session_token = credentials.session_token().map(str::to_owned);
        session_token.into_iter().chain([credentials.secret_access_key().to_owned()]).collect()
    }

    /// Replaces the key; the server refuses tokens of the old one from now on.
    pub(crate) fn rotate<E: Kind>(&self, server: &Server<E>) {
        let mut current = self.0.lock().unwrap();
        current.number += 1;
        let number = current.number;
        let new = Credentials::new(
            format!("AKIDSOAK{number}"),
            format!("made-up-secret-{number}"),
            Some(format!("made-up-session-token-{number}")),
            None,
            "soak",
        );
        server.enter_key(key(&new)).unwrap();
        let old = std::mem::replace(&mut current.credentials, new);
        server.enter_key(key(&old).expires_at(1)).unwrap();
    }
}

fn key(credentials: &Credentials) -> AccessKey {
    let key = AccessKey::new(credentials.access_key_id(), credentials.secret_access_key());
    key.session_token(credentials.session_token().unwrap())
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Ok(self.0.lock().unwrap().credentials.clone()))
    }
}
