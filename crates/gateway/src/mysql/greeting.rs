//! The greeting: a server's first packet.

use mysql_common::constants::{CapabilityFlags, StatusFlags};
use mysql_common::io::ParseBuf;
use mysql_common::packets::HandshakePacket;
use mysql_common::proto::{MyDeserialize as _, MySerialize as _};

/// The length of the random bytes that a password is scrambled with.
pub(super) const NONCE: usize = 20;

/// The flags that change the framing: the gateway follows the headers, so it never offers them.
pub(super) const COMPRESSION: CapabilityFlags =
    CapabilityFlags::CLIENT_COMPRESS.union(CapabilityFlags::CLIENT_ZSTD_COMPRESSION_ALGORITHM);

/// The offset, after the version's terminator, of the byte with the length of the authentication data.
const AUTH_LENGTH_AT: usize = 4 + 8 + 1 + 2 + 1 + 2 + 2;

/// The features that a listener adds to the greeting it relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a caller decides about all of it")]
pub struct Offer {
    /// Whether clients may request TLS.
    pub tls: bool,
}

/// A server's first packet: version, connection id, nonce, and capabilities.
///
/// ```
/// use rds_iam_gateway::mysql::{Greeting, Offer};
///
/// let greeting = Greeting::new("8.4.7", 42)?.for_client(Offer { tls: true });
/// assert_eq!(Greeting::parse(&greeting.payload()), Ok(greeting));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    version: Vec<u8>,
    connection_id: u32,
    nonce: [u8; NONCE],
    capabilities: CapabilityFlags,
    collation: u8,
    status: StatusFlags,
    plugin: Vec<u8>,
}

impl Greeting {
    /// Creates the greeting of a server that is none: with a random nonce, and every capability but compression.
    ///
    /// # Errors
    /// Returns an error if the system has no random bytes.
    pub fn new(version: &str, connection_id: u32) -> std::io::Result<Self> {
        Ok(Self {
            version: version.as_bytes().to_vec(),
            connection_id,
            nonce: random_nonce()?,
            capabilities: CapabilityFlags::all()
                .difference(COMPRESSION)
                .difference(CapabilityFlags::CLIENT_PROGRESS_OBSOLETE)
                .difference(CapabilityFlags::CLIENT_SSL_VERIFY_SERVER_CERT)
                .difference(CapabilityFlags::CLIENT_REMEMBER_OPTIONS),
            // utf8mb4_0900_ai_ci, the default of MySQL 8.
            collation: 255,
            status: StatusFlags::SERVER_STATUS_AUTOCOMMIT,
            plugin: b"caching_sha2_password".to_vec(),
        })
    }

    /// Reads a greeting.
    ///
    /// # Errors
    /// Returns the reason if it is none of protocol 10 with MySQL 5.7's features.
    pub fn parse(payload: &[u8]) -> Result<Self, &'static str> {
        let (&protocol, rest) = payload.split_first().ok_or("its greeting is empty")?;
        if protocol != 10 {
            return Err("it does not speak protocol 10 of MySQL");
        }
        let unreadable = "its greeting is incomplete";
        let version = rest.iter().position(|&byte| byte == 0).ok_or(unreadable)?;
        // From 128 on, mysql_common 0.38 overflows.
        if rest.get(version + 1 + AUTH_LENGTH_AT).is_some_and(|&length| length >= 128) {
            return Err("its greeting has over 127 bytes of authentication data");
        }
        let packet = HandshakePacket::deserialize((), &mut ParseBuf(payload)).map_err(|_| unreadable)?;
        let capabilities = packet.capabilities();
        let required = CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_PLUGIN_AUTH;
        if !capabilities.contains(required) {
            return Err("it lacks authentication plugins, which MySQL has since 5.5");
        }
        let mut nonce = packet.nonce();
        nonce.truncate(NONCE);
        Ok(Self {
            version: packet.server_version_ref().to_vec(),
            connection_id: packet.connection_id(),
            nonce: nonce.try_into().map_err(|_| unreadable)?,
            capabilities,
            collation: packet.default_collation(),
            status: packet.status_flags(),
            plugin: packet.auth_plugin_name_ref().unwrap_or_default().to_vec(),
        })
    }

    /// Returns the payload of its packet.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let (first, second) = self.nonce.split_at(8);
        let mut scramble_1 = [0; 8];
        scramble_1.copy_from_slice(first);
        let mut scramble_2 = second.to_vec();
        scramble_2.push(0);
        let packet = HandshakePacket::new(
            10,
            &*self.version,
            self.connection_id,
            scramble_1,
            Some(scramble_2),
            self.capabilities,
            self.collation,
            self.status,
            Some(&*self.plugin),
        );
        let mut payload = Vec::new();
        packet.serialize(&mut payload);
        payload
    }

    /// Returns it as relayed to a client: with the same version, connection id and nonce, so that `CONNECTION_ID()` and
    /// `KILL` work, and without compression.
    #[must_use]
    pub fn for_client(mut self, offer: Offer) -> Self {
        self.capabilities.remove(COMPRESSION);
        self.capabilities.set(CapabilityFlags::CLIENT_SSL, offer.tls);
        self.plugin = b"caching_sha2_password".to_vec();
        self
    }

    /// Returns it with the capabilities that `server` has too: those of the database behind an emulated one.
    #[must_use]
    pub fn limited_to(mut self, server: CapabilityFlags) -> Self {
        self.capabilities &= server | CapabilityFlags::CLIENT_SSL;
        self
    }

    /// Returns the server's version.
    #[must_use]
    pub fn version(&self) -> String {
        String::from_utf8_lossy(&self.version).into_owned()
    }

    /// Returns the connection's id.
    #[must_use]
    pub fn connection_id(&self) -> u32 {
        self.connection_id
    }

    /// Returns the random bytes that a password is scrambled with.
    #[must_use]
    pub fn nonce(&self) -> &[u8; NONCE] {
        &self.nonce
    }

    /// Returns the capabilities.
    #[must_use]
    pub fn capabilities(&self) -> CapabilityFlags {
        self.capabilities
    }

    /// Returns the default authentication plugin.
    #[must_use]
    pub fn plugin(&self) -> &[u8] {
        &self.plugin
    }
}

/// Returns printable random bytes without `$`, as MySQL's own: 0 ends a nonce, and `$` separates fields of a stored
/// password.
fn random_nonce() -> std::io::Result<[u8; NONCE]> {
    let mut nonce = [0; NONCE];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut nonce).map_err(|_| std::io::Error::other("the system has no random bytes"))?;
    Ok(nonce.map(|byte| match b'!' + byte % 93 {
        b'$' => b'~',
        printable => printable,
    }))
}
