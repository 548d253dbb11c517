//! Properties of the reader of `terraform show -json`, for arbitrary text and for damaged plans.

use proptest::prelude::*;
use proptest::test_runner::Config;
use rds_iam_tfplan::Plan;
use serde_json::Value;

const PLAN: &str = include_str!("plans/clean/plan.json");

fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

/// Returns arbitrary JSON of a few levels; strings are often keys and values of plans.
fn values() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "\\PC{0,12}",
        "(create|delete|no-op|read|update|managed|data|aws_db_instance|aws_iam_policy|arn:aws:rds-db:\\*|\\*|1\\.2)",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces the value at `path`, one index per level.
fn replace(value: &mut Value, path: &[prop::sample::Index], new: Value) {
    match (path.split_first(), value) {
        (Some((index, rest)), Value::Array(items)) if !items.is_empty() => {
            let at = index.index(items.len());
            replace(&mut items[at], rest, new);
        }
        (Some((index, rest)), Value::Object(map)) if !map.is_empty() => {
            let at = index.index(map.len());
            replace(map.values_mut().nth(at).unwrap(), rest, new);
        }
        (_, place) => *place = new,
    }
}

/// Reads a text and renders its review in every format. An error has a message.
fn check(text: &str) -> Result<(), TestCaseError> {
    match Plan::parse(text) {
        Ok(plan) => {
            let review = plan.review();
            prop_assert!(!review.to_string().is_empty());
            prop_assert!(serde_json::from_str::<Value>(&review.to_json()).is_ok());
            prop_assert!(serde_json::from_str::<Value>(&review.to_sarif(".")).is_ok());
        }
        Err(error) => prop_assert!(!error.to_string().is_empty()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn arbitrary_json_never_panics(value in values()) {
        check(&value.to_string())?;
    }

    #[test]
    fn a_plan_with_an_arbitrary_part_never_panics(
        path in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
        new in values(),
    ) {
        let mut plan: Value = serde_json::from_str(PLAN).unwrap();
        replace(&mut plan, &path, new);
        check(&plan.to_string())?;
    }

    #[test]
    fn a_plan_that_is_cut_off_is_an_error(at in any::<prop::sample::Index>()) {
        let end = at.index(PLAN.trim_end().len());
        prop_assume!(PLAN.is_char_boundary(end));
        prop_assert!(Plan::parse(&PLAN[..end]).is_err());
    }
}
