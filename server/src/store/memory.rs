//! The store in this process's memory: for development, tests, and a production of one server.
//!
//! One mutex guards everything, so every verb is atomic by itself; each holds it for microseconds and never across an
//! `.await`. Sessions and counters that are over are swept once a minute of the caller's time.
//!
//! With a snapshot file (`snapshot.rs`) sessions and records outlive the process, so that an edit in development does
//! not sign the developer out. Nonces, challenges, unbound sessions and counters do not: a restart must open no replay
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
    key::PublicKey,
    problem::Ended,
    push::Cursor,
    token::{Challenge, Nonce, SessionHandle},
    value::UserName,
};
use tokio::{sync::Notify, time::timeout};

use super::{
    Admission, Admit, Admitted, AtCap, Cap, Counted, Limit, NewSession, News, Opening, Record, RecordKey, Refill,
    Refilled, Result, Session, Since, Store, Theft, Write,
    snapshot::{Snapshot, SnapshotFile},
};
use crate::{
    audit::{Appended, Entry, Head},
    clock::Clock,
};

mod log;
mod news;
mod session;

use log::Log;
use session::{AHEAD, Bound, Unbound, Window, ms};

/// How often what is over is swept out, in ms.
const SWEEP: u64 = 60_000;

/// The store in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    file: Option<SnapshotFile>,
    /// Wakes whoever waits for events.
    happened: Notify,
}

#[derive(Default)]
struct State {
    unbound: HashMap<SessionHandle, Unbound>,
    bound: HashMap<SessionHandle, Bound>,
    counters: HashMap<String, Window>,
    /// Why sessions were ended, and until when that is remembered.
    ended: HashMap<SessionHandle, (Ended, u64)>,
    records: HashMap<RecordKey, Record>,
    log: Log,
    news: news::News,
    swept: u64,
    /// When it began with what a file held, by the system's clock: Unix ms.
    not_before: u64,
}

impl State {
    /// Whether something that was signed then may have been answered before the restart.
    fn is_too_old(&self, created: u64, now: u64) -> bool {
        // The clock was set back since it was started: what it said of that moment means nothing.
        self.not_before <= now.saturating_add(AHEAD) && created <= self.not_before
    }

    fn sweep(&mut self, now: u64) {
        if now.abs_diff(self.swept) >= SWEEP {
            self.unbound.retain(|_, unbound| now < unbound.session.bind_by);
            self.bound.retain(|_, bound| now < bound.ends);
            self.counters.retain(|_, window| now < window.ends);
            self.ended.retain(|_, &mut (_, until)| now < until);
            self.swept = now;
        }
    }

    fn living(&mut self, handle: &SessionHandle, idle: Duration, now: u64) -> Option<&mut Bound> {
        self.bound.get_mut(handle).filter(|bound| bound.lives(idle, now))
    }

    fn bound_of(&self, user: &UserName, idle: Duration, now: u64) -> Vec<(SessionHandle, Session)> {
        let living = self.bound.iter().filter(|(_, bound)| bound.session.user == *user && bound.lives(idle, now));
        living.map(|(&handle, bound)| (handle, bound.session.clone())).collect()
    }

    /// All sessions of a user that live or wait for their key, oldest first.
    fn all_of(&self, user: &UserName, idle: Duration, now: u64) -> Vec<SessionHandle> {
        let bound = self.bound_of(user, idle, now).into_iter().map(|(handle, session)| (session.created, handle));
        let unbound = self.unbound.values().map(|unbound| &unbound.session);
        let unbound = unbound.filter(|session| session.user == *user && now < session.bind_by);
        let mut all: Vec<_> = bound.chain(unbound.map(|session| (session.created, session.handle))).collect();
        all.sort_by_key(|&(created, _)| created);
        all.into_iter().map(|(_, handle)| handle).collect()
    }

    fn end(&mut self, handle: &SessionHandle, why: Ended) -> bool {
        let unbound = self.unbound.remove(handle).map(|unbound| unbound.session.expires);
        let bound = self.bound.remove(handle).map(|bound| bound.session.expires);
        let Some(until) = bound.or(unbound) else { return false };
        self.ended.insert(*handle, (why, until));
        true
    }
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
        let bound = sessions.into_iter().map(|(handle, session)| (handle, Bound::new(session))).collect();
        let not_before = Clock::system().now();
        let state = Arc::new(Mutex::new(State { bound, records, not_before, ..State::default() }));
        let taken = state.clone();
        let file = SnapshotFile::keep(path, move || {
            let state = lock(&taken);
            let sessions = state.bound.iter().map(|(&handle, bound)| (handle, bound.session.clone())).collect();
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
        state.unbound.insert(session.handle, Unbound { session, challenge: None });
        drop(state);
        self.changed();
        Ok(Opening::Opened(ended))
    }

    async fn challenge(
        &self,
        handle: &SessionHandle,
        bind_secret: &str,
        challenge: &Challenge,
        now: u64,
    ) -> Result<bool> {
        let mut state = self.state();
        let Some(unbound) = state.unbound.get_mut(handle).filter(|unbound| unbound.may_bind(bind_secret, now)) else {
            return Ok(false);
        };
        unbound.challenge = Some(*challenge);
        Ok(true)
    }

    async fn bind(
        &self,
        handle: &SessionHandle,
        bind_secret: &str,
        challenge: &Challenge,
        key: &PublicKey,
        nonces: &[Nonce],
        now: u64,
    ) -> Result<Option<UserName>> {
        let mut state = self.state();
        let Some(unbound) = state.unbound.get_mut(handle).filter(|unbound| unbound.may_bind(bind_secret, now)) else {
            return Ok(None);
        };
        if unbound.challenge.take() != Some(*challenge) || now >= unbound.session.expires {
            return Ok(None);
        }
        let Some(Unbound { session, .. }) = state.unbound.remove(handle) else {
            return Ok(None);
        };
        let NewSession { user, created, expires, ip, agent, .. } = session;
        let bound_user = user.clone();
        let session = Session { user, key: *key, created, seen: now, expires, ip, agent, theft: None };
        let mut bound = Bound::new(session);
        bound.issue(nonces, now);
        state.bound.insert(*handle, bound);
        drop(state);
        self.changed();
        Ok(Some(bound_user))
    }

    async fn admit(&self, admit: Admit) -> Result<Admission> {
        let Admit { handle, nonce, next, now, idle, nonce_life, counter, limit, touch, sample } = admit;
        let mut state = self.state();
        let ended = state.ended.get(&handle).map(|&(why, _)| why);
        let Some(bound) = state.living(&handle, idle, now) else {
            return Ok(Admission::NoSession(ended));
        };
        if bound.has_spent(&nonce) {
            return Ok(Admission::Replayed(Box::new(bound.session.clone())));
        }
        if !bound.has_live(&nonce, nonce_life, now) {
            return Ok(Admission::BadNonce(Box::new(bound.session.clone())));
        }
        let quota = match bound.limits.entry(counter).or_default().count(limit, now) {
            Counted::Within(quota) => quota,
            Counted::Over(quota) => return Ok(Admission::Limited(quota)),
        };
        bound.spend(nonce, now, nonce_life, now);
        bound.issue(&[next], now);
        if touch {
            bound.touch(now);
        }
        bound.ends = bound.session.expires.min(bound.session.seen.saturating_add(ms(idle)));
        let history = bound.learn(sample.as_ref());
        let session = bound.session.clone();
        drop(state);
        self.changed();
        Ok(Admission::Admitted(Box::new(Admitted { session, quota, history })))
    }

    async fn session(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>> {
        Ok(self.state().living(handle, idle, now).map(|bound| bound.session.clone()))
    }

    async fn why_ended(&self, handle: &SessionHandle) -> Result<Option<Ended>> {
        Ok(self.state().ended.get(handle).map(|&(why, _)| why))
    }

    async fn sessions(&self, user: &UserName, idle: Duration, now: u64) -> Result<Vec<(SessionHandle, Session)>> {
        let mut all = self.state().bound_of(user, idle, now);
        all.sort_by_key(|(_, session)| Reverse(session.created));
        Ok(all)
    }

    async fn handles(&self, user: &UserName, idle: Duration, now: u64) -> Result<Vec<SessionHandle>> {
        Ok(self.state().all_of(user, idle, now))
    }

    async fn accuse(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Theft>> {
        let mut state = self.state();
        let theft = state.living(handle, idle, now).map(|bound| bound.accuse(now));
        drop(state);
        self.changed();
        Ok(theft)
    }

    async fn refill(&self, refill: Refill) -> Result<Refilled> {
        let Refill { handle, spent, created, nonces, idle, nonce_life, now } = refill;
        let mut state = self.state();
        let is_too_old = state.is_too_old(created, now);
        let Some(bound) = state.living(&handle, idle, now) else {
            return Ok(Refilled::NoSession);
        };
        if is_too_old {
            return Ok(Refilled::TooOld);
        }
        if bound.has_forgotten(created) {
            return Ok(Refilled::NoSession);
        }
        if bound.has_spent(&spent) {
            return Ok(Refilled::Replayed);
        }
        bound.spend(spent, created, nonce_life, now);
        bound.issue(&nonces, now);
        drop(state);
        self.changed();
        Ok(Refilled::Done)
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

    async fn append(&self, head: &Head, entries: &[Entry], keep: usize) -> Result<Appended> {
        Ok(self.state().log.append(head, entries, keep))
    }

    async fn audit_head(&self) -> Result<Head> {
        Ok(self.state().log.head())
    }

    async fn audit_after(&self, after: u64, count: usize) -> Result<Vec<(u64, String)>> {
        Ok(self.state().log.after(after, count))
    }

    async fn publish(&self, news: &News, keep: usize, now: u64) -> Result<Cursor> {
        let cursor = self.state().news.publish(news.clone(), keep, now);
        self.happened.notify_waiters();
        Ok(cursor)
    }

    async fn news_head(&self) -> Result<Cursor> {
        Ok(self.state().news.head())
    }

    async fn news_since(&self, after: Cursor, count: usize) -> Result<Since> {
        Ok(self.state().news.since(after, count))
    }

    async fn wait_news(&self, after: Cursor, count: usize, patience: Duration) -> Result<Since> {
        // Listens before it looks, so that nothing comes between.
        let happened = self.happened.notified();
        tokio::pin!(happened);
        happened.as_mut().enable();
        let since = self.news_since(after, count).await?;
        if since != Since::News(Vec::new()) {
            return Ok(since);
        }
        // Nothing may happen.
        let _ = timeout(patience, happened).await;
        self.news_since(after, count).await
    }

    async fn audit_of(&self, user: &UserName) -> Result<Vec<Entry>> {
        Ok(self.state().log.of(user))
    }
}

#[cfg(test)]
mod tests {
    use protocol::Malformed;

    use super::*;

    fn session(number: usize) -> std::result::Result<NewSession, Malformed> {
        Ok(NewSession {
            handle: SessionHandle::parse(&format!("{number:022}"))?,
            user: "ada".parse()?,
            created: 0,
            bind_by: 60_000,
            expires: 120_000,
            ip: String::new(),
            agent: String::new(),
            bind_secret: String::new(),
        })
    }

    #[tokio::test]
    async fn what_is_over_is_swept() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let store = MemoryStore::new();
        let limit = Limit { max: 1, window: Duration::from_secs(60) };
        let (challenge, key) = (Challenge::new([0; 32]), PublicKey::from_sec1(&[4; 65])?);
        let sizes = || {
            let state = store.state();
            [state.unbound.len(), state.bound.len(), state.counters.len()]
        };
        for number in 0..100 {
            let session = session(number)?;
            let handle = session.handle;
            store.open(session, Cap { max: 1000, at_cap: AtCap::EndOldest }, Duration::from_secs(60)).await?;
            if number % 2 == 0 {
                store.challenge(&handle, "", &challenge, 0).await?;
                store.bind(&handle, "", &challenge, &key, &[], 0).await?;
            }
            store.count(&number.to_string(), limit, 0).await?;
        }
        assert_eq!(sizes(), [50, 50, 100]);
        store.count("later", limit, 60_000).await?;
        assert_eq!(sizes(), [0, 50, 1]);
        store.count("later", limit, 120_000).await?;
        assert_eq!(sizes(), [0, 0, 1]);
        Ok(())
    }
}
