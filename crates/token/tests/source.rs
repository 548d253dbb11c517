//! Tests of the life of a cached token, on the test's own clock.
//!
//! Tokio's paused time jumps to the next timer whenever nothing else can run, so hours pass in milliseconds
//! and nothing is timed.

#[path = "source/provider.rs"]
mod provider;
#[path = "source/reload.rs"]
mod reload;
#[path = "source/trouble.rs"]
mod trouble;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use rds_iam_token::{Clock, LIFETIME, Login, MIN_REMAINING, MintError, Minter, TokenSource};
use tokio::time::{Instant, advance, sleep};

use provider::{Answer, TestTime, set_up};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn ahead_for_a_day_without_a_caller_waiting() {
    let (minter, provider, time) = set_up(&[], Answer::Keys);
    let tokens = TokenSource::refresh_ahead(minter);
    let first = tokens.token().await.unwrap();
    let mut least = LIFETIME;
    for _ in 0..24 * 60 {
        sleep(seconds(60)).await;
        least = least.min(tokens.token().await.unwrap().remaining(time.now()));
    }
    assert!(least >= LIFETIME * 45 / 100 - seconds(1), "least life when handed out: {least:?}");
    // A day is 96 lifetimes: between 1/0.55 and 1/0.45 tokens each half life.
    assert!((170..=220).contains(&provider.calls()), "{} tokens in a day", provider.calls());
    assert_eq!(tokens.stats().minted, provider.calls());
    assert!(!tokens.token().await.unwrap().is_same(&first));
}

#[tokio::test(start_paused = true)]
async fn the_background_refresh_ends_with_the_last_clone() {
    let (minter, provider, _) = set_up(&[], Answer::Keys);
    let tokens = TokenSource::refresh_ahead(minter);
    tokens.token().await.unwrap();
    let clone = tokens.clone();
    drop(tokens);
    sleep(seconds(3600)).await;
    let while_held = provider.calls();
    assert!(while_held > 5);
    drop(clone);
    sleep(seconds(3600)).await;
    assert_eq!(provider.calls(), while_held);
}

#[tokio::test(start_paused = true)]
async fn lazy_signs_once_until_a_minute_before_the_end() {
    let (minter, provider, time) = set_up(&[], Answer::Keys);
    let tokens = TokenSource::lazy(minter);
    assert_eq!(provider.calls(), 0);
    let first = tokens.token().await.unwrap();
    advance(LIFETIME - MIN_REMAINING).await;
    assert!(tokens.token().await.unwrap().is_same(&first));
    assert_eq!(provider.calls(), 1);
    advance(seconds(1)).await;
    let second = tokens.token().await.unwrap();
    assert!(!second.is_same(&first));
    assert_eq!((provider.calls(), second.remaining(time.now())), (2, LIFETIME));
}

#[tokio::test(start_paused = true)]
async fn one_signing_serves_everyone_who_waits() {
    let (minter, provider, _) = set_up(&[Answer::After(3)], Answer::Fail);
    let tokens = TokenSource::lazy(minter);
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            tokio::spawn({
                let tokens = tokens.clone();
                async move { tokens.token().await }
            })
        })
        .collect();
    for task in waiting {
        task.await.unwrap().expect("everyone gets the one token");
    }
    assert_eq!(provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_failure_serves_everyone_who_waits() {
    let (minter, provider, _) = set_up(&[Answer::Fail], Answer::Keys);
    let tokens = TokenSource::lazy(minter);
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            tokio::spawn({
                let tokens = tokens.clone();
                async move { tokens.token().await }
            })
        })
        .collect();
    for task in waiting {
        assert!(matches!(task.await.unwrap(), Err(MintError::ProviderFailed { .. })));
    }
    assert_eq!(provider.calls(), 1, "no caller retried at once");
    sleep(seconds(1)).await;
    assert!(tokens.token().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_leaves_nothing_locked() {
    let (minter, provider, _) = set_up(&[Answer::Hang], Answer::Keys);
    let tokens = TokenSource::lazy(minter);
    let started = Instant::now();
    let gave_up = tokio::time::timeout(seconds(2), tokens.token()).await;
    assert!(gave_up.is_err());
    // The attempt lives on to its own end, and the next one succeeds.
    assert!(matches!(tokens.token().await, Err(MintError::TimedOut)));
    assert_eq!(started.elapsed().as_secs(), 10);
    sleep(seconds(1)).await;
    assert!(tokens.token().await.is_ok());
    assert_eq!(provider.calls(), 2);
}

/// A task that ended without an answer, as when its runtime was shut down.
#[test]
fn an_attempt_that_is_lost_with_its_runtime_is_made_again() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let first = runtime();
    let (tokens, provider) = first.block_on(async {
        let (minter, provider, _) = set_up(&[Answer::Hang], Answer::Keys);
        let tokens = TokenSource::lazy(minter);
        assert!(tokio::time::timeout(seconds(2), tokens.token()).await.is_err());
        (tokens, provider)
    });
    drop(first);
    let token = runtime().block_on(tokens.token());
    assert!(token.is_ok(), "{token:?}");
    assert_eq!(provider.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_first_caller_waits_for_a_provider_that_hangs() {
    let (minter, _, _) = set_up(&[Answer::KeysFor(50)], Answer::Hang);
    let tokens = TokenSource::lazy(minter);
    tokens.token().await.unwrap();
    sleep(seconds(2)).await;
    let started = Instant::now();
    for _ in 0..100 {
        tokens.token().await.unwrap();
    }
    assert!(started.elapsed() <= seconds(2), "100 logins waited {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn impatient_callers_do_not_cancel_the_signing_they_wait_for() {
    // The token has less than a minute left, and the next one takes longer than a caller waits.
    let (minter, provider, _) = set_up(&[Answer::KeysFor(50)], Answer::AfterMillis(1500));
    let tokens = TokenSource::lazy(minter);
    let first = tokens.token().await.unwrap();
    sleep(seconds(2)).await;
    for _ in 0..50 {
        tokens.token().await.unwrap();
    }
    assert!(provider.calls() <= 3, "the source was called {} times", provider.calls());
    sleep(seconds(1)).await;
    assert!(!tokens.token().await.unwrap().is_same(&first), "none of these attempts was finished");
}

#[tokio::test(start_paused = true)]
async fn a_source_slower_than_every_caller_delivers_in_the_end() {
    for slow in [6, 9] {
        let (minter, provider, _) = set_up(&[], Answer::After(slow));
        let tokens = TokenSource::lazy(minter);
        let mut found = None;
        for _ in 0..4 {
            found = found.or(tokio::time::timeout(seconds(3), tokens.token()).await.ok());
        }
        assert!(found.is_some_and(|token| token.is_ok()), "{slow} s: {} attempts", provider.calls());
        assert_eq!(provider.calls(), 1, "{slow} s");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_at_once_cause_at_most_one_attempt_a_second() {
    let (minter, provider, _) = set_up(&[], Answer::AfterMillis(1500));
    let tokens = TokenSource::lazy(minter);
    let started = Instant::now();
    // Each refuses what it has, as a server would that accepts none.
    let mut refused = tokens.token().await.unwrap();
    for _ in 0..200 {
        let replaced = tokio::time::timeout(Duration::from_millis(50), tokens.replace(&refused)).await;
        refused = replaced.map_or(refused, Result::unwrap);
    }
    let elapsed = started.elapsed().as_secs();
    assert!(provider.calls() <= elapsed, "{} calls in {elapsed} s", provider.calls());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up_after_ten_seconds() {
    let (minter, _, _) = set_up(&[Answer::Hang], Answer::Keys);
    let tokens = TokenSource::lazy(minter);
    let started = Instant::now();
    assert!(matches!(tokens.token().await, Err(MintError::TimedOut)));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_old_token_serves_while_the_provider_hangs() {
    let (minter, _, time) = set_up(&[Answer::KeysFor(120)], Answer::Hang);
    let tokens = TokenSource::refresh_ahead(minter);
    let first = tokens.token().await.unwrap();
    sleep(seconds(70)).await;
    for _ in 0..40 {
        let started = Instant::now();
        let token = tokens.token().await.unwrap();
        assert!(token.is_same(&first) && !token.remaining(time.now()).is_zero());
        assert!(started.elapsed() <= seconds(1), "a caller waited for {:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_token_serves_while_refreshing_fails_but_never_past_its_end() {
    let (minter, provider, time) = set_up(&[Answer::Keys], Answer::Fail);
    let tokens = TokenSource::refresh_ahead(minter);
    let first = tokens.token().await.unwrap();
    let mut served = seconds(0);
    let mut refused = 0;
    while served < LIFETIME + seconds(120) {
        match tokens.token().await {
            Ok(token) => {
                assert!(token.is_same(&first) && !token.remaining(time.now()).is_zero());
                assert_eq!(refused, 0, "no token after the end");
            }
            Err(error) => {
                assert!(time.now() >= first.expires_at(), "refused although the old token lives");
                assert!(error.is_retryable());
                refused += 1;
            }
        }
        sleep(seconds(5)).await;
        served += seconds(5);
    }
    assert!(refused > 0);
    // From half-life on: retries at 1 to 30 s, and the callers' own in the last minute, one a second at most.
    let stats = tokens.stats();
    assert!((20..=700).contains(&stats.failed), "{} attempts", stats.failed);
    assert_eq!(stats.failed + 1, provider.calls());
    assert!(stats.last_error.is_some(), "a failure in the background is visible before the token expires");
}

#[tokio::test(start_paused = true)]
async fn it_recovers_in_the_background() {
    let fail_for_a_while = [&[Answer::Keys][..], &[Answer::Fail; 8]].concat();
    let (minter, _, time) = set_up(&fail_for_a_while, Answer::Keys);
    let tokens = TokenSource::refresh_ahead(minter);
    tokens.token().await.unwrap();
    sleep(LIFETIME - MIN_REMAINING).await;
    let stats = tokens.stats();
    assert_eq!((stats.minted, stats.failed), (2, 8));
    assert!(stats.last_error.is_none());
    assert!(stats.current.unwrap().1 > time.now() + MIN_REMAINING);
}

#[tokio::test(start_paused = true)]
async fn validity_is_checked_at_use_for_timers_stop_while_a_machine_sleeps() {
    let (minter, _, time) = set_up(&[], Answer::Keys);
    let tokens = TokenSource::refresh_ahead(minter);
    let first = tokens.token().await.unwrap();
    time.asleep.store(5000, Ordering::SeqCst);
    let second = tokens.token().await.unwrap();
    assert!(!second.is_same(&first));
    assert_eq!(second.remaining(time.now()), LIFETIME);
}

#[tokio::test(start_paused = true)]
async fn tokens_follow_credentials_that_live_shorter() {
    let (minter, provider, time) = set_up(&[], Answer::KeysFor(120));
    let tokens = TokenSource::refresh_ahead(minter);
    for _ in 0..600 {
        let token = tokens.token().await.unwrap();
        assert!(
            token.remaining(time.now()) >= MIN_REMAINING - seconds(1)
                && token.remaining(time.now()) <= seconds(120)
        );
        sleep(seconds(1)).await;
    }
    assert!((9..=13).contains(&provider.calls()), "{} tokens in ten minutes", provider.calls());
}

#[tokio::test(start_paused = true)]
async fn credentials_about_to_end_are_not_asked_for_in_a_loop() {
    let (minter, provider, time) = set_up(&[], Answer::KeysFor(10));
    let tokens = TokenSource::lazy(minter);
    for _ in 0..1000 {
        assert!(!tokens.token().await.unwrap().remaining(time.now()).is_zero());
        sleep(Duration::from_millis(10)).await;
    }
    assert!(provider.calls() <= 11, "{} calls in ten seconds", provider.calls());
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_once_however_many_ask() {
    let (minter, provider, _) = set_up(&[], Answer::Keys);
    let tokens = TokenSource::lazy(minter);
    let refused = tokens.token().await.unwrap();
    sleep(seconds(30)).await;
    let replaced = futures_of(64, &tokens, &refused).await;
    assert!(replaced.iter().all(|t| t.is_same(&replaced[0]) && !t.is_same(&refused)));
    assert_eq!(provider.calls(), 2);
    assert!(tokens.token().await.unwrap().is_same(&replaced[0]));
}

async fn futures_of(
    n: usize,
    tokens: &TokenSource,
    refused: &rds_iam_token::Token,
) -> Vec<rds_iam_token::Token> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..n {
        let (tokens, refused) = (tokens.clone(), refused.clone());
        tasks.spawn(async move { tokens.replace(&refused).await.unwrap() });
    }
    tasks.join_all().await
}

#[tokio::test(start_paused = true)]
async fn no_credentials_is_a_configuration_error_with_a_hint() {
    let (minter, _, _) = set_up(&[], Answer::NotLoaded);
    let error = TokenSource::lazy(minter).token().await.unwrap_err();
    assert!(!error.is_retryable());
    insta::assert_snapshot!(error, @"no AWS credentials were found: configure a profile, an instance, task or pod role, or the AWS_* variables");
}

#[tokio::test(start_paused = true)]
async fn subscribers_get_every_new_token() {
    let (minter, _, _) = set_up(&[], Answer::Keys);
    let tokens = TokenSource::refresh_ahead(minter);
    let mut renewals = tokens.subscribe();
    for expected in 1..=5 {
        renewals.changed().await.unwrap();
        assert_eq!(*renewals.borrow_and_update(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_secret_in_debug() {
    let (minter, _, _) = set_up(&[], Answer::Keys);
    let tokens = TokenSource::lazy(minter);
    let token = tokens.token().await.unwrap();
    let printed = format!("{tokens:?} {:?} {token:?}", tokens.stats());
    assert!(!printed.contains("X-Amz") && !printed.contains("secret"), "{printed}");
}
