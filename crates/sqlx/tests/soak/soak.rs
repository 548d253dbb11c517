//! A server, a pool on it under load, and the invariants of each lifetime of a token.

use std::time::{Duration, Instant};

use rds_iam_emulator_server::fixtures::{self, until};
use rds_iam_emulator_server::{Relay, Server};
use rds_iam_sqlx::{Limits, Pool};
use rds_iam_token::{LIFETIME, Minter, TokenSource};
use sqlx::AssertSqlSafe;

use crate::engine::{DATABASE, SoakEngine};
use crate::faults::Fault;
use crate::keys::Keys;
use crate::load::Load;
use crate::process::Log;
use crate::time::Time;

/// The most connections of the pool.
pub(crate) const MAX: u64 = 4;

/// The steps of a lifetime: the clock jumps, and the pool works on.
const STEPS: u64 = 6;

/// The statements of each step.
const STATEMENTS: u64 = 20;

/// The most tokens signed in a lifetime: each is replaced at half its life, and those that were refused at once.
const TOKENS: u64 = 4;

pub(crate) struct Soak<DB: SoakEngine> {
    pub(crate) server: Server<DB>,
    pub(crate) relay: Relay,
    pub(crate) pool: Pool<DB>,
    pub(crate) keys: Keys,
    time: Time,
    load: Load,
    pub(crate) log: &'static Log,
    lifetimes: u64,
    /// The lifetimes that cost too much, all of which are reported at the end.
    violations: Vec<String>,
}

/// The counters at one time.
struct Counts {
    logins: u64,
    signed: u64,
    unanswered: u64,
}

impl<DB: SoakEngine> Soak<DB> {
    pub(crate) async fn start() -> Self {
        let log = Log::get();
        let server = Server::<DB>::builder().database(DATABASE).start().await.unwrap();
        fixtures::execute(&server, [format!("CREATE TABLE {} (id BIGINT PRIMARY KEY)", DB::TABLE)])
            .await
            .unwrap();
        fixtures::create_user(&server, "app", &format!("SELECT, INSERT ON {DATABASE}.*")).await.unwrap();
        let relay = server.relay().await.unwrap();
        let (time, keys) = (Time::new(), Keys::new(server.credentials()));
        log.forbid(["X-Amz-Signature=".to_owned(), server.master().password().to_owned()]);
        log.forbid(keys.secrets());
        let minter = Minter::new(fixtures::login(&server, "app"), keys.clone(), time.clock());
        let limits = Limits::default().max_connections(MAX as u32).acquire_timeout(Duration::from_secs(20));
        let pool = Pool::builder(server.endpoint(), "app")
            .tokens(TokenSource::refresh_ahead(minter))
            .dial(relay.dial())
            .root_certificates(server.ca_pem())
            .database(DATABASE)
            .limits(limits)
            .connect()
            .await
            .unwrap();
        let load = Load::start(&pool);
        let soak = Self { server, relay, pool, keys, time, load, log, lifetimes: 0, violations: Vec::new() };
        soak.settle().await;
        soak
    }

    /// Lives through one lifetime of a token, with a fault in the middle, and checks what it cost.
    pub(crate) async fn live(&mut self, fault: Fault) {
        let (before, started) = (self.counts(), Instant::now());
        for step in 0..STEPS {
            if step == STEPS / 2 {
                self.inflict(fault).await;
            }
            self.advance(LIFETIME.as_secs() / STEPS);
            self.load.work(STATEMENTS).await;
        }
        self.settle().await;
        self.lifetimes += 1;

        let after = self.counts();
        let subject = format!("{fault:?} in lifetime {}", self.lifetimes);
        assert_eq!(self.load.unexpected(), [""; 0], "{subject}");
        assert_eq!(self.log.found(), [""; 0], "{subject}: a secret is in the log");
        let costs = [
            ("logins", after.logins - before.logins, fault.logins()),
            ("tokens signed", after.signed - before.signed, TOKENS),
            ("statements without an answer", after.unanswered - before.unanswered, fault.unanswered()),
        ];
        println!("{}: {subject}: {costs:?} in {:.1} s", DB::NAME, started.elapsed().as_secs_f64());
        let above = costs.iter().filter(|(_, cost, most)| cost > most);
        self.violations
            .extend(above.map(|(what, cost, most)| format!("{subject}: {cost} {what}, {most} at most")));
    }

    /// Ends the load, and compares the rows of the table with the acknowledged statements. Returns the number of these.
    pub(crate) async fn finish(mut self) -> u64 {
        self.load.stop().await;
        assert_eq!(self.violations, [""; 0]);
        let executed = match &self.load.unanswered()[..] {
            [] => 0,
            unanswered => {
                let ids: Vec<String> = unanswered.iter().map(i64::to_string).collect();
                self.count(format!("SELECT COUNT(*) FROM t WHERE id IN ({})", ids.join(", "))).await
            }
        };
        let rows = self.count("SELECT COUNT(*) FROM t".to_owned()).await;
        let acknowledged = self.load.acknowledged();
        assert_eq!(
            rows,
            acknowledged + executed,
            "rows; acknowledged statements, and executed ones without an answer"
        );
        let signed = self.pool.stats().tokens.minted;
        assert!(signed >= self.lifetimes, "{signed} tokens in {} lifetimes", self.lifetimes);
        assert!(self.log.signed() >= signed, "the log was really taken");
        self.pool.close().await;
        acknowledged
    }

    /// Moves the clocks of the server and the pool.
    fn advance(&self, seconds: u64) {
        let offset = self.time.advance(seconds);
        self.server.set_clock(offset).unwrap();
    }

    /// Moves the clocks until the token is neither so new that a refusal is reported at once, nor about to be replaced.
    pub(crate) async fn age_token(&self) {
        let some_age = Duration::from_secs(2)..LIFETIME * 2 / 5;
        until("a token of some age", async || {
            let (signed_at, _) = self.pool.stats().tokens.current.unwrap();
            let age = self.time.clock().now().duration_since(signed_at).unwrap_or_default();
            if !some_age.contains(&age) {
                self.advance(2);
            }
            some_age.contains(&age)
        })
        .await;
    }

    async fn count(&self, sql: String) -> u64 {
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap();
        DB::number(&row) as u64
    }

    /// Waits until the server has a session for each of the pool's connections, and no more.
    async fn settle(&self) {
        until("the pool has all its connections, and no more", async || {
            self.relay.open() as u64 == MAX && DB::sessions(&self.server).await as u64 == MAX
        })
        .await;
    }

    fn counts(&self) -> Counts {
        Counts {
            logins: self.server.logins().unwrap().len() as u64,
            signed: self.pool.stats().tokens.minted,
            unanswered: self.load.unanswered().len() as u64,
        }
    }
}
