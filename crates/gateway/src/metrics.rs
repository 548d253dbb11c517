//! What the gateway counts, for Prometheus and for its table on a terminal.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the login histogram, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0];

/// The counters of one listener.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) opened: Counter,
    pub(crate) open: Gauge,
    pub(crate) received_from_clients: Counter,
    pub(crate) received_from_database: Counter,
    logins: Histogram,
    failed: Family<Failed, Counter>,
    listener: String,
}

impl Counts {
    pub(crate) fn opened(&self, took: Duration) {
        self.opened.inc();
        self.logins.observe(took.as_secs_f64());
    }

    pub(crate) fn failed(&self, reason: &'static str) {
        self.failed.get_or_create(&Failed { listener: self.listener.clone(), reason }).inc();
    }

    /// Returns the number of failed logins, for any reason in `reasons`.
    pub(crate) fn failures(&self, reasons: &[&'static str]) -> u64 {
        let of =
            |reason| self.failed.get_or_create(&Failed { listener: self.listener.clone(), reason }).get();
        reasons.iter().map(|reason| of(reason)).sum()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Listener {
    listener: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    listener: String,
    reason: &'static str,
}

/// The metrics of all listeners.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    opened: Family<Listener, Counter>,
    open: Family<Listener, Gauge>,
    failed: Family<Failed, Counter>,
    from_clients: Family<Listener, Counter>,
    from_database: Family<Listener, Counter>,
    logins: Family<Listener, Histogram, fn() -> Histogram>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("rds_iam_gateway"),
            opened: Family::default(),
            open: Family::default(),
            failed: Family::default(),
            from_clients: Family::default(),
            from_database: Family::default(),
            logins: Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("sessions_opened", "Logins that succeeded", self.opened.clone());
        registry.register("sessions_open", "Sessions that are open or logging in", self.open.clone());
        registry.register("logins_failed", "Logins that failed, by reason", self.failed.clone());
        let (clients, database) = (self.from_clients.clone(), self.from_database.clone());
        registry.register_with_unit(
            "from_clients",
            "Received from clients after the login",
            Unit::Bytes,
            clients,
        );
        registry.register_with_unit(
            "from_database",
            "Received from the database after the login",
            Unit::Bytes,
            database,
        );
        registry.register_with_unit(
            "login_duration",
            "Time of a login that succeeded",
            Unit::Seconds,
            self.logins.clone(),
        );
        self
    }

    /// Returns the counters of a listener.
    pub(crate) fn listener(&self, name: &str) -> Counts {
        let label = Listener { listener: name.to_owned() };
        Counts {
            opened: self.opened.get_or_create_owned(&label),
            open: self.open.get_or_create_owned(&label),
            received_from_clients: self.from_clients.get_or_create_owned(&label),
            received_from_database: self.from_database.get_or_create_owned(&label),
            logins: self.logins.get_or_create_owned(&label),
            failed: self.failed.clone(),
            listener: name.to_owned(),
        }
    }

    /// Returns the metrics in OpenMetrics' text format.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("a String accepts any text");
        text
    }
}
