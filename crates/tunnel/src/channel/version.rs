//! Versions of the agent: four numbers, compared one by one.

/// The version that this client reports. From 1.2.331.0 on, agents switch off their keep-alive, which this client does
/// not answer; from 1.1.70.0 on, they support smux.
pub(crate) const CLIENT_VERSION: &str = "1.2.707.0";

/// The last agent without smux.
const LAST_BASIC: Version = Version([3, 0, 196, 0]);

/// The last agent that ends a session in which it receives nothing for 30 s.
const LAST_KEEP_ALIVE: Version = Version([3, 1, 1511, 0]);

/// The first agent that forwards to a remote host: [Starting a session][start]. An older one does not know the parameter
/// `host`.
///
/// [start]: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html
const FIRST_REMOTE_HOST: Version = Version([3, 1, 1374, 0]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version([u32; 4]);

impl Version {
    /// Returns `None` for another count of numbers, as the official client does: it supports nothing then.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.').map(str::parse);
        let mut next = || parts.next()?.ok();
        let version = Self([next()?, next()?, next()?, next()?]);
        parts.next().is_none().then_some(version)
    }

    pub(super) fn has_mux(self) -> bool {
        self > LAST_BASIC
    }

    pub(super) fn has_remote_hosts(self) -> bool {
        self >= FIRST_REMOTE_HOST
    }

    pub(super) fn expects_keep_alive(self) -> bool {
        self <= LAST_KEEP_ALIVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let version = |text| Version::parse(text).unwrap();
        assert!(!version("3.0.196.0").has_mux() && version("3.0.197.0").has_mux());
        assert!(!version("2.3.722.0").has_mux() && version("3.0.196.1").has_mux());
        assert!(!version("3.1.1373.9").has_remote_hosts() && version("3.1.1374.0").has_remote_hosts());
        assert!(version("3.1.1511.0").expects_keep_alive() && !version("3.1.1512.0").expects_keep_alive());
        assert!(version(CLIENT_VERSION) > version("1.2.331.0"));
        for wrong in ["", "3.1", "3.0.196", "3.0.196.0.1", "a.b.c.d", "3.0.-1.0", "99999999999.0.0.0"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}
