//! Compares two sets of trust roots: the certificates added, removed and kept, for review before a refresh.

use std::fmt;

use super::{Certificate, Roots};

/// The differences between two sets of roots. `Display` lists added and removed certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The certificates in the new set only.
    pub added: Vec<Certificate>,
    /// The certificates in the old set only.
    pub removed: Vec<Certificate>,
    /// The certificates in both sets.
    pub kept: Vec<Certificate>,
}

impl Difference {
    /// Returns whether both sets have the same certificates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// Compares two sets by their certificates' bytes; order does not matter.
///
/// ```
/// use rds_iam_roots::{Roots, difference};
///
/// let change = difference(Roots::rds(), Roots::bundled());
/// assert_eq!((change.added.len(), change.removed.len()), (5, 0));
/// assert!(change.to_string().contains("+ Amazon Root CA 1, valid to 2038-01-17"));
/// ```
#[must_use]
pub fn difference(old: &Roots, new: &Roots) -> Difference {
    let only = |here: &Roots, there: &Roots| {
        here.iter().filter(|c| !there.certificates.contains(c)).cloned().collect::<Vec<_>>()
    };
    Difference {
        added: only(new, old),
        removed: only(old, new),
        kept: old.iter().filter(|c| new.certificates.contains(c)).cloned().collect(),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (sign, certificates) in [('+', &self.added), ('-', &self.removed)] {
            for certificate in certificates {
                let (name, date) = (certificate.name(), certificate.not_after_date());
                writeln!(f, "{sign} {name}, valid to {date}, SHA-256 {}", certificate.fingerprint())?;
            }
        }
        let (added, removed, kept) = (self.added.len(), self.removed.len(), self.kept.len());
        write!(f, "{added} added, {removed} removed, {kept} kept")
    }
}
