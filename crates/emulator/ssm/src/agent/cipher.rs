//! Encryption of a session's data with a key of KMS: AES-256-GCM, with the nonce in front and the tag behind.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use bytes::Bytes;

/// The length of the data key: one half for each direction.
pub(crate) const KEY_LENGTH: usize = 64;

/// The agent's keys.
pub(crate) struct Cipher {
    encrypt: LessSafeKey,
    decrypt: LessSafeKey,
}

impl Cipher {
    /// Returns the agent's keys of a data key: it encrypts with the first half, and the client with the second one.
    pub(crate) fn new(data_key: &[u8]) -> Result<Self, Unspecified> {
        if data_key.len() != KEY_LENGTH {
            return Err(Unspecified);
        }
        let (agent, client) = data_key.split_at(KEY_LENGTH / 2);
        let key = |half| UnboundKey::new(&AES_256_GCM, half).map(LessSafeKey::new);
        Ok(Self { encrypt: key(agent)?, decrypt: key(client)? })
    }

    pub(crate) fn encrypt(&self, plain: &[u8]) -> Result<Bytes, Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce)?;
        let mut bytes = plain.to_vec();
        let nonce_of_key = Nonce::assume_unique_for_key(nonce);
        self.encrypt.seal_in_place_append_tag(nonce_of_key, Aad::empty(), &mut bytes)?;
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

    #[test]
    fn each_direction_has_its_half_of_the_key_and_28_bytes_more() {
        let key: Vec<u8> = (0..64).collect();
        let swapped = [&key[32..], &key[..32]].concat();
        let (agent, client) = (Cipher::new(&key).unwrap(), Cipher::new(&swapped).unwrap());
        let encrypted = agent.encrypt(b"ls\r").unwrap();
        assert_eq!(encrypted.len(), 3 + 28);
        assert_eq!(client.decrypt(&encrypted).unwrap(), "ls\r");
        assert!(agent.decrypt(&encrypted).is_err());
        let mut changed = encrypted.to_vec();
        changed[14] ^= 1;
        assert!(client.decrypt(&changed).is_err());
        assert!(client.decrypt(&encrypted[..11]).is_err());
        assert!(Cipher::new(&key[1..]).is_err());
    }
}
