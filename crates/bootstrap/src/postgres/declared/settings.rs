//! Validates the declared settings of a user's sessions, and writes them in SQL.

use std::collections::BTreeMap;

use crate::declaration::Violations;
use crate::postgres::names::{identifier, literal};

/// The settings that may be declared: limits in time, and the schemas of names without one. Others could weaken what the
/// declaration protects, such as `role`.
pub(crate) const SETTINGS: [&str; 4] =
    ["idle_in_transaction_session_timeout", "lock_timeout", "search_path", "statement_timeout"];

/// Returns the settings in the server's form.
pub(super) fn check(
    settings: &BTreeMap<String, String>,
    user: &str,
    violations: &mut Violations,
) -> BTreeMap<String, String> {
    let mut checked = BTreeMap::new();
    for (name, value) in settings {
        if !SETTINGS.contains(&name.as_str()) {
            violations.add(
                user,
                format_args!("the setting {name:?} can't be declared: expected {}", SETTINGS.join(", ")),
            );
        } else if name == "search_path" && schemas(value).iter().any(|schema| !is_plain(schema)) {
            violations.add(
                user,
                format_args!(
                    "search_path = {value:?} is not a list of schemas such as \"app, public\": use lower-case letters, digits and _, or $user"
                ),
            );
        } else if name != "search_path" && !is_time(value) {
            violations.add(
                user,
                format_args!(
                    "{name} = {value:?} is not a time such as \"4s\" or \"500ms\", of at most 2147483647 ms (24 days)"
                ),
            );
        } else {
            checked.insert(name.clone(), normal(name, value));
        }
    }
    checked
}

/// Returns a value in the form that two equal ones share.
pub(crate) fn normal(name: &str, value: &str) -> String {
    if name == "search_path" { schemas(value).join(", ") } else { value.to_owned() }
}

/// Returns a value in SQL.
pub(crate) fn sql(name: &str, value: &str) -> String {
    if name == "search_path" {
        let schemas = schemas(value);
        return schemas.iter().map(|schema| identifier(schema)).collect::<Vec<_>>().join(", ");
    }
    literal(value)
}

fn schemas(value: &str) -> Vec<String> {
    value.split(',').map(|schema| schema.trim().trim_matches('"').to_owned()).collect()
}

fn is_plain(schema: &str) -> bool {
    let is_first = |c: char| c.is_ascii_lowercase() || c == '_';
    schema == "$user"
        || (schema.starts_with(is_first) && schema.chars().all(|c| is_first(c) || c.is_ascii_digit()))
}

/// Returns whether a value is a time that the server accepts: its milliseconds fit in an `int`.
fn is_time(value: &str) -> bool {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return false,
    };
    let milliseconds = number.parse::<i32>().ok().and_then(|number| number.checked_mul(factor));
    milliseconds.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_sql() {
        for (name, value, expected) in [
            ("statement_timeout", "4s", "'4s'"),
            ("search_path", "app,public", "\"app\", \"public\""),
            ("search_path", "\"$user\", public", "\"$user\", \"public\""),
        ] {
            assert_eq!(sql(name, &normal(name, value)), expected);
        }
    }

    #[test]
    fn times_and_schemas() {
        for value in ["0", "500ms", "4s", "2min", "1h", "24d", "2147483647", "2147483s"] {
            assert!(is_time(value), "{value}");
        }
        for value in [
            "",
            "s",
            "4 s",
            "-1",
            "4s'; --",
            "4S",
            "1.5s",
            "9999999999",
            "2147483648",
            "2147484s",
            "25d",
            "999999999d",
        ] {
            assert!(!is_time(value), "{value}");
        }
        for value in ["App", "a b", "", "pg catalog", "1a", "a\"b"] {
            assert!(!is_plain(value), "{value}");
        }
    }
}
