//! Refused logins that PostgreSQL does not explain (28000): a denial, or a server that restarts. Decides by the time and the
//! token of the refusals in a row.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rds_iam_token::Token;
use tokio::time::Instant;

/// The time after which a second refusal confirms the first: 1 second, the granularity of a token's time.
pub(crate) const CONFIRMATION: Duration = Duration::from_secs(1);

/// The time after which a refusal that was not confirmed is forgotten: 1 minute, as long as a reboot may take.
const MEMORY: Duration = Duration::from_secs(60);

/// The refusals since the last login that succeeded.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    First {
        at: Instant,
        token: Token,
    },
    Confirmed,
}

/// The meaning of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Unknown: wait so long, then log in with a new token.
    Wait(Duration),
    /// The login is denied.
    Denied,
}

impl Refusals {
    /// Records a refusal of a token, and returns its meaning.
    pub(crate) fn judge(&self, now: Instant, token: &Token) -> Verdict {
        let mut state = self.lock();
        let (after, verdict) = judge(mem::take(&mut *state), now, token);
        *state = after;
        verdict
    }

    /// Records that a login succeeded.
    pub(crate) fn forget(&self) {
        *self.lock() = State::None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the state after a refusal, and its meaning.
fn judge(state: State, now: Instant, token: &Token) -> (State, Verdict) {
    match state {
        State::Confirmed => (State::Confirmed, Verdict::Denied),
        State::First { at, token: first } if now.duration_since(at) < MEMORY => {
            let since = now.duration_since(at);
            if since >= CONFIRMATION && !token.is_same(&first) {
                (State::Confirmed, Verdict::Denied)
            } else {
                let wait = CONFIRMATION.saturating_sub(since);
                (State::First { at, token: first }, Verdict::Wait(wait))
            }
        }
        State::None | State::First { .. } => {
            (State::First { at: now, token: token.clone() }, Verdict::Wait(CONFIRMATION))
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use rds_iam_token::{Clock, Login, Minter, TokenSource};

    use super::*;

    /// Returns two tokens of one login.
    async fn tokens() -> [Token; 2] {
        let endpoint = "orders.c0ffee.eu-west-1.rds.amazonaws.com:5432".parse().unwrap();
        let login = Login::new(endpoint, "eu-west-1".parse().unwrap(), "app".parse().unwrap());
        let keys = Credentials::new("AKIDEXAMPLE", "not-a-real-secret", None, None, "test");
        let source = TokenSource::lazy(Minter::new(login, keys, Clock::system()));
        let first = source.token().await.unwrap();
        let second = source.replace(&first).await.unwrap();
        [first, second]
    }

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_refusal_is_a_denial_once_a_new_token_was_refused_a_second_later() {
        let [first, second] = tokens().await;
        let start = Instant::now();
        let refusals = Refusals::default();
        for (after, token, verdict) in [
            (0, &first, Verdict::Wait(1000 * MS)),
            // Another caller with the same token, and with a new one before the second is over.
            (300, &first, Verdict::Wait(700 * MS)),
            (999, &second, Verdict::Wait(MS)),
            // The same token again proves nothing.
            (1500, &first, Verdict::Wait(Duration::ZERO)),
            (1500, &second, Verdict::Denied),
            // From then on, the first login is enough.
            (1501, &first, Verdict::Denied),
            (3_600_000, &first, Verdict::Denied),
        ] {
            assert_eq!(refusals.judge(start + after * MS, token), verdict, "after {after} ms");
        }
        // Until a login succeeds.
        refusals.forget();
        assert_eq!(refusals.judge(start, &second), Verdict::Wait(1000 * MS));
    }

    #[tokio::test]
    async fn a_refusal_of_long_ago_confirms_nothing() {
        let [first, second] = tokens().await;
        let start = Instant::now();
        let refusals = Refusals::default();
        refusals.judge(start, &first);
        let late = start + MEMORY;
        assert_eq!(refusals.judge(late, &second), Verdict::Wait(CONFIRMATION));
        assert_eq!(refusals.judge(late + CONFIRMATION, &first), Verdict::Denied);
    }
}
