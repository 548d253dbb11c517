//! Runs the drivers of the fuzz targets without libFuzzer: over their seeds, changed ones, and arbitrary bytes.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use rds_iam_tunnel_fuzz::{frames, messages, reliable, seeds};

fn run(driver: fn(&[u8]), seeds: &[Vec<u8>]) {
    seeds.iter().for_each(|seed| driver(seed));
    let changes = proptest::collection::vec(any::<(Index, u8)>(), 0..6);
    let changed = (any::<Index>(), changes).prop_map(|(seed, changes)| {
        let mut input = seed.get(seeds).clone();
        for (at, byte) in changes {
            let at = at.index(input.len() + 1);
            input.get_mut(at).into_iter().for_each(|place| *place = byte);
        }
        input
    });
    let input = prop_oneof![changed, proptest::collection::vec(any::<u8>(), 0..300)];
    let config =
        Config { failure_persistence: None, cases: 4 * Config::default().cases, ..Config::default() };
    let tested = TestRunner::new(config).run(&input, |input| {
        driver(&input);
        Ok(())
    });
    if let Err(error) = tested {
        panic!("{error}");
    }
}

#[test]
fn messages_are_read_or_refused() {
    run(messages, &seeds::messages());
}

#[test]
fn frames_are_the_same_wherever_they_are_split() {
    run(frames, &seeds::frames());
}

#[test]
fn each_message_arrives_once_and_in_order() {
    run(reliable, &seeds::reliable());
}
