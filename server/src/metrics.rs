//! Prometheus metrics (`OpenMetrics` text format).
//!
//! Every decision is an [`Event`], so metrics and audit log use the same names. Label values come from the program,
//! never from a request: no user, session, address or path.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use protocol::problem::Ended;

use crate::{
    audit::entry::{Event, Outcome},
    client_ip::ClientIp,
};

/// Above this number of failures per minute an address counts as failing.
const MAX_FAILURES_PER_MINUTE: u32 = 10;

const MINUTE: u64 = 60_000;

/// Maximum number of addresses whose failures are counted: it bounds the memory that a flood can use.
const MAX_ADDRESSES: usize = 100_000;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ActionLabels {
    action: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ReasonLabels {
    action: String,
    reason: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct HostLabels {
    host: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct VerbLabels {
    verb: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct EndLabels {
    why: &'static str,
}

/// A histogram with buckets from 0.1 ms to about 3 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 16))
}

/// Metrics of the store. Clones share their counters.
#[derive(Clone)]
pub(crate) struct StoreMetrics {
    seconds: Family<VerbLabels, Histogram>,
    errors: Family<VerbLabels, Counter>,
}

impl StoreMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self { seconds: Family::new_with_constructor(seconds), errors: Family::default() };
        let help = "Store request duration in seconds by verb";
        registry.register("store_seconds", help, metrics.seconds.clone());
        registry.register("store_errors", "Store errors by verb", metrics.errors.clone());
        metrics
    }

    pub(crate) fn count(&self, verb: &'static str, duration: Duration, failed: bool) {
        self.seconds.get_or_create(&VerbLabels { verb }).observe(duration.as_secs_f64());
        self.count_error(verb, failed);
    }

    /// Counts an error if `failed`. Otherwise it only creates the counter at 0, so that rates show the first error.
    pub(crate) fn count_error(&self, verb: &'static str, failed: bool) {
        self.errors.get_or_create(&VerbLabels { verb }).inc_by(failed.into());
    }
}

/// The metrics of one server.
pub(crate) struct Metrics {
    registry: Registry,
    passed: Family<ActionLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    noticed: Family<ReasonLabels, Counter>,
    audit_lost: Counter,
    seconds: Family<HostLabels, Histogram>,
    store: StoreMetrics,
    sessions_opened: Counter,
    sessions_ended: Family<EndLabels, Counter>,
    push_connections: Gauge<f64, AtomicU64>,
    failing_addresses: Gauge<f64, AtomicU64>,
    ready: Gauge<f64, AtomicU64>,
    /// Failures per address: the count and the end of its one-minute window (Unix ms).
    failures: Mutex<HashMap<ClientIp, (u32, u64)>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("pan");
        let (passed, refused, noticed) = (Family::default(), Family::default(), Family::default());
        let seconds: Family<HostLabels, Histogram> = Family::new_with_constructor(seconds);
        let (push_connections, failing_addresses, ready) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("passed", "Accepted requests and completed operations by action", passed.clone());
        registry.register("refused", "Rejected requests by action and reason", refused.clone());
        let help = "Observed events by action and reason: thefts, ended sessions and connections";
        registry.register("noticed", help, noticed.clone());
        let audit_lost = Counter::default();
        registry.register("audit_lost", "Events that could not be queued for the audit log", audit_lost.clone());
        registry.register(
            "request_seconds",
            "Request duration in seconds until the response head, by host",
            seconds.clone(),
        );
        let store = StoreMetrics::register(&mut registry);
        let (sessions_opened, sessions_ended) = (Counter::default(), Family::<EndLabels, Counter>::default());
        registry.register("sessions_opened", "Sessions opened by signing in", sessions_opened.clone());
        let help = "Sessions ended before they expired, by reason";
        registry.register("sessions_ended", help, sessions_ended.clone());
        for why in Ended::ALL {
            // Create the counter at 0, so that rates show the first ended session.
            sessions_ended.get_or_create(&EndLabels { why: why.as_str() }).inc_by(0);
        }
        registry.register("push_connections", "Open push connections", push_connections.clone());
        registry.register(
            "failing_addresses",
            "Client addresses with more than 10 failed authentications per minute",
            failing_addresses.clone(),
        );
        registry.register(
            "ready",
            "1 if the store answers and the server is not shutting down, otherwise 0",
            ready.clone(),
        );
        let failures = Mutex::default();
        Self {
            registry,
            passed,
            refused,
            noticed,
            audit_lost,
            seconds,
            store,
            sessions_opened,
            sessions_ended,
            push_connections,
            failing_addresses,
            ready,
            failures,
        }
    }

    pub(crate) fn count(&self, event: &Event) {
        let action = event.action.to_string();
        let reason = event.reason.as_deref().unwrap_or_default().to_owned();
        let counter = match event.outcome {
            Outcome::Passed => self.passed.get_or_create_owned(&ActionLabels { action }),
            Outcome::Refused => self.refused.get_or_create_owned(&ReasonLabels { action, reason }),
            Outcome::Noticed => self.noticed.get_or_create_owned(&ReasonLabels { action, reason }),
        };
        counter.inc();
    }

    pub(crate) fn store(&self) -> StoreMetrics {
        self.store.clone()
    }

    pub(crate) fn count_opened(&self) {
        self.sessions_opened.inc();
    }

    pub(crate) fn count_ended(&self, reason: Ended) {
        self.sessions_ended.get_or_create(&EndLabels { why: reason.as_str() }).inc();
    }

    pub(crate) fn count_audit_lost(&self) {
        self.audit_lost.inc();
    }

    pub(crate) fn observe_request(&self, host: &'static str, duration: Duration) {
        self.seconds.get_or_create(&HostLabels { host }).observe(duration.as_secs_f64());
    }

    /// Counts a failed authentication of a client address.
    pub(crate) fn count_failure(&self, address: ClientIp, now: u64) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MAX_ADDRESSES {
            failures.retain(|_, (_, ends)| now < *ends);
        }
        if failures.len() < MAX_ADDRESSES || failures.contains_key(&address) {
            let (count, ends) = failures.entry(address).or_insert((0, now + MINUTE));
            if now >= *ends {
                (*count, *ends) = (0, now + MINUTE);
            }
            *count = count.saturating_add(1);
        }
    }

    /// The metrics in the `OpenMetrics` text format.
    pub(crate) fn text(&self, now: u64, push_connections: usize, is_ready: bool) -> Result<String, fmt::Error> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, (_, ends)| now < *ends);
        let failing = failures.values().filter(|(count, _)| *count > MAX_FAILURES_PER_MINUTE).count();
        drop(failures);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let number = |count: usize| count as f64;
        self.failing_addresses.set(number(failing));
        self.push_connections.set(number(push_connections));
        self.ready.set(if is_ready { 1.0 } else { 0.0 });
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;
    use http::{Extensions, HeaderMap};

    use super::*;

    fn address(last: u8) -> ClientIp {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from(([192, 0, 2, last], 1))));
        ClientIp::of(&HeaderMap::new(), &extensions, 0).expect("an address")
    }

    fn failing(metrics: &Metrics, now: u64) -> bool {
        metrics.text(now, 0, true).expect("a text").contains("pan_failing_addresses 1.0\n")
    }

    #[test]
    fn address_fails_after_ten_failures_per_minute() {
        let metrics = Metrics::new();
        for now in 0..10 {
            metrics.count_failure(address(1), now);
            metrics.count_failure(address(2), now * MINUTE);
        }
        assert!(!failing(&metrics, 10));
        metrics.count_failure(address(1), 11);
        assert!(failing(&metrics, 12));
        assert!(!failing(&metrics, MINUTE), "the minute is over");
    }
}
