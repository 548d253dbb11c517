//! The order of versions, which are numbers between dots.

use std::cmp::Ordering;

/// Compares two versions number by number. Missing numbers, and those that are none, count as 0.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        let mut numbers: Vec<u64> = version.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        numbers
    };
    numbers(one).cmp(&numbers(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for (one, other, expected) in [
            ("3.0.196.0", "3.0.196.0", Ordering::Equal),
            ("3.0.197.0", "3.0.196.0", Ordering::Greater),
            ("3.0.1000.0", "3.0.196.0", Ordering::Greater),
            ("2.3.722.0", "3.0.196.0", Ordering::Less),
            ("1.1.70", "1.1.70.0", Ordering::Equal),
            ("1.1.70.1", "1.1.70", Ordering::Greater),
            ("", "1.1.70", Ordering::Less),
        ] {
            assert_eq!(compare(one, other), expected, "{one} and {other}");
        }
    }
}
