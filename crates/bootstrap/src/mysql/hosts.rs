//! The account that the server chooses if several match a client.
//!
//! Sources: "Access Control, Stage 1: Connection Verification" in MySQL's manual; `ACL_compare` and
//! `get_sort` in `sql/auth`.

use std::cmp::{Ordering, Reverse};
use std::net::Ipv4Addr;

use super::Account;
use super::names::matches_no_client;

/// The server's order of accounts, of which it chooses the first match. Greater comes first.
type Rank = (bool, Reverse<u8>, u32, (usize, usize));

/// Returns whether the server chooses `one` for a client that both match.
pub(crate) fn precedes(one: &Account, other: &Account) -> bool {
    rank(one).cmp(&rank(other)) == Ordering::Greater && overlap(one.host(), other.host())
}

fn rank(account: &Account) -> Rank {
    let text = (specificity(account.host()), specificity(account.user()));
    match network(account.host()) {
        // An exact address, then networks with a prefix, then with a mask; the narrower first.
        Some(Network { mask, form, .. }) => (true, Reverse(form), mask, text),
        None => (false, Reverse(0), 0, text),
    }
}

/// Returns the length of a text up to its first wildcard.
fn specificity(text: &str) -> usize {
    const NO_WILDCARD: usize = 128;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\\' if !escaped => escaped = true,
            b'%' | b'_' if !escaped => return (at + 1).min(NO_WILDCARD - 1),
            _ => escaped = false,
        }
    }
    if text.is_empty() { 0 } else { NO_WILDCARD }
}

struct Network {
    address: u32,
    mask: u32,
    /// Its notation: 0 is a single address, 1 has a prefix length, 2 has a mask.
    form: u8,
}

fn network(host: &str) -> Option<Network> {
    let address = |text: &str| text.parse::<Ipv4Addr>().ok().map(u32::from);
    let Some((text, mask)) = host.split_once('/') else {
        return Some(Network { address: address(host)?, mask: u32::MAX, form: 0 });
    };
    let (mask, form) = match mask.parse::<u32>() {
        Ok(length) => (u32::MAX.checked_shl(32_u32.checked_sub(length)?).unwrap_or(0), 1),
        Err(_) => (address(mask)?, 2),
    };
    Some(Network { address: address(text)?, mask, form })
}

/// Returns whether a client may match both. In doubt, yes.
fn overlap(one: &str, other: &str) -> bool {
    // An empty host is any host.
    let [one, other] = [one, other].map(|host| if host.is_empty() { "%" } else { host });
    if matches_no_client(one) || matches_no_client(other) {
        return false;
    }
    match (network(one), network(other)) {
        (Some(one), Some(other)) => {
            let mask = one.mask & other.mask;
            one.address & mask == other.address & mask
        }
        // A network against a pattern: only an exact address is compared.
        (Some(network), None) if network.form != 0 => true,
        (None, Some(network)) if network.form != 0 => true,
        // A client has a name and an address, and may match either.
        _ if is_address(one) != is_address(other) => true,
        _ => patterns_overlap(one.as_bytes(), other.as_bytes()),
    }
}

/// Returns whether a pattern matches addresses. `%` alone matches names too.
fn is_address(host: &str) -> bool {
    host.bytes().all(|b| b.is_ascii_digit() || b".:%_".contains(&b))
}

/// Returns whether any text matches both patterns, in which `%` is any text and `_` any character.
fn patterns_overlap(one: &[u8], other: &[u8]) -> bool {
    // The pairs of prefixes that some text matches.
    let mut common = vec![vec![false; other.len() + 1]; one.len() + 1];
    common[0][0] = true;
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            if !common[i][j] {
                continue;
            }
            let (a, b) = (one.get(i), other.get(j));
            let wild = a == Some(&b'%') || b == Some(&b'%');
            if wild && a.is_some() {
                common[i + 1][j] = true;
            }
            if wild && b.is_some() {
                common[i][j + 1] = true;
            }
            if let (Some(a), Some(b)) = (a, b)
                && (a == b || *a == b'_' || *b == b'_')
            {
                common[i + 1][j + 1] = true;
            }
        }
    }
    common[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> Account {
        let (user, host) = text.split_once('@').unwrap();
        Account::observed(user, host)
    }

    /// The order of the manual's table, from first to last.
    #[test]
    fn the_narrowest_host_comes_first_and_then_the_name() {
        let order = [
            "a@10.1.2.3",
            "@10.1.2.3",
            "a@10.1.2.0/24",
            "a@10.1.0.0/16",
            "a@10.1.2.0/255.255.255.0",
            "a@10.1.2.%",
            "@10.1.2.%",
            "a@10.%",
            "a@%",
            "@%",
        ];
        for (n, first) in order.iter().enumerate() {
            for later in &order[n + 1..] {
                assert!(precedes(&account(first), &account(later)), "{first} before {later}");
                assert!(!precedes(&account(later), &account(first)), "{later} after {first}");
            }
        }
        assert!(precedes(&account("a@db.example.com"), &account("a@%.example.com")));
    }

    #[test]
    fn hosts_without_a_common_client_don_t_compete() {
        for (one, other) in [
            ("a@10.0.0.1", "a@10.0.0.2"),
            ("a@10.0.0.1", "a@10.1.%"),
            ("a@10.0.0.1", "a@10.1.0.0/16"),
            ("a@10.0.%", "a@10.1.%"),
            ("a@db.example.com", "a@%.example.org"),
            ("a@*", "a@%"),
            ("a@10.0.0.*", "a@%"),
        ] {
            assert!(!precedes(&account(one), &account(other)), "{one} {other}");
            assert!(!precedes(&account(other), &account(one)), "{other} {one}");
        }
        assert!(matches_no_client("*") && !matches_no_client("%"));
    }
}
