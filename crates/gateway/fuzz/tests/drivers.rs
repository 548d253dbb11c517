//! Runs the drivers of the fuzz targets without libFuzzer: over their seeds, and over changes of them.

use std::panic::catch_unwind;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestError, TestRunner};
use rds_iam_gateway_fuzz::seeds::{TARGETS, Target};

/// A change of an input at a place.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Remove(Index, u8),
    Insert(Index, Vec<u8>),
    /// Bytes of another seed.
    Splice(Index, Index, Index, u8),
}

impl Change {
    fn apply(&self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let place = |index: &Index| index.index(input.len() + 1);
        match self {
            Self::Set(at, byte) => {
                let at = place(at);
                input.get_mut(at).into_iter().for_each(|place| *place = *byte);
            }
            Self::Remove(at, count) => {
                let at = place(at);
                input.drain(at..input.len().min(at + usize::from(*count)));
            }
            Self::Insert(at, bytes) => {
                let at = place(at);
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Splice(at, seed, from, count) => {
                let (at, seed) = (place(at), seed.get(seeds));
                let from = from.index(seed.len() + 1);
                let bytes = &seed[from..seed.len().min(from + usize::from(*count))];
                input.splice(at..at, bytes.iter().copied());
            }
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    // The values at which lengths and flags change their meaning.
    let byte =
        || prop_oneof![any::<u8>(), proptest::sample::select(&[0, 1, 3, 4, 64, 127, 128, 250, 255][..])];
    let change = prop_oneof![
        4 => (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (any::<Index>(), proptest::collection::vec(byte(), 1..9)).prop_map(|(at, b)| Change::Insert(at, b)),
        1 => any::<(Index, Index, Index, u8)>().prop_map(|(at, seed, from, n)| Change::Splice(at, seed, from, n)),
    ];
    proptest::collection::vec(change, 0..6)
}

/// Runs a driver over its seeds, and over changed ones: `times` the number of proptest, which is 256, or that of
/// `PROPTEST_CASES`.
fn run(driver: fn(&[u8]), seeds: &[Vec<u8>], times: u32) {
    for seed in seeds {
        driver(seed);
    }
    let mut config = Config { failure_persistence: None, ..Config::default() };
    config.cases *= times;
    let changed = |(seed, changes): &(Index, Vec<Change>)| {
        let mut input = seed.get(seeds).clone();
        changes.iter().for_each(|change| change.apply(&mut input, seeds));
        input
    };
    let result = TestRunner::new(config).run(&(any::<Index>(), changes()), |input| {
        driver(&changed(&input));
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Err(TestError::Fail(reason, input)) => {
            panic!("{reason}, with the input b\"{}\"", changed(&input).escape_ascii())
        }
    }
}

fn run_target(name: &str, times: u32) {
    let Some(Target { run: driver, seeds, .. }) = TARGETS.iter().find(|target| target.name == name) else {
        panic!("no target {name}")
    };
    run(*driver, &seeds(), times);
}

#[test]
fn frames_have_the_decisions_of_a_model_wherever_they_are_split() {
    run_target("mysql_frames", 8);
    run_target("postgres_frames", 8);
}

#[test]
fn logins_end_with_a_session_or_a_reported_failure() {
    run_target("mysql_login", 8);
    run_target("postgres_login", 8);
}

#[test]
fn sessions_pass_whole_and_in_order() {
    run_target("relay", 8);
}

#[test]
fn a_session_is_opened_or_refused_over_tls() {
    run_target("sessions", 1);
}

#[test]
fn a_length_that_is_trusted_is_found() {
    let Some(relay) = TARGETS.iter().find(|target| target.name == "relay") else { panic!("no target") };
    let seeds = (relay.seeds)();
    let found = catch_unwind(|| run(rds_iam_gateway_fuzz::planted_fault, &seeds, 40));
    let found = found.expect_err("the drivers do not find the planted fault");
    let message = found.downcast_ref::<String>().expect("a message");
    assert!(message.contains("out of range for slice of length 64"), "{message}");
}
