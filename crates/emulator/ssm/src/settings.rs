//! The settings: the account, its managed instances, and what their agents can reach.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The version of the agent that this crate emulates.
pub const AGENT_VERSION: &str = "3.3.0.0";

/// The addresses that agent 3.3.0.0 refuses to forward to: instance metadata, DNS, time and licence servers.
const FORBIDDEN: [&str; 9] = [
    "169.254.169.254",
    "fd00:ec2::254",
    "169.254.169.253",
    "fd00:ec2::253",
    "169.254.169.123",
    "fd00:ec2::123",
    "169.254.169.250",
    "169.254.169.251",
    "fd00:ec2::240",
];

/// The settings of an emulator.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the caller decides about each")]
pub struct Settings {
    /// The region, in the ARNs of error messages.
    pub region: String,
    /// The number of the account, in the ARNs of error messages.
    pub account: String,
    /// The ARN of the caller, in error messages. Its last part begins the ids of sessions.
    pub caller: String,
    /// The managed instances.
    pub instances: Vec<Instance>,
    /// The hosts that agents can reach, beside those that this machine's resolver knows.
    pub hosts: Hosts,
    /// The addresses that agents refuse to forward to.
    pub forbidden: Vec<IpAddr>,
    /// The network of the instances, as its first address and the length of its prefix. Agents refuse to forward to its
    /// first four addresses and its last one.
    pub network: Option<(Ipv4Addr, u8)>,
    /// The KMS key of sessions with a command; without one, they are not encrypted.
    pub kms: Option<Kms>,
    /// The most bytes that an agent puts into a message. The agent's own number is 1,024.
    pub chunk: usize,
    /// The most messages of an agent that wait for their acknowledgement; the agent then stops reading. The default is
    /// 100,000.
    pub outgoing: usize,
    /// Answers calls of the API on the emulator's port, without checking who calls. Without it, only
    /// [`Emulator::handle`](crate::Emulator::handle) does.
    pub serves_api: bool,
    /// Runs the commands of sessions, as the user of this process. With [`serves_api`](Self::serves_api), every local
    /// process that reaches the port can then run any command. Off by default: documents with a command are refused.
    pub runs_commands: bool,
    /// Listens with TLS too, with a certificate of an authority made for this emulator, and returns `wss` URLs.
    pub tls: bool,
    /// The host in the URLs of data channels, instead of 127.0.0.1: for clients that accept AWS's names alone. They
    /// have to resolve it to 127.0.0.1. The certificate names `ssmmessages.<region>.amazonaws.com`.
    pub stream_host: Option<String>,
    /// Ends sessions without data in this time, as the account's session preferences do. The default is 20 minutes.
    pub idle_timeout: Duration,
    /// Closes WebSockets of this age; clients resume their sessions. The default is an hour.
    pub connection_lifetime: Duration,
    /// The times of the agent and the service.
    pub timers: Timers,
}

/// A managed instance.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the caller decides about each")]
pub struct Instance {
    /// The id, such as `i-0123456789abcdef0`.
    pub id: String,
    /// Whether its agent is connected.
    pub is_online: bool,
    /// The version of its agent. Agents up to 3.0.196.0 have no mux mode.
    pub agent_version: String,
    /// The tags, which filters of `DescribeInstanceInformation` find.
    pub tags: BTreeMap<String, String>,
}

impl Instance {
    /// Returns an instance with a connected agent of [`AGENT_VERSION`].
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), is_online: true, agent_version: AGENT_VERSION.into(), tags: BTreeMap::new() }
    }
}

/// The times of the agent and the service. The defaults are the agent's own.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the caller decides about each")]
pub struct Timers {
    /// How long the agent waits for the answer to each request of its handshake: 15 seconds.
    pub handshake: Duration,
    /// The interval at which the agent checks its oldest message without an acknowledgement: 100 ms.
    pub resend: Duration,
    /// The age at which it sends that message again, until it has measured a round trip: 200 ms.
    pub first_timeout: Duration,
    /// The least that it adds to the measured round trip: 10 ms.
    pub granularity: Duration,
    /// The most that it waits: 1 second.
    pub max_timeout: Duration,
    /// How long the agent waits at its end until its last messages are acknowledged: 2 seconds.
    pub drain: Duration,
    /// The interval of smux's NOPs to clients up to version 1.2.331.0: 10 seconds.
    pub keep_alive: Duration,
    /// The interval at which smux checks whether such a client has sent anything, and ends the session if not:
    /// 30 seconds.
    pub keep_alive_timeout: Duration,
    /// How long the service waits for the token on a new WebSocket: 10 seconds. AWS's own number is not known.
    pub open: Duration,
    /// How long the service tries to close a WebSocket in order: 5 seconds. AWS's own number is not known.
    pub close: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(15),
            resend: Duration::from_millis(100),
            first_timeout: Duration::from_millis(200),
            granularity: Duration::from_millis(10),
            max_timeout: Duration::from_secs(1),
            drain: Duration::from_secs(2),
            keep_alive: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(30),
            open: Duration::from_secs(10),
            close: Duration::from_secs(5),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: "us-east-1".into(),
            account: "123456789012".into(),
            caller: "arn:aws:iam::123456789012:user/developer".into(),
            instances: Vec::new(),
            hosts: Hosts::default(),
            forbidden: FORBIDDEN.iter().filter_map(|address| address.parse().ok()).collect(),
            network: None,
            kms: None,
            chunk: 1024,
            outgoing: 100_000,
            serves_api: true,
            runs_commands: false,
            tls: false,
            stream_host: None,
            idle_timeout: Duration::from_secs(20 * 60),
            connection_lifetime: Duration::from_secs(60 * 60),
            timers: Timers::default(),
        }
    }
}

impl Settings {
    /// Returns settings with this one instance.
    #[must_use]
    pub fn with_instance(id: impl Into<String>) -> Self {
        Self { instances: vec![Instance::new(id)], ..Self::default() }
    }

    /// Returns whether an agent refuses to forward to `address`.
    pub(crate) fn forbids(&self, address: IpAddr) -> bool {
        self.forbidden.contains(&address.to_canonical()) || self.is_reserved(address.to_canonical())
    }

    fn is_reserved(&self, address: IpAddr) -> bool {
        let (Some((network, prefix)), IpAddr::V4(address)) = (self.network, address) else { return false };
        let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        let offset = u32::from(address) & hosts;
        u32::from(address) & !hosts == u32::from(network) & !hosts && (offset < 4 || offset == hosts)
    }
}

/// The hosts that agents can reach, each with the addresses that are dialled instead. Clones share their entries.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<RwLock<Addresses>>);

/// The addresses by host and port.
type Addresses = HashMap<(String, u16), Vec<SocketAddr>>;

impl Hosts {
    /// Makes agents dial `addresses`, in this order, for `host` and `port`.
    pub fn set(&self, host: &str, port: u16, addresses: Vec<SocketAddr>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert((normalised(host), port), addresses);
    }

    /// Removes `host` and `port`.
    pub fn remove(&self, host: &str, port: u16) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&(normalised(host), port));
    }

    /// Returns the addresses of `host`: from here, or from this machine's resolver.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let own =
            self.0.read().unwrap_or_else(PoisonError::into_inner).get(&(normalised(host), port)).cloned();
        match own {
            Some(addresses) => Ok(addresses),
            None => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
        }
    }
}

fn normalised(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// The part of the session's encryption context that both sides give to KMS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is AWS's")]
pub struct EncryptionContext {
    /// `aws:ssm:SessionId`
    pub session_id: String,
    /// `aws:ssm:TargetId`
    pub target_id: String,
}

type Decrypt = dyn Fn(&[u8], &EncryptionContext) -> Result<Vec<u8>, String> + Send + Sync;

/// A KMS key: its id, and what decrypts the client's data key with it.
#[derive(Clone)]
pub struct Kms {
    pub(crate) key_id: String,
    pub(crate) decrypt: Arc<Decrypt>,
}

impl Kms {
    /// Returns a key. `decrypt` is given the ciphertext of a data key of 64 bytes, as `GenerateDataKey` returns it, and
    /// returns the data key, or KMS's error.
    pub fn new(
        key_id: impl Into<String>,
        decrypt: impl Fn(&[u8], &EncryptionContext) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Self {
        Self { key_id: key_id.into(), decrypt: Arc::new(decrypt) }
    }
}

impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kms").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_the_reserved_addresses_of_the_network_are_forbidden() {
        let settings = Settings { network: Some((Ipv4Addr::new(10, 0, 16, 0), 20)), ..Settings::default() };
        for (address, is_forbidden) in [
            ("169.254.169.254", true),
            ("::ffff:169.254.169.254", true),
            ("fd00:ec2::254", true),
            ("169.254.169.252", false),
            ("10.0.16.0", true),
            ("10.0.16.3", true),
            ("10.0.16.4", false),
            ("10.0.31.254", false),
            ("10.0.31.255", true),
            ("10.0.32.0", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(settings.forbids(address.parse().unwrap()), is_forbidden, "{address}");
        }
    }

    #[tokio::test]
    async fn a_host_has_its_own_addresses_until_it_is_removed() {
        let hosts = Hosts::default();
        let address: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        hosts.set("Database.internal.", 5432, vec![address]);
        assert_eq!(hosts.clone().resolve("database.internal", 5432).await.unwrap(), [address]);
        hosts.remove("database.internal", 5432);
        assert_eq!(hosts.resolve("127.0.0.1", 5432).await.unwrap(), ["127.0.0.1:5432".parse().unwrap()]);
    }
}
