//! The store in this process's memory: for development, tests, and a production of one server.
//!
//! One mutex guards everything, so every verb is atomic by itself; each holds it for microseconds and never across an
//! `.await`. Sessions and counters that are over are swept once a minute of the caller's time.
//!
//! With a snapshot file (`snapshot.rs`) sessions and records outlive the process, so that an edit in development does
//! not sign the developer out. Nonces, challenges, sessions yet to be entered and counters do not: a restart must open no replay
//! window, and pages ask for fresh nonces by themselves. Which nonces were spent is forgotten too, so no request for
//! nonces is answered that was signed before the restart.

use std::{
    cmp::Reverse,
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use protocol::{
    problem::Ended,
    push::Cursor,
    token::{Challenge, SessionHandle},
    user::UserName,
};
use tokio::{sync::Notify, time::timeout};

use super::{
    AtCap, Authorization, AuthorizeRequest, Authorized, Bind, Binding, Cap, Counted, IssueNonces, Limit, NewSession,
    NonceIssue, Opening, Record, RecordKey, Result, Session, Since, Store, Theft, UserEvent, Write,
    snapshot::{Snapshot, SnapshotFile},
};
use crate::{
    audit::{Appended, AuditEntry, Head},
    clock::Clock,
};

mod audit_log;
mod event_log;
mod session;
mod state;

use session::Stored;
use state::State;

/// The store in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    file: Option<SnapshotFile>,
    /// Wakes whoever waits for events.
    happened: Notify,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that begins with what the file holds, and keeps it current from a thread of its own.
    ///
    /// A file that is not there is an empty one. A broken one is logged and replaced.
    pub fn with_snapshot(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let Snapshot { sessions, records } = Snapshot::load(&path);
        let sessions = sessions.into_iter().map(|(handle, session)| (handle, Stored::entered(session))).collect();
        let not_before = Clock::system().now();
        let state = Arc::new(Mutex::new(State::loaded(sessions, records, not_before)));
        let taken = state.clone();
        let file = SnapshotFile::keep(path, move || {
            let state = lock(&taken);
            let entered = state.sessions.iter().filter(|(_, stored)| stored.is_entered());
            let sessions = entered.map(|(&handle, stored)| (handle, stored.session.clone())).collect();
            Snapshot { sessions, records: state.records.clone() }
        });
        Self { state, file: Some(file), happened: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn changed(&self) {
        if let Some(file) = &self.file {
            file.changed();
        }
    }
}

/// A panic while the lock was held left nothing half done: every verb checks first and changes then.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for MemoryStore {
    async fn add_challenge(&self, challenge: &Challenge, expires: u64, now: u64) -> Result<()> {
        let mut state = self.state();
        state.sweep(now);
        state.challenges.insert(*challenge, expires);
        Ok(())
    }

    async fn take_challenge(&self, challenge: &Challenge, now: u64) -> Result<bool> {
        Ok(self.state().challenges.remove(challenge).is_some_and(|expires| now < expires))
    }

    async fn open(&self, session: NewSession, cap: Cap, idle: Duration) -> Result<Opening> {
        let now = session.created;
        let mut state = self.state();
        state.sweep(now);
        let all = state.all_of(&session.user, idle, now);
        let too_many = (all.len() + 1).saturating_sub(cap.max);
        if too_many > 0 && cap.at_cap == AtCap::RefuseNew {
            return Ok(Opening::Full);
        }
        let ended: Vec<_> = all.into_iter().take(too_many).collect();
        for handle in &ended {
            state.end(handle, Ended::Replaced);
        }
        state.sessions.insert(session.handle, Stored::unentered(session));
        drop(state);
        self.changed();
        Ok(Opening::Opened(ended))
    }

    async fn unentered(&self, handle: &SessionHandle, now: u64) -> Result<Option<Session>> {
        let state = self.state();
        let stored = state.sessions.get(handle).filter(|stored| stored.may_enter(now));
        Ok(stored.map(|stored| stored.session.clone()))
    }

    async fn enter(&self, handle: &SessionHandle, now: u64) -> Result<Option<Session>> {
        let mut state = self.state();
        let Some(stored) = state.sessions.get_mut(handle).filter(|stored| stored.may_enter(now)) else {
            return Ok(None);
        };
        stored.enter(now);
        let session = stored.session.clone();
        drop(state);
        self.changed();
        Ok(Some(session))
    }

    async fn bind(&self, bind: Bind) -> Result<Binding> {
        let mut state = self.state();
        let stored = state.living(&bind.handle, bind.idle, bind.now);
        let binding = stored.map_or(Binding::NoSession, |stored| stored.bind(&bind));
        drop(state);
        self.changed();
        Ok(binding)
    }

    async fn authorize_request(&self, authorize_request: AuthorizeRequest) -> Result<Authorization> {
        let AuthorizeRequest { handle, nonce, next, now, idle, nonce_life, counter, limit, touch, sample } =
            authorize_request;
        let mut state = self.state();
        let ended = state.ended.get(&handle).map(|&(why, _)| why);
        let Some(stored) = state.living(&handle, idle, now) else {
            return Ok(Authorization::NoSession(ended));
        };
        if stored.has_spent(&nonce) {
            return Ok(Authorization::Replayed(Box::new(stored.session.clone())));
        }
        if !stored.has_live(&nonce, nonce_life, now) {
            return Ok(Authorization::BadNonce(Box::new(stored.session.clone())));
        }
        let quota = match stored.limits.entry(counter).or_default().count(limit, now) {
            Counted::Within(quota) => quota,
            Counted::Over(quota) => return Ok(Authorization::Limited(quota)),
        };
        stored.spend(nonce, now, nonce_life, now);
        stored.issue(&[next], now);
        if touch {
            stored.touch(now);
        }
        stored.keep(idle);
        let history = stored.learn(sample.as_ref());
        let session = stored.session.clone();
        drop(state);
        self.changed();
        Ok(Authorization::Authorized(Box::new(Authorized { session, quota, history })))
    }

    async fn session(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>> {
        Ok(self.state().living(handle, idle, now).map(|stored| stored.session.clone()))
    }

    async fn end_reason(&self, handle: &SessionHandle) -> Result<Option<Ended>> {
        Ok(self.state().ended.get(handle).map(|&(why, _)| why))
    }

    async fn sessions(&self, user: &UserName, idle: Duration, now: u64) -> Result<Vec<(SessionHandle, Session)>> {
        let state = self.state();
        let living =
            state.sessions.iter().filter(|(_, stored)| stored.session.user == *user && stored.lives(idle, now));
        let mut all: Vec<_> = living.map(|(&handle, stored)| (handle, stored.session.clone())).collect();
        all.sort_by_key(|(_, session)| Reverse(session.created));
        Ok(all)
    }

    async fn handles(&self, user: &UserName, idle: Duration, now: u64) -> Result<Vec<SessionHandle>> {
        Ok(self.state().all_of(user, idle, now))
    }

    async fn record_theft(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Theft>> {
        let mut state = self.state();
        let theft = state.living(handle, idle, now).map(|stored| stored.record_theft(now));
        drop(state);
        self.changed();
        Ok(theft)
    }

    async fn issue_nonces(&self, issue_nonces: IssueNonces) -> Result<NonceIssue> {
        let IssueNonces { handle, spent, restore, created, nonces, idle, nonce_life, now } = issue_nonces;
        let mut state = self.state();
        let is_too_old = state.is_too_old(created, now);
        let Some(stored) = state.living(&handle, idle, now) else {
            return Ok(NonceIssue::NoSession);
        };
        if is_too_old {
            return Ok(NonceIssue::TooOld);
        }
        if stored.has_forgotten(created) {
            return Ok(NonceIssue::NoSession);
        }
        if stored.has_spent(&spent) {
            return Ok(NonceIssue::Replayed);
        }
        if restore.is_some_and(|key| !stored.restore(key)) {
            return Ok(NonceIssue::NotPending);
        }
        stored.spend(spent, created, nonce_life, now);
        stored.issue(&nonces, now);
        drop(state);
        self.changed();
        Ok(NonceIssue::Done)
    }

    async fn end(&self, handle: &SessionHandle, _user: &UserName, why: Ended, _now: u64) -> Result<bool> {
        let ended = self.state().end(handle, why);
        self.changed();
        Ok(ended)
    }

    async fn count(&self, counter: &str, limit: Limit, now: u64) -> Result<Counted> {
        let mut state = self.state();
        state.sweep(now);
        Ok(state.counters.entry(counter.to_owned()).or_default().count(limit, now))
    }

    async fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>> {
        let state = self.state();
        Ok(keys.iter().map(|key| state.records.get(key).cloned()).collect())
    }

    async fn write(&self, writes: &[Write]) -> Result<bool> {
        let mut state = self.state();
        let mut next = HashMap::new();
        for Write { key, seen, value } in writes {
            let version = state.records.get(key).map_or(0, |record| record.version);
            let record = Record { version: version + 1, value: value.clone() };
            if version != *seen || next.insert(key.clone(), record).is_some() {
                return Ok(false);
            }
        }
        state.records.extend(next);
        drop(state);
        self.changed();
        Ok(true)
    }

    async fn append(&self, head: &Head, entries: &[AuditEntry], keep: usize) -> Result<Appended> {
        Ok(self.state().log.append(head, entries, keep))
    }

    async fn audit_head(&self) -> Result<Head> {
        Ok(self.state().log.head())
    }

    async fn audit_after(&self, after: u64, count: usize) -> Result<Vec<(u64, String)>> {
        Ok(self.state().log.after(after, count))
    }

    async fn publish(&self, news: &UserEvent, keep: usize, now: u64) -> Result<Cursor> {
        let cursor = self.state().news.publish(news.clone(), keep, now);
        self.happened.notify_waiters();
        Ok(cursor)
    }

    async fn event_head(&self) -> Result<Cursor> {
        Ok(self.state().news.head())
    }

    async fn events_since(&self, after: Cursor, count: usize) -> Result<Since> {
        Ok(self.state().news.since(after, count))
    }

    async fn wait_for_events(&self, after: Cursor, count: usize, patience: Duration) -> Result<Since> {
        // Listens before it looks, so that nothing comes between.
        let happened = self.happened.notified();
        tokio::pin!(happened);
        happened.as_mut().enable();
        let since = self.events_since(after, count).await?;
        if since != Since::UserEvent(Vec::new()) {
            return Ok(since);
        }
        // Nothing may happen.
        let _ = timeout(patience, happened).await;
        self.events_since(after, count).await
    }

    async fn audit_of(&self, user: &UserName) -> Result<Vec<AuditEntry>> {
        Ok(self.state().log.of(user))
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Malformed, key::PublicKey};

    use super::*;

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
        })
    }

    #[tokio::test]
    async fn what_is_over_is_swept() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let store = MemoryStore::new();
        let limit = Limit { max: 1, window: Duration::from_secs(60) };
        let sizes = || {
            let state = store.state();
            [state.challenges.len(), state.sessions.len(), state.counters.len()]
        };
        for number in 0..100_u8 {
            let session = session(number)?;
            let handle = session.handle;
            store.open(session, Cap { max: 1000, at_cap: AtCap::EndOldest }, Duration::from_secs(60)).await?;
            if number % 2 == 0 {
                assert!(store.enter(&handle, 0).await?.is_some());
            }
            store.add_challenge(&Challenge::new([number; 32]), 60_000, 0).await?;
            store.count(&number.to_string(), limit, 0).await?;
        }
        assert_eq!(sizes(), [100, 100, 100]);
        store.count("later", limit, 60_000).await?;
        assert_eq!(sizes(), [0, 50, 1]);
        store.count("later", limit, 120_000).await?;
        assert_eq!(sizes(), [0, 0, 1]);
        Ok(())
    }
}
