//! Metrics for Prometheus: requests are counted as they happen, pool and token are read at each scrape.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};
use rds_iam_token::Clock;

use crate::pool::Database;

/// The media type of [`Metrics::encode`]'s text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the duration histogram, in seconds; the last is the request timeout.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

impl Metrics {
    pub(crate) fn new(pool: Database, clock: Clock) -> Self {
        let requests = Family::default();
        let durations = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let mut registry = Registry::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time to answer a request",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register_collector(Box::new(PoolCollector { pool, clock }));
        Self { registry, requests, durations }
    }

    pub(crate) fn observe(&self, method: &'static str, route: String, status: u16, took: Duration) {
        self.requests.get_or_create(&RequestLabels { method, route: route.clone(), status }).inc();
        self.durations.get_or_create(&RouteLabels { method, route }).observe(took.as_secs_f64());
    }

    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(8 * 1024);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The collector of the pool's and the token's metrics.
#[derive(Debug)]
struct PoolCollector {
    pool: Database,
    clock: Clock,
}

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.pool.stats();
        let in_use = stats.size.saturating_sub(stats.idle);

        let mut connections = encoder.encode_descriptor(
            "rds_iam_pool_connections",
            "Connections open",
            None,
            MetricType::Gauge,
        )?;
        for (state, count) in [("idle", stats.idle), ("in_use", in_use)] {
            ConstGauge::new(count).encode(connections.encode_family(&[("state", state)])?)?;
        }
        let mut failures = encoder.encode_descriptor(
            "rds_iam_pool_failures",
            "Logins and statements that failed, by cause",
            None,
            MetricType::Counter,
        )?;
        let causes = &stats.failures;
        for (cause, count) in [
            ("configuration", causes.configuration),
            ("denied", causes.denied),
            ("throttled", causes.throttled),
            ("unreachable", causes.unreachable),
            ("tls", causes.tls),
            ("read-only", causes.read_only),
            ("credentials", causes.credentials),
            ("other", causes.other),
        ] {
            ConstCounter::new(count).encode(failures.encode_family(&[("cause", cause)])?)?;
        }
        for (name, help, count) in [
            ("rds_iam_pool_connects", "Connections opened", stats.connects),
            (
                "rds_iam_pool_cached_token_connects",
                "Connections opened with a token signed for an earlier one",
                stats.cached_token_connects,
            ),
            (
                "rds_iam_pool_remints_after_refusal",
                "Tokens signed because the server refused a cached one",
                stats.remints_after_refusal,
            ),
            ("rds_iam_tokens_minted", "Tokens signed", stats.tokens.minted),
            ("rds_iam_token_mint_failures", "Attempts to sign a token that failed", stats.tokens.failed),
        ] {
            encode_metric(&mut encoder, name, help, None, &ConstCounter::new(count))?;
        }
        let max = ConstGauge::new(stats.max);
        encode_metric(
            &mut encoder,
            "rds_iam_pool_connections_max",
            "Connections the pool may open",
            None,
            &max,
        )?;
        if let Some((signed_at, expires_at)) = stats.tokens.current {
            let now = self.clock.now();
            let age = now.duration_since(signed_at).unwrap_or_default().as_secs_f64();
            let remaining = expires_at.duration_since(now).unwrap_or_default().as_secs_f64();
            let seconds = Some(&Unit::Seconds);
            encode_metric(
                &mut encoder,
                "rds_iam_token_age",
                "Since the token was signed",
                seconds,
                &ConstGauge::new(age),
            )?;
            let remaining = ConstGauge::new(remaining);
            encode_metric(
                &mut encoder,
                "rds_iam_token_remaining",
                "Until the token expires",
                seconds,
                &remaining,
            )?;
        }
        Ok(())
    }
}

/// Encodes a metric without labels.
fn encode_metric<M: EncodeMetric + TypedMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &M,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, unit, M::TYPE)?)
}
