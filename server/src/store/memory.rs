//! The store in the memory of this process: for development, tests, and a production of one server.
//!
//! One mutex guards the whole state, so each method is atomic. It is held for microseconds and never across an
//! `.await`. What has expired is swept once per minute of the caller's time.
//!
//! With a snapshot file (`snapshot.rs`) sessions and records survive a restart, so that an edit in development does not
//! sign the developer out. Nonces, challenges, unentered sessions and counters do not: a restart must not allow a
//! replay, and pages fetch fresh nonces by themselves. Which nonces were spent is lost too, so a request for nonces
//! that was signed before the restart is rejected.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use protocol::{
    key::PublicKey,
    problem::Ended,
    push::Cursor,
    token::{Challenge, Nonce, SessionHandle},
};
use tokio::{sync::Notify, time};

use super::{
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
    clock::Clock,
    model::{Session, Theft, UserId},
};

mod audit_log;
mod challenges;
mod event_log;
mod rate_limits;
mod records;
mod sessions;
mod snapshot;
mod stored_session;
mod timing;
mod window;

use audit_log::AuditLogs;
use challenges::Challenges;
use event_log::EventLog;
use rate_limits::RateLimits;
use records::Records;
use sessions::Sessions;
use snapshot::{Snapshot, SnapshotFile};

/// Time between two sweeps: ms.
const SWEEP_INTERVAL: u64 = 60_000;

/// The store in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    file: Option<SnapshotFile>,
    /// Wakes the calls that wait for events.
    published: Notify,
}

#[derive(Default)]
struct State {
    sessions: Sessions,
    challenges: Challenges,
    rate_limits: RateLimits,
    records: Records,
    audit_logs: AuditLogs,
    event_log: EventLog,
    /// Unix ms.
    swept: u64,
}

impl State {
    fn sweep(&mut self, now: u64) {
        if now.abs_diff(self.swept) >= SWEEP_INTERVAL {
            self.sessions.sweep(now);
            self.challenges.sweep(now);
            self.rate_limits.sweep(now);
            self.swept = now;
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that starts with the content of a file and keeps the file current from a thread of its own.
    ///
    /// # Errors
    /// If the file exists and cannot be read or parsed. It is left as it is.
    pub fn with_snapshot(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let Snapshot { sessions, records } = Snapshot::load(&path)?;
        let sessions = Sessions::restore(sessions, Clock::system().now());
        let state = State { sessions, records: Records::restore(records), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let file = SnapshotFile::keep(path, move || snapshot(&lock(&shared)));
        Ok(Self { state, file: Some(file), published: Notify::new() })
    }

    /// Writes the file now, if the store has one.
    ///
    /// # Errors
    /// If the file cannot be written. Every later change would then be lost with the process.
    pub fn save(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.save(&snapshot(&self.state())))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Requests a write of the snapshot if something in it has changed.
    fn save_if(&self, is_changed: bool) {
        if let Some(file) = self.file.as_ref().filter(|_| is_changed) {
            file.changed();
        }
    }
}

/// Locks the state, poisoned or not: every method checks first and changes afterwards, so a panic leaves nothing half
/// done.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the file keeps.
fn snapshot(state: &State) -> Snapshot {
    Snapshot { sessions: state.sessions.entered(), records: state.records.all() }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn create(&self, session: NewSession) -> Result<()> {
        let mut state = self.state();
        state.sweep(session.created);
        state.sessions.create(session);
        Ok(())
    }

    async fn find_enterable(&self, handle: &SessionHandle, now: u64) -> Result<Option<Enterable>> {
        Ok(self.state().sessions.find_enterable(handle, now))
    }

    async fn enter(&self, enter: EnterSession) -> Result<Entering> {
        let entering = self.state().sessions.enter(&enter);
        self.save_if(matches!(entering, Entering::Entered(..)));
        Ok(entering)
    }

    async fn bind_frame_key(&self, bind: BindFrameKey) -> Result<FrameKeyBinding> {
        let binding = self.state().sessions.bind_frame_key(&bind);
        self.save_if(true);
        Ok(binding)
    }

    async fn authorize_request(&self, request: AuthorizeRequest) -> Result<Authorization> {
        let authorization = self.state().sessions.authorize_request(request);
        self.save_if(matches!(authorization, Authorization::Authorized(_)));
        Ok(authorization)
    }

    async fn find(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>> {
        Ok(self.state().sessions.find(handle, idle, now))
    }

    async fn end_reason(&self, handle: &SessionHandle) -> Result<Option<Ended>> {
        Ok(self.state().sessions.end_reason(handle))
    }

    async fn list(&self, user: &UserId, idle: Duration, now: u64) -> Result<Vec<(SessionHandle, Session)>> {
        Ok(self.state().sessions.list(user, idle, now))
    }

    async fn handles(&self, user: &UserId, idle: Duration, now: u64) -> Result<Vec<SessionHandle>> {
        Ok(self.state().sessions.handles(user, idle, now))
    }

    async fn offer_device(&self, handle: &SessionHandle, jwk: &str, idle: Duration, now: u64) -> Result<bool> {
        let is_offered = self.state().sessions.offer_device(handle, jwk, idle, now);
        self.save_if(is_offered);
        Ok(is_offered)
    }

    async fn record_theft(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Theft>> {
        let theft = self.state().sessions.record_theft(handle, idle, now);
        self.save_if(theft.is_some());
        Ok(theft)
    }

    async fn record_outcome(
        &self,
        handle: &SessionHandle,
        nonce: &Nonce,
        outcome: &str,
        life: Duration,
        now: u64,
    ) -> Result<()> {
        self.state().sessions.record_outcome(handle, nonce, outcome, life, now);
        Ok(())
    }

    async fn settle(
        &self,
        handle: &SessionHandle,
        nonce: &Nonce,
        idle: Duration,
        nonce_life: Duration,
        now: u64,
    ) -> Result<Settled> {
        Ok(self.state().sessions.settle(handle, nonce, idle, nonce_life, now))
    }

    async fn restore_frame_key(
        &self,
        handle: &SessionHandle,
        key: &PublicKey,
        idle: Duration,
        now: u64,
    ) -> Result<bool> {
        let is_bound = self.state().sessions.restore_frame_key(handle, key, idle, now);
        self.save_if(is_bound);
        Ok(is_bound)
    }

    async fn issue_nonces(&self, request: IssueNonces) -> Result<NonceIssue> {
        let issue = self.state().sessions.issue_nonces(request);
        self.save_if(issue == NonceIssue::Issued);
        Ok(issue)
    }

    async fn end(&self, handle: &SessionHandle, _user: &UserId, reason: Ended, _now: u64) -> Result<bool> {
        let is_ended = self.state().sessions.end(handle, reason);
        self.save_if(is_ended);
        Ok(is_ended)
    }
}

#[async_trait]
impl ChallengeStore for MemoryStore {
    async fn add(&self, challenge: &Challenge, expires: u64, now: u64) -> Result<()> {
        let mut state = self.state();
        state.sweep(now);
        state.challenges.add(*challenge, expires);
        Ok(())
    }

    async fn take(&self, challenge: &Challenge, now: u64) -> Result<bool> {
        Ok(self.state().challenges.take(challenge, now))
    }
}

#[async_trait]
impl RateLimitStore for MemoryStore {
    async fn count(&self, counters: &[Counter], now: u64) -> Result<Counted> {
        let mut state = self.state();
        state.sweep(now);
        state.rate_limits.count(counters, now)
    }
}

#[async_trait]
impl RecordStore for MemoryStore {
    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>> {
        Ok(self.state().records.read(keys))
    }

    async fn write(&self, writes: &[Write]) -> Result<bool> {
        let is_written = self.state().records.write(writes);
        self.save_if(is_written);
        Ok(is_written)
    }
}

#[async_trait]
impl AuditStore for MemoryStore {
    async fn append(
        &self,
        log: AuditLog,
        head: &Head,
        entries: &[AuditEntry],
        retention: Retention,
    ) -> Result<Appended> {
        Ok(self.state().audit_logs.append(log, head, entries, retention))
    }

    async fn head(&self, log: AuditLog) -> Result<Head> {
        Ok(self.state().audit_logs.head(log))
    }

    async fn lines_after(&self, log: AuditLog, after: u64, count: usize) -> Result<Vec<(u64, String)>> {
        Ok(self.state().audit_logs.lines_after(log, after, count))
    }

    async fn entries_of_user(&self, user: &UserId) -> Result<Vec<AuditEntry>> {
        Ok(self.state().audit_logs.entries_of_user(user))
    }

    async fn repeated_of_user(&self, user: &UserId) -> Result<Vec<Repeated>> {
        Ok(self.state().audit_logs.repeated_of_user(user))
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn publish(&self, event: &UserEvent, keep: usize, now: u64) -> Result<Cursor> {
        let cursor = self.state().event_log.publish(event.clone(), keep, now);
        self.published.notify_waiters();
        Ok(cursor)
    }

    async fn head(&self) -> Result<Cursor> {
        Ok(self.state().event_log.head())
    }

    async fn since(&self, after: Cursor, count: usize) -> Result<Since> {
        Ok(self.state().event_log.since(after, count))
    }

    async fn wait_since(&self, after: Cursor, count: usize, timeout: Duration) -> Result<Since> {
        // Subscribes before it reads, so that no event is missed in between.
        let published = self.published.notified();
        tokio::pin!(published);
        published.as_mut().enable();
        let since = self.since(after, count).await?;
        if since != Since::Events(Vec::new()) {
            return Ok(since);
        }
        // A timeout is no error: there is no event.
        let _ = time::timeout(timeout, published).await;
        self.since(after, count).await
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Malformed, key::PublicKey};

    use super::*;
    use crate::model::{AtCap, Limit, SessionCap};

    fn session(number: u8) -> std::result::Result<NewSession, Malformed> {
        Ok(NewSession {
            handle: SessionHandle::parse(&format!("{number:022}"))?,
            user: "ada".parse()?,
            created: 0,
            confirmation_key: PublicKey::from_sec1(&[4; 65])?,
            enter_by: 60_000,
            expires: 120_000,
            ip: String::new(),
            agent: String::new(),
            sign_secret: String::new(),
            replaces: None,
        })
    }

    #[tokio::test]
    async fn expired_state_is_swept() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let store = MemoryStore::new();
        let counter = |name: &str| {
            let limit = Limit { max: 1, window: Duration::from_secs(60) };
            [Counter { name: name.to_owned(), limit }]
        };
        let sizes = || {
            let state = store.state();
            [state.challenges.len(), state.sessions.len(), state.rate_limits.len()]
        };
        for number in 0..100_u8 {
            let session = session(number)?;
            let handle = session.handle;
            let user = session.user.clone();
            store.create(session).await?;
            if number % 2 == 0 {
                let cap = SessionCap { max: 1000, at_cap: AtCap::EndOldest };
                let enter = EnterSession { handle, user, cap, idle: Duration::from_secs(60), now: 0 };
                assert!(matches!(store.enter(enter).await?, Entering::Entered(..)));
            }
            store.add(&Challenge::new([number; 32]), 60_000, 0).await?;
            store.count(&counter(&number.to_string()), 0).await?;
        }
        assert_eq!(sizes(), [100, 100, 100]);
        store.count(&counter("later"), 60_000).await?;
        assert_eq!(sizes(), [0, 50, 1]);
        store.count(&counter("later"), 120_000).await?;
        assert_eq!(sizes(), [0, 0, 1]);
        Ok(())
    }
}
