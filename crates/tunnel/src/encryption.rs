//! Encryption of a session with a command by a data key of KMS: AES-256-GCM, with the nonce in front and the tag
//! behind.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::Call;

/// The bytes of a data key: one half for each direction.
pub const KEY_LENGTH: usize = 64;

/// The bytes that encryption adds: a nonce and a tag.
pub(crate) const OVERHEAD: usize = NONCE_LEN + 16;

/// The source of data keys: AWS KMS. `KmsKeys` of the feature `aws` calls it with the AWS SDK.
pub trait DataKeys: Send + Sync + 'static {
    /// Calls `GenerateDataKey` for [`KEY_LENGTH`] bytes, with the key and the encryption context of the request.
    fn generate<'a>(&'a self, request: &'a KeyRequest) -> Call<'a, DataKey>;
}

/// The arguments of `GenerateDataKey`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRequest {
    /// The KMS key: an id, an ARN or an alias.
    pub key_id: String,
    /// The session.
    pub session_id: String,
    /// The instance.
    pub target: String,
    /// Random text of the agent. Older agents send none.
    pub challenge: Option<String>,
}

impl KeyRequest {
    /// Returns the encryption context, with which the agent decrypts the data key.
    #[must_use]
    pub fn encryption_context(&self) -> Vec<(&'static str, &str)> {
        let mut context = vec![("aws:ssm:SessionId", &*self.session_id), ("aws:ssm:TargetId", &*self.target)];
        context.extend(self.challenge.as_deref().map(|challenge| ("aws:ssm:RandomChallenge", challenge)));
        context
    }
}

/// A data key. `Debug` does not show it, and its memory is overwritten when it is dropped.
pub struct DataKey {
    plaintext: Zeroizing<Vec<u8>>,
    ciphertext: Vec<u8>,
}

impl DataKey {
    /// Creates a data key from the answer of `GenerateDataKey`.
    #[must_use]
    pub fn new(plaintext: Vec<u8>, ciphertext: Vec<u8>) -> Self {
        Self { plaintext: Zeroizing::new(plaintext), ciphertext }
    }

    pub(crate) fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// The client's keys.
pub(crate) struct Cipher {
    encrypt: LessSafeKey,
    decrypt: LessSafeKey,
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(…)")
    }
}

impl Cipher {
    /// Returns the client's keys of a data key: the agent encrypts with the first half, the client with the second one.
    pub(crate) fn new(key: &DataKey) -> Result<Self, Unspecified> {
        if key.plaintext.len() != KEY_LENGTH {
            return Err(Unspecified);
        }
        let (agent, client) = key.plaintext.split_at(KEY_LENGTH / 2);
        let key = |half| UnboundKey::new(&AES_256_GCM, half).map(LessSafeKey::new);
        Ok(Self { encrypt: key(client)?, decrypt: key(agent)? })
    }

    pub(crate) fn encrypt(&self, plain: &[u8]) -> Result<Bytes, Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce)?;
        let mut bytes = plain.to_vec();
        self.encrypt.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::empty(),
            &mut bytes,
        )?;
        Ok([&nonce[..], &bytes].concat().into())
    }

    pub(crate) fn decrypt(&self, encrypted: &[u8]) -> Result<Bytes, Unspecified> {
        let (nonce, sealed) = encrypted.split_first_chunk::<NONCE_LEN>().ok_or(Unspecified)?;
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.decrypt.open_in_place(nonce, Aad::empty(), &mut bytes)?.len();
        bytes.truncate(length);
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the ciphers of the client and of the agent.
    fn pair() -> (Cipher, Cipher) {
        let key: Vec<u8> = (0..64).collect();
        let swapped = [&key[32..], &key[..32]].concat();
        let cipher = |key| Cipher::new(&DataKey::new(key, Vec::new())).unwrap();
        (cipher(key), cipher(swapped))
    }

    #[test]
    fn each_direction_has_its_half_of_the_key() {
        let (client, agent) = pair();
        let input = client.encrypt(b"ls\r").unwrap();
        assert_eq!(input.len(), 3 + OVERHEAD);
        assert_eq!(agent.decrypt(&input).unwrap(), "ls\r");
        assert!(client.decrypt(&input).is_err());
        let output = agent.encrypt(b"").unwrap();
        assert_eq!(client.decrypt(&output).unwrap(), "");
        assert_ne!(client.encrypt(b"ls\r").unwrap(), input, "another nonce");
    }

    #[test]
    fn changed_or_short_bytes_and_short_keys_are_refused() {
        let (client, agent) = pair();
        let mut bytes = agent.encrypt(b"output").unwrap().to_vec();
        bytes[14] ^= 1;
        assert!(client.decrypt(&bytes).is_err());
        for length in [0, 11, 12, 27] {
            assert!(client.decrypt(&bytes[..length]).is_err());
        }
        assert!(Cipher::new(&DataKey::new(vec![0; 63], Vec::new())).is_err());
    }

    #[test]
    fn no_key_is_in_debug_output() {
        let key = DataKey::new(b"secret".repeat(11)[..64].to_vec(), b"sealed".to_vec());
        let cipher = Cipher::new(&key).unwrap();
        assert_eq!(format!("{key:?} {cipher:?}"), "DataKey(…) Cipher(…)");
    }

    #[test]
    fn the_encryption_context_has_the_challenge_of_newer_agents() {
        let mut request = KeyRequest {
            key_id: "alias/sessions".to_owned(),
            session_id: "s-1".to_owned(),
            target: "i-1".to_owned(),
            challenge: None,
        };
        assert_eq!(request.encryption_context(), [("aws:ssm:SessionId", "s-1"), ("aws:ssm:TargetId", "i-1")]);
        request.challenge = Some("random".to_owned());
        assert_eq!(request.encryption_context()[2], ("aws:ssm:RandomChallenge", "random"));
    }
}
