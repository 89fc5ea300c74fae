//! The store as it is watched: how long each verb takes, and how often it fails.
//!
//! It stands before whatever store there is and changes nothing of what that says.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use protocol::{
    problem::Ended,
    push::Cursor,
    token::{Challenge, SessionHandle},
    user::UserName,
};

use super::{
    Authorization, AuthorizeRequest, Bind, Binding, Cap, Counted, IssueNonces, Limit, NewSession, NonceIssue, Opening,
    Record, RecordKey, Result, Session, SharedStore, Since, Store, Theft, UserEvent, Write,
};
use crate::{
    audit::{Appended, AuditEntry, Head},
    metrics::StoreMetrics,
};

/// A store, and its counts.
pub(crate) struct Instrumented {
    store: SharedStore,
    metrics: StoreMetrics,
}

impl Instrumented {
    pub(crate) fn new(store: SharedStore, metrics: StoreMetrics) -> Self {
        Self { store, metrics }
    }

    async fn timed<T>(&self, verb: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let began = Instant::now();
        let answer = work.await;
        self.metrics.count(verb, began.elapsed(), answer.is_err());
        answer
    }
}

#[async_trait]
impl Store for Instrumented {
    async fn add_challenge(&self, challenge: &Challenge, expires: u64, now: u64) -> Result<()> {
        self.timed("add_challenge", self.store.add_challenge(challenge, expires, now)).await
    }

    async fn take_challenge(&self, challenge: &Challenge, now: u64) -> Result<bool> {
        self.timed("take_challenge", self.store.take_challenge(challenge, now)).await
    }

    async fn open(&self, session: NewSession, cap: Cap, idle: Duration) -> Result<Opening> {
        self.timed("open", self.store.open(session, cap, idle)).await
    }

    async fn unentered(&self, handle: &SessionHandle, now: u64) -> Result<Option<Session>> {
        self.timed("unentered", self.store.unentered(handle, now)).await
    }

    async fn enter(&self, handle: &SessionHandle, now: u64) -> Result<Option<Session>> {
        self.timed("enter", self.store.enter(handle, now)).await
    }

    async fn bind(&self, bind: Bind) -> Result<Binding> {
        self.timed("bind", self.store.bind(bind)).await
    }

    async fn authorize_request(&self, authorize_request: AuthorizeRequest) -> Result<Authorization> {
        self.timed("admit", self.store.authorize_request(authorize_request)).await
    }

    async fn session(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>> {
        self.timed("session", self.store.session(handle, idle, now)).await
    }

    async fn end_reason(&self, handle: &SessionHandle) -> Result<Option<Ended>> {
        self.timed("why_ended", self.store.end_reason(handle)).await
    }

    async fn sessions(&self, user: &UserName, idle: Duration, now: u64) -> Result<Vec<(SessionHandle, Session)>> {
        self.timed("sessions", self.store.sessions(user, idle, now)).await
    }

    async fn handles(&self, user: &UserName, idle: Duration, now: u64) -> Result<Vec<SessionHandle>> {
        self.timed("handles", self.store.handles(user, idle, now)).await
    }

    async fn record_theft(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Theft>> {
        self.timed("accuse", self.store.record_theft(handle, idle, now)).await
    }

    async fn issue_nonces(&self, issue_nonces: IssueNonces) -> Result<NonceIssue> {
        self.timed("refill", self.store.issue_nonces(issue_nonces)).await
    }

    async fn end(&self, handle: &SessionHandle, user: &UserName, why: Ended, now: u64) -> Result<bool> {
        self.timed("end", self.store.end(handle, user, why, now)).await
    }

    async fn count(&self, counter: &str, limit: Limit, now: u64) -> Result<Counted> {
        self.timed("count", self.store.count(counter, limit, now)).await
    }

    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>> {
        self.timed("read", self.store.read(keys)).await
    }

    async fn write(&self, writes: &[Write]) -> Result<bool> {
        self.timed("write", self.store.write(writes)).await
    }

    async fn append(&self, head: &Head, entries: &[AuditEntry], keep: usize) -> Result<Appended> {
        self.timed("append", self.store.append(head, entries, keep)).await
    }

    async fn audit_head(&self) -> Result<Head> {
        self.timed("audit_head", self.store.audit_head()).await
    }

    async fn audit_after(&self, after: u64, count: usize) -> Result<Vec<(u64, String)>> {
        self.timed("audit_after", self.store.audit_after(after, count)).await
    }

    async fn publish(&self, news: &UserEvent, keep: usize, now: u64) -> Result<Cursor> {
        self.timed("publish", self.store.publish(news, keep, now)).await
    }

    async fn event_head(&self) -> Result<Cursor> {
        self.timed("news_head", self.store.event_head()).await
    }

    async fn events_since(&self, after: Cursor, count: usize) -> Result<Since> {
        self.timed("news_since", self.store.events_since(after, count)).await
    }

    /// Not timed: it waits on purpose.
    async fn wait_for_events(&self, after: Cursor, count: usize, patience: Duration) -> Result<Since> {
        let answer = self.store.wait_for_events(after, count, patience).await;
        self.metrics.count_error("wait_news", answer.is_err());
        answer
    }

    async fn audit_of(&self, user: &UserName) -> Result<Vec<AuditEntry>> {
        self.timed("audit_of", self.store.audit_of(user)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        metrics::Metrics,
        store::{StoreError, memory::MemoryStore},
    };

    #[tokio::test]
    async fn what_fails_is_counted_and_still_fails() {
        let metrics = Metrics::new();
        let store = Instrumented::new(Arc::new(MemoryStore::new()), metrics.store());
        assert!(store.read(&[]).await.is_ok());
        let away = async { Err::<(), _>(StoreError("away".into())) };
        assert!(store.timed("read", away).await.is_err());
        assert!(store.wait_for_events(Cursor::default(), 1, Duration::ZERO).await.is_ok());
        let text = metrics.text(0, 0, true).expect("a text");
        for line in [
            "pan_store_errors_total{verb=\"read\"} 1\n",
            "pan_store_seconds_count{verb=\"read\"} 2\n",
            "pan_store_errors_total{verb=\"wait_news\"} 0\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("pan_store_seconds_count{verb=\"wait_news\"}"), "it waits on purpose");
    }
}
