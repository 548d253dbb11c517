//! A pool on each engine under constant load, over many lifetimes of tokens, with one fault in most of them. No acknowledged
//! statement is lost, logins and connections stay bounded, memory does not grow, and no secret is in a log.
//!
//! `RDS_IAM_SOAK` is the number of rounds: 1 by default, 10 in `cargo xtask test --only soak`. Each round has every fault once.

mod engine;
mod faults;
mod keys;
mod load;
mod process;
mod soak;
mod time;

use rds_iam_emulator_server::on_each_engine;
use tokio::sync::Mutex;

use engine::SoakEngine;
use faults::Fault;
use soak::Soak;

on_each_engine![a_pool_stays_authenticated_over_many_lifetimes_of_tokens];

/// The most that the process may grow after its first quarter: 16 MiB. The allocator's own variation was 3 MiB.
const GROWTH: u64 = 16 * 1024;

/// The most file descriptors that may be left: those of connections that are being replaced.
const DESCRIPTORS: usize = 16;

/// Engines one after another, because memory and descriptors are the process's.
static ONE_ENGINE: Mutex<()> = Mutex::const_new(());

/// Returns the number of rounds.
fn rounds() -> usize {
    match std::env::var("RDS_IAM_SOAK") {
        Err(_) => 1,
        Ok(rounds) => match rounds.parse() {
            Ok(rounds @ 1..) => rounds,
            _ => panic!("RDS_IAM_SOAK is {rounds:?}; expected the number of rounds, 1 or more"),
        },
    }
}

async fn a_pool_stays_authenticated_over_many_lifetimes_of_tokens<DB: SoakEngine>() {
    let _one = ONE_ENGINE.lock().await;
    let lifetimes = rounds() * Fault::ALL.len();
    let mut soak = Soak::<DB>::start().await;
    let mut before = process::usage();
    for lifetime in 0..lifetimes {
        soak.live(Fault::ALL[lifetime % Fault::ALL.len()]).await;
        if lifetime == lifetimes / 4 {
            before = process::usage();
        }
    }
    let after = process::usage();
    let acknowledged = soak.finish().await;
    println!("{}: {lifetimes} lifetimes, {acknowledged} statements, {before:?}, then {after:?}", DB::NAME);
    let (memory, descriptors) = (before.memory + GROWTH, before.descriptors + DESCRIPTORS);
    assert!(after.memory <= memory, "the process grew: {before:?}, then {after:?}");
    assert!(after.descriptors <= descriptors, "descriptors are left: {before:?}, then {after:?}");
}
