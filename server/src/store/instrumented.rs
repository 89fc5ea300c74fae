//! Stores with metrics: how long each method takes, and how often it fails.
//!
//! The labels of the metrics are the words of earlier versions, because dashboards use them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use protocol::{
    key::PublicKey,
    problem::Ended,
    push::Cursor,
    token::{Challenge, Nonce, SessionHandle},
};

use super::{
    Stores,
    audit_log::{Appended, AuditStore},
    challenges::ChallengeStore,
    error::Result,
    event_log::{EventStore, Since, UserEvent},
    rate_limits::{Counted, Counter, RateLimitStore},
    records::{Record, RecordKey, RecordStore, Write},
    sessions::{
        Authorization, AuthorizeRequest, BindFrameKey, EnterSession, Enterable, Entering, FrameKeyBinding, IssueNonces,
        NewSession, NonceIssue, SessionStore, Settled,
    },
};
use crate::{
    audit::entry::{AuditEntry, AuditLog, Head, Repeated, Retention},
    metrics::StoreMetrics,
    model::{Session, Theft, UserId},
};

/// The same stores, counted by these metrics.
pub(crate) fn instrument(stores: Stores, metrics: &StoreMetrics) -> Stores {
    let Stores { sessions, challenges, rate_limits, records, audit_log, event_log } = stores;
    Stores {
        sessions: Instrumented::new(sessions, metrics),
        challenges: Instrumented::new(challenges, metrics),
        rate_limits: Instrumented::new(rate_limits, metrics),
        records: Instrumented::new(records, metrics),
        audit_log: Instrumented::new(audit_log, metrics),
        event_log: Instrumented::new(event_log, metrics),
    }
}

/// A store and its metrics. It changes no result.
struct Instrumented<S: ?Sized> {
    store: Arc<S>,
    metrics: StoreMetrics,
}

impl<S: ?Sized> Instrumented<S> {
    fn new(store: Arc<S>, metrics: &StoreMetrics) -> Arc<Self> {
        Arc::new(Self { store, metrics: metrics.clone() })
    }

    async fn timed<T>(&self, verb: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let began = Instant::now();
        let answer = work.await;
        self.metrics.count(verb, began.elapsed(), answer.is_err());
        answer
    }
}

#[async_trait]
impl SessionStore for Instrumented<dyn SessionStore> {
    async fn create(&self, session: NewSession) -> Result<()> {
        self.timed("open", self.store.create(session)).await
    }

    async fn find_enterable(&self, handle: &SessionHandle, now: u64) -> Result<Option<Enterable>> {
        self.timed("find_unentered", self.store.find_enterable(handle, now)).await
    }

    async fn enter(&self, enter: EnterSession) -> Result<Entering> {
        self.timed("enter", self.store.enter(enter)).await
    }

    async fn bind_frame_key(&self, bind: BindFrameKey) -> Result<FrameKeyBinding> {
        self.timed("bind", self.store.bind_frame_key(bind)).await
    }

    async fn authorize_request(&self, request: AuthorizeRequest) -> Result<Authorization> {
        self.timed("admit", self.store.authorize_request(request)).await
    }

    async fn find(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>> {
        self.timed("session", self.store.find(handle, idle, now)).await
    }

    async fn end_reason(&self, handle: &SessionHandle) -> Result<Option<Ended>> {
        self.timed("why_ended", self.store.end_reason(handle)).await
    }

    async fn list(&self, user: &UserId, idle: Duration, now: u64) -> Result<Vec<(SessionHandle, Session)>> {
        self.timed("sessions", self.store.list(user, idle, now)).await
    }

    async fn handles(&self, user: &UserId, idle: Duration, now: u64) -> Result<Vec<SessionHandle>> {
        self.timed("handles", self.store.handles(user, idle, now)).await
    }

    async fn offer_device(&self, handle: &SessionHandle, jwk: &str, idle: Duration, now: u64) -> Result<bool> {
        self.timed("offer_device", self.store.offer_device(handle, jwk, idle, now)).await
    }

    async fn record_theft(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Theft>> {
        self.timed("accuse", self.store.record_theft(handle, idle, now)).await
    }

    async fn record_outcome(
        &self,
        handle: &SessionHandle,
        nonce: &Nonce,
        outcome: &str,
        life: Duration,
        now: u64,
    ) -> Result<()> {
        self.timed("record_outcome", self.store.record_outcome(handle, nonce, outcome, life, now)).await
    }

    async fn settle(
        &self,
        handle: &SessionHandle,
        nonce: &Nonce,
        idle: Duration,
        nonce_life: Duration,
        now: u64,
    ) -> Result<Settled> {
        self.timed("settle", self.store.settle(handle, nonce, idle, nonce_life, now)).await
    }

    async fn restore_frame_key(
        &self,
        handle: &SessionHandle,
        key: &PublicKey,
        idle: Duration,
        now: u64,
    ) -> Result<bool> {
        self.timed("restore_frame_key", self.store.restore_frame_key(handle, key, idle, now)).await
    }

    async fn issue_nonces(&self, request: IssueNonces) -> Result<NonceIssue> {
        self.timed("refill", self.store.issue_nonces(request)).await
    }

    async fn end(&self, handle: &SessionHandle, user: &UserId, reason: Ended, now: u64) -> Result<bool> {
        self.timed("end", self.store.end(handle, user, reason, now)).await
    }
}

#[async_trait]
impl ChallengeStore for Instrumented<dyn ChallengeStore> {
    async fn add(&self, challenge: &Challenge, expires: u64, now: u64) -> Result<()> {
        self.timed("add_challenge", self.store.add(challenge, expires, now)).await
    }

    async fn take(&self, challenge: &Challenge, now: u64) -> Result<bool> {
        self.timed("take_challenge", self.store.take(challenge, now)).await
    }
}

#[async_trait]
impl RateLimitStore for Instrumented<dyn RateLimitStore> {
    async fn count(&self, counters: &[Counter], now: u64) -> Result<Counted> {
        self.timed("count", self.store.count(counters, now)).await
    }
}

#[async_trait]
impl RecordStore for Instrumented<dyn RecordStore> {
    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>> {
        self.timed("read", self.store.read(keys)).await
    }

    async fn write(&self, writes: &[Write]) -> Result<bool> {
        self.timed("write", self.store.write(writes)).await
    }
}

#[async_trait]
impl AuditStore for Instrumented<dyn AuditStore> {
    async fn append(
        &self,
        log: AuditLog,
        head: &Head,
        entries: &[AuditEntry],
        retention: Retention,
    ) -> Result<Appended> {
        self.timed("append", self.store.append(log, head, entries, retention)).await
    }

    async fn head(&self, log: AuditLog) -> Result<Head> {
        self.timed("audit_head", self.store.head(log)).await
    }

    async fn lines_after(&self, log: AuditLog, after: u64, count: usize) -> Result<Vec<(u64, String)>> {
        self.timed("audit_after", self.store.lines_after(log, after, count)).await
    }

    async fn entries_of_user(&self, user: &UserId) -> Result<Vec<AuditEntry>> {
        self.timed("audit_of", self.store.entries_of_user(user)).await
    }

    async fn repeated_of_user(&self, user: &UserId) -> Result<Vec<Repeated>> {
        self.timed("audit_repeated", self.store.repeated_of_user(user)).await
    }
}

#[async_trait]
impl EventStore for Instrumented<dyn EventStore> {
    async fn publish(&self, event: &UserEvent, keep: usize, now: u64) -> Result<Cursor> {
        self.timed("publish", self.store.publish(event, keep, now)).await
    }

    async fn head(&self) -> Result<Cursor> {
        self.timed("news_head", self.store.head()).await
    }

    async fn since(&self, after: Cursor, count: usize) -> Result<Since> {
        self.timed("news_since", self.store.since(after, count)).await
    }

    /// Errors only: the time is not counted, because waiting is its purpose.
    async fn wait_since(&self, after: Cursor, count: usize, timeout: Duration) -> Result<Since> {
        let answer = self.store.wait_since(after, count, timeout).await;
        self.metrics.count_error("wait_news", answer.is_err());
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metrics::Metrics,
        store::{StoreError, memory::MemoryStore},
    };

    #[tokio::test]
    async fn store_errors_are_counted_and_returned() {
        let metrics = Metrics::new();
        let stores = instrument(Stores::memory(), &metrics.store());
        assert!(stores.records.read(&[]).await.is_ok());
        let records: Arc<dyn RecordStore> = Arc::new(MemoryStore::new());
        let records = Instrumented::new(records, &metrics.store());
        let failure = async { Err::<(), _>(StoreError::new("away")) };
        assert!(records.timed("read", failure).await.is_err());
        assert!(stores.event_log.wait_since(Cursor::default(), 1, Duration::ZERO).await.is_ok());
        let text = metrics.text(0, 0, true).expect("a text");
        for line in [
            "pan_store_errors_total{verb=\"read\"} 1\n",
            "pan_store_seconds_count{verb=\"read\"} 2\n",
            "pan_store_errors_total{verb=\"wait_news\"} 0\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("pan_store_seconds_count{verb=\"wait_news\"}"), "waiting is not timed");
    }
}
