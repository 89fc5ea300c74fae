//! What an operator watches, as Prometheus reads it (`OpenMetrics` text).
//!
//! Everything that is decided goes by as an [`Event`], so the counts come from the same words as the audit log. Labels are
//! words of the program, never a user, a session, an address or a path that somebody sent.

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

/// Of how many failures in a minute an address is told.
const FAILURES_A_MINUTE: u32 = 10;

const MINUTE: u64 = 60_000;

/// The most addresses whose failures are counted at one time: memory that a flood cannot pass.
const MAX_ADDRESSES: usize = 100_000;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfAction {
    action: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfReason {
    action: String,
    reason: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfHost {
    host: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfVerb {
    verb: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfEnd {
    why: &'static str,
}

/// Buckets from a tenth of a millisecond to some three seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 16))
}

/// What the store is watched by. Cloning it is cheap, and counts on.
#[derive(Clone)]
pub(crate) struct StoreMetrics {
    seconds: Family<OfVerb, Histogram>,
    errors: Family<OfVerb, Counter>,
}

impl StoreMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self { seconds: Family::new_with_constructor(seconds), errors: Family::default() };
        let help = "How long the store took to answer, by verb";
        registry.register("store_seconds", help, metrics.seconds.clone());
        registry.register("store_errors", "How often the store could not answer, by verb", metrics.errors.clone());
        metrics
    }

    pub(crate) fn count(&self, verb: &'static str, took: Duration, failed: bool) {
        self.seconds.get_or_create(&OfVerb { verb }).observe(took.as_secs_f64());
        self.count_error(verb, failed);
    }

    /// Counts nothing when it has not failed, but then the counter is there: the first error is a step from 0 to 1.
    pub(crate) fn count_error(&self, verb: &'static str, failed: bool) {
        self.errors.get_or_create(&OfVerb { verb }).inc_by(failed.into());
    }
}

/// The counts of one server.
pub(crate) struct Metrics {
    registry: Registry,
    passed: Family<OfAction, Counter>,
    refused: Family<OfReason, Counter>,
    noticed: Family<OfReason, Counter>,
    audit_lost: Counter,
    seconds: Family<OfHost, Histogram>,
    store: StoreMetrics,
    sessions_opened: Counter,
    sessions_ended: Family<OfEnd, Counter>,
    push_connections: Gauge<f64, AtomicU64>,
    failing_addresses: Gauge<f64, AtomicU64>,
    ready: Gauge<f64, AtomicU64>,
    /// Each address's failures in its minute: how many, and when it ends.
    failures: Mutex<HashMap<ClientIp, (u32, u64)>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("pan");
        let (passed, refused, noticed) = (Family::default(), Family::default(), Family::default());
        let seconds: Family<OfHost, Histogram> = Family::new_with_constructor(seconds);
        let (push_connections, failing_addresses, ready) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("passed", "Requests that were let through, and other things that were done", passed.clone());
        registry.register("refused", "What was refused, by its inner reason", refused.clone());
        registry.register("noticed", "What was noticed: thefts, ended sessions and connections", noticed.clone());
        let audit_lost = Counter::default();
        registry.register("audit_lost", "Events that were not written to the audit log", audit_lost.clone());
        registry.register("request_seconds", "How long a request took, until its reply began", seconds.clone());
        let store = StoreMetrics::register(&mut registry);
        let (sessions_opened, sessions_ended) = (Counter::default(), Family::<OfEnd, Counter>::default());
        registry.register("sessions_opened", "Sessions that signing in has opened", sessions_opened.clone());
        let help = "Sessions that were ended, and why; not those that were over by themselves";
        registry.register("sessions_ended", help, sessions_ended.clone());
        for why in Ended::ALL {
            // So that the first one is a step from 0 to 1.
            sessions_ended.get_or_create(&OfEnd { why: why.as_str() }).inc_by(0);
        }
        registry.register("push_connections", "Open push connections", push_connections.clone());
        registry.register(
            "failing_addresses",
            "Client addresses with more than 10 failed authentications in a minute",
            failing_addresses.clone(),
        );
        registry.register("ready", "Whether the store answers and the server is not stopping", ready.clone());
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
            Outcome::Passed => self.passed.get_or_create_owned(&OfAction { action }),
            Outcome::Refused => self.refused.get_or_create_owned(&OfReason { action, reason }),
            Outcome::Noticed => self.noticed.get_or_create_owned(&OfReason { action, reason }),
        };
        counter.inc();
    }

    /// What the store is watched by.
    pub(crate) fn store(&self) -> StoreMetrics {
        self.store.clone()
    }

    /// Counts a session that was opened.
    pub(crate) fn open(&self) {
        self.sessions_opened.inc();
    }

    /// Counts a session that was ended.
    pub(crate) fn end(&self, why: Ended) {
        self.sessions_ended.get_or_create(&OfEnd { why: why.as_str() }).inc();
    }

    /// Counts an event that was not written to the audit log.
    pub(crate) fn lose(&self) {
        self.audit_lost.inc();
    }

    pub(crate) fn time(&self, host: &'static str, took: Duration) {
        self.seconds.get_or_create(&OfHost { host }).observe(took.as_secs_f64());
    }

    /// Counts a failed authentication of an address.
    pub(crate) fn fail(&self, address: ClientIp, now: u64) {
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

    /// The text that Prometheus reads.
    pub(crate) fn text(&self, now: u64, push_connections: usize, is_ready: bool) -> Result<String, fmt::Error> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, (_, ends)| now < *ends);
        let failing = failures.values().filter(|(count, _)| *count > FAILURES_A_MINUTE).count();
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
    fn an_address_is_told_of_after_ten_failures_in_a_minute() {
        let metrics = Metrics::new();
        for now in 0..10 {
            metrics.fail(address(1), now);
            metrics.fail(address(2), now * MINUTE);
        }
        assert!(!failing(&metrics, 10));
        metrics.fail(address(1), 11);
        assert!(failing(&metrics, 12));
        assert!(!failing(&metrics, MINUTE), "the minute is over");
    }
}
