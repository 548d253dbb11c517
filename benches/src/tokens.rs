//! Benchmark of a token's cost: signing it, getting it from the cache, and verifying it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use rds_iam_token::{AccessKey, Clock, Login, Minter, TokenSource, Verifier, sign};
use tokio::runtime::Runtime;

use crate::report::{Report, Row};
use crate::samples::{median, paired};

const HOST: &str = "prod-instance.us-east-1.rds.amazonaws.com";
/// The number of rounds of a pair; the figure is the median of their ratios.
const ROUNDS: usize = 41;
/// The number of calls per side and round.
const CALLS: u32 = 2_000;

pub(crate) fn measure(runtime: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    report.heading("Tokens: time per call");
    let session = "IQoJb3JpZ2luX2VjE".repeat(55);
    let keys = Credentials::new("AKIDEXAMPLE", "not-a-real-secret", None, None, "bench");
    let temporary = Credentials::new("ASIAEXAMPLE", "not-a-real-secret", Some(session), None, "bench");
    for (name, credentials) in [("static keys", &keys), ("session token of 935 bytes", &temporary)] {
        report.add(signing(runtime, name, credentials)?);
    }
    for row in cached(runtime, &keys)? {
        report.add(row);
    }
    for (name, credentials) in [("static keys", &keys), ("session token of 935 bytes", &temporary)] {
        report.add(verification(name, credentials)?);
    }
    Ok(())
}

fn login() -> anyhow::Result<Login> {
    Ok(Login::new(format!("{HOST}:3306").parse()?, "us-east-1".parse()?, "node_app".parse()?))
}

fn now() -> SystemTime {
    Clock::system().now()
}

fn signing(runtime: &Runtime, name: &str, credentials: &Credentials) -> anyhow::Result<Row> {
    let config = aws_config::SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
        .region(aws_config::Region::new("us-east-1"))
        .time_source(aws_smithy_async::time::SharedTimeSource::default())
        .build();
    let settings = Config::builder()
        .hostname(HOST)
        .port(3306)
        .username("node_app")
        .build()
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    let theirs = AuthTokenGenerator::new(settings);
    // Both sides go through a credentials provider, as in a service.
    let ours = Minter::new(login()?, credentials.clone(), Clock::system());
    let pair = paired(
        ROUNDS,
        || {
            Ok(time(CALLS, || {
                black_box(runtime.block_on(ours.mint()).is_ok());
            }))
        },
        || {
            Ok(time(CALLS, || {
                black_box(runtime.block_on(theirs.auth_token(&config)).is_ok());
            }))
        },
    )?;
    let row = Row::new(format!("sign, {name}"), pair.ours / 1e3, "µs");
    Ok(row.against("aws-sdk-rds", pair.theirs / 1e3, pair.ratio))
}

fn cached(runtime: &Runtime, credentials: &Credentials) -> anyhow::Result<[Row; 2]> {
    const TAKES: u32 = 200_000;
    const TASKS: u32 = 64;
    let tokens = TokenSource::lazy(Minter::new(login()?, credentials.clone(), Clock::system()));
    runtime.block_on(tokens.token())?;
    let take = |tokens: TokenSource, times: u32| async move {
        for _ in 0..times {
            black_box(tokens.token().await.is_ok());
        }
    };
    let one = || {
        let start = Instant::now();
        runtime.block_on(runtime.spawn(take(tokens.clone(), TAKES)))?;
        Ok(per_call(start.elapsed(), TAKES))
    };
    let many = || {
        let start = Instant::now();
        let tasks: Vec<_> = (0..TASKS).map(|_| runtime.spawn(take(tokens.clone(), TAKES / TASKS))).collect();
        for task in tasks {
            runtime.block_on(task)?;
        }
        Ok(per_call(start.elapsed(), TAKES))
    };
    let pair = paired(ROUNDS, many, one)?;
    let many = Row::new("take a cached token, 64 tasks, wall time per take", pair.ours, "ns");
    Ok([
        Row::new("take a cached token, one task", pair.theirs, "ns").goal(100.0),
        many.against("one task", pair.theirs, pair.ratio),
    ])
}

fn verification(name: &str, credentials: &Credentials) -> anyhow::Result<Row> {
    let login = login()?;
    let now = now();
    let token = Arc::new(sign(&login, credentials, now)?);
    let mut key = AccessKey::new(credentials.access_key_id(), credentials.secret_access_key());
    if let Some(session) = credentials.session_token() {
        key = key.session_token(session);
    }
    let server = Verifier::new(login.region, vec![login.endpoint], vec![key]);
    let mut samples: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            time(CALLS, || {
                black_box(server.verify(token.expose(), "node_app", now).is_ok());
            })
        })
        .collect();
    Ok(Row::new(format!("verify, {name}"), median(&mut samples) / 1e3, "µs"))
}

/// Returns the nanoseconds per call of `f`.
fn time(calls: u32, mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        f();
    }
    per_call(start.elapsed(), calls)
}

fn per_call(elapsed: Duration, calls: u32) -> f64 {
    elapsed.as_secs_f64() * 1e9 / f64::from(calls)
}
