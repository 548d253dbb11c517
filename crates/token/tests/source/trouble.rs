//! Tests of a failing source of credentials, where the old token is used and the error is logged once a
//! minute, and of clocks that jump.

use std::io::Write;
use std::sync::LazyLock;

use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;

use super::*;

/// The lines of a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self, containing: &str) -> usize {
        let text = self.0.lock().unwrap();
        String::from_utf8_lossy(&text).lines().filter(|line| line.contains(containing)).count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Captures the log of this thread, which runs the whole of a test.
fn log() -> (Log, tracing::subscriber::DefaultGuard) {
    // With a single subscriber, tracing queries the one of the thread that reaches a call site first, another
    // test's, and caches "none" for all threads.
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    LazyLock::force(&SECOND);
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || written.clone()).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

#[tokio::test(start_paused = true)]
async fn a_source_in_trouble_is_logged_once_a_minute_not_once_a_login() {
    for trouble in [Answer::Fail, Answer::Hang, Answer::NotLoaded] {
        let (log, _guard) = log();
        let (minter, _, time) = set_up(&[Answer::KeysFor(600)], trouble);
        let tokens = TokenSource::refresh_ahead(minter);
        let first = tokens.token().await.unwrap();
        // From the half-life on refreshing fails; in the last minute each login tries too.
        let mut logins = 0;
        while time.now() < first.expires_at() - seconds(2) {
            assert!(tokens.token().await.unwrap().is_same(&first), "{trouble:?}");
            logins += 1;
            sleep(Duration::from_millis(200)).await;
        }
        let lines = log.lines("no new IAM token could be signed");
        assert!((4..=6).contains(&lines), "{trouble:?}: {lines} lines in 5 minutes, {logins} logins");
        // With its causes in one text: logs in JSON have no others.
        let with_cause =
            log.lines("error=fetching AWS credentials failed: an error occurred while loading credentials");
        assert!(!matches!(trouble, Answer::Fail) || with_cause == lines, "{with_cause} of {lines}");
    }
}

/// Each request may start a program that never ends.
#[tokio::test(start_paused = true)]
async fn a_source_that_does_not_answer_is_asked_ever_more_seldom() {
    for ahead in [true, false] {
        let (minter, provider, _) = set_up(&[], Answer::Hang);
        let tokens = if ahead { TokenSource::refresh_ahead(minter) } else { TokenSource::lazy(minter) };
        let started = Instant::now();
        while started.elapsed() < seconds(3600) {
            assert!(matches!(tokens.token().await, Err(MintError::TimedOut)));
            sleep(seconds(1)).await;
        }
        assert!((14..=17).contains(&provider.calls()), "{} questions in an hour", provider.calls());
    }
}

/// An answer that comes after its attempt has ended is used by the next one.
#[tokio::test(start_paused = true)]
async fn a_late_answer_is_taken() {
    let (minter, provider, _) = set_up(&[Answer::Hang, Answer::After(15)], Answer::Fail);
    let tokens = TokenSource::refresh_ahead(minter);
    sleep(seconds(60)).await;
    assert!(tokens.token().await.is_ok());
    assert_eq!(provider.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_end_in_half_a_minute_serve_and_are_logged_once_a_minute() {
    for ahead in [true, false] {
        let (log, _guard) = log();
        let (minter, provider, time) = set_up(&[], Answer::KeysFor(30));
        let tokens = if ahead { TokenSource::refresh_ahead(minter) } else { TokenSource::lazy(minter) };
        let started = Instant::now();
        while started.elapsed() < seconds(300) {
            assert!(!tokens.token().await.unwrap().remaining(time.now()).is_zero());
            sleep(Duration::from_millis(100)).await;
        }
        assert!(provider.calls() <= 310, "{} calls in 5 minutes", provider.calls());
        let lines = log.lines("the AWS credentials end in less than a minute");
        assert!((5..=6).contains(&lines), "{lines} lines in 5 minutes");
    }
}

/// The wall clock, which jumps while Tokio's continues.
#[derive(Clone, Debug)]
struct Jumping(TestTime, Arc<std::sync::atomic::AtomicI64>);

impl TimeSource for Jumping {
    fn now(&self) -> SystemTime {
        let off = self.1.load(Ordering::SeqCst);
        let by = seconds(off.unsigned_abs());
        if off < 0 { self.0.now() - by } else { self.0.now() + by }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_from_the_future_is_replaced() {
    for ahead in [true, false] {
        for jump in [-2, -30, -301, -7200, -86_400 * 365, 7200] {
            let (_, provider, time) = set_up(&[], Answer::Keys);
            let clock = Jumping(time, Arc::default());
            let login = Login::new(
                "db.example.com:3306".parse().unwrap(),
                "eu-west-1".parse().unwrap(),
                "app".parse().unwrap(),
            );
            let minter = Minter::new(login, provider.clone(), Clock::new(clock.clone(), TokioSleep::new()));
            let tokens = if ahead { TokenSource::refresh_ahead(minter) } else { TokenSource::lazy(minter) };
            let first = tokens.token().await.unwrap();
            sleep(seconds(5)).await;
            clock.1.store(jump, Ordering::SeqCst);
            let second = tokens.token().await.unwrap();
            // Five seconds have passed: a jump of two back leaves it in the past.
            let replaced = jump != -2;
            assert_eq!(!second.is_same(&first), replaced, "{jump}");
            assert!(second.remaining(clock.now()) <= LIFETIME, "{jump}");
            assert_eq!(provider.calls(), 1 + u64::from(replaced), "{jump}");
            // And none of this keeps the next one from coming in time.
            sleep(LIFETIME * 2).await;
            assert!(tokens.token().await.unwrap().remaining(clock.now()) >= MIN_REMAINING, "{jump}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_from_the_future_serves_where_no_other_can_be_had() {
    for (jump, serves) in [(-250, true), (-400, false)] {
        let (_, provider, time) = set_up(&[Answer::Keys], Answer::Fail);
        let clock = Jumping(time, Arc::default());
        let login = Login::new(
            "db.example.com:3306".parse().unwrap(),
            "eu-west-1".parse().unwrap(),
            "app".parse().unwrap(),
        );
        let minter = Minter::new(login, provider, Clock::new(clock.clone(), TokioSleep::new()));
        let tokens = TokenSource::lazy(minter);
        tokens.token().await.unwrap();
        clock.1.store(jump, Ordering::SeqCst);
        sleep(seconds(1)).await;
        // A server accepts what was signed up to five minutes ahead of its clock.
        assert_eq!(tokens.token().await.is_ok(), serves, "{jump}");
    }
}
