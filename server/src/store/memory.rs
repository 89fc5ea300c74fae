//! The store in this process's memory: for development, tests, and a production of one server.
//!
//! One mutex guards everything, so every verb is atomic by itself; each holds it for microseconds and never across an
//! `.await`. Sessions and counters that are over are swept once a minute of the caller's time.
//!
//! With a snapshot file (`snapshot.rs`) sessions and records outlive the process, so that an edit in development does
//! not sign the developer out. Nonces, challenges, unbound sessions and counters do not: a restart must open no replay
//! window, and pages ask for fresh nonces by themselves.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use protocol::{
    key::PublicKey,
    token::{Challenge, Nonce, SessionHandle},
};

use super::{
    Admission, Admit, Limit, MAX_NONCES, NewSession, Record, RecordKey, Result, Session, Store, Write,
    snapshot::{Snapshot, SnapshotFile},
};

/// How often what is over is swept out, in ms.
const SWEEP: u64 = 60_000;

/// More than a clock errs between two readings. A time further ahead was written before the clock was set back.
const AHEAD: u64 = 60_000;

/// The store in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    file: Option<SnapshotFile>,
}

#[derive(Default)]
struct State {
    unbound: HashMap<SessionHandle, Unbound>,
    bound: HashMap<SessionHandle, Bound>,
    counters: HashMap<String, Window>,
    records: HashMap<RecordKey, Record>,
    swept: u64,
}

struct Unbound {
    session: NewSession,
    challenge: Option<Challenge>,
}

struct Bound {
    session: Session,
    /// When it is over unless it is used again: Unix ms.
    ends: u64,
    /// With the time of their issue, oldest first.
    nonces: Vec<(Nonce, u64)>,
    /// Invented nonces, with the time of their use.
    spent: HashMap<Nonce, u64>,
    limits: HashMap<&'static str, Window>,
}

#[derive(Clone, Copy, Default)]
struct Window {
    count: u32,
    ends: u64,
}

impl Window {
    /// Counts one more. When the limit is passed it counts nothing and gives the time until the window ends.
    fn count(&mut self, limit: Limit, now: u64) -> Option<Duration> {
        let length = ms(limit.window);
        // A window that ends too late was begun before the clock was set back.
        if now >= self.ends || self.ends > now.saturating_add(length) {
            *self = Self { count: 0, ends: now.saturating_add(length) };
        }
        if self.count >= limit.max {
            return Some(Duration::from_millis(self.ends - now));
        }
        self.count += 1;
        None
    }
}

impl Unbound {
    fn may_bind(&self, bind_secret: &str, now: u64) -> bool {
        // Both are hashes of 256 random bits, so how long the comparison takes tells nothing.
        now < self.session.bind_by && self.session.bind_secret == bind_secret
    }
}

impl Bound {
    fn new(session: Session) -> Self {
        let ends = session.expires;
        Self { session, ends, nonces: Vec::new(), spent: HashMap::new(), limits: HashMap::new() }
    }

    fn lives(&self, idle: Duration, now: u64) -> bool {
        now < self.session.expires && now < self.session.seen.saturating_add(ms(idle))
    }

    /// Forgets nonces that cannot be spent any more, and those of a clock that was set back.
    fn forget_dead(&mut self, life: Duration, now: u64) {
        self.nonces.retain(|&(_, issued)| is_live(issued, life, now));
    }

    fn issue(&mut self, nonces: &[Nonce], now: u64) {
        self.nonces.extend(nonces.iter().map(|&nonce| (nonce, now)));
        // Requests overtake each other.
        self.nonces.sort_by_key(|&(_, issued)| issued);
        self.nonces.drain(..self.nonces.len().saturating_sub(MAX_NONCES));
    }

    fn touch(&mut self, now: u64) {
        self.session.seen = self.session.seen.max(now);
    }
}

fn is_live(issued: u64, life: Duration, now: u64) -> bool {
    now < issued.saturating_add(ms(life)) && issued <= now.saturating_add(AHEAD)
}

fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

impl State {
    fn sweep(&mut self, now: u64) {
        if now.abs_diff(self.swept) >= SWEEP {
            self.unbound.retain(|_, unbound| now < unbound.session.bind_by);
            self.bound.retain(|_, bound| now < bound.ends);
            self.counters.retain(|_, window| now < window.ends);
            self.swept = now;
        }
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
        let state = Arc::new(Mutex::new(State { bound, records, ..State::default() }));
        let taken = state.clone();
        let file = SnapshotFile::keep(path, move || {
            let state = lock(&taken);
            let sessions = state.bound.iter().map(|(&handle, bound)| (handle, bound.session.clone())).collect();
            Snapshot { sessions, records: state.records.clone() }
        });
        Self { state, file: Some(file) }
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
    async fn open(&self, session: NewSession) -> Result<()> {
        let mut state = self.state();
        state.sweep(session.created);
        state.unbound.insert(session.handle, Unbound { session, challenge: None });
        Ok(())
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
    ) -> Result<bool> {
        let mut state = self.state();
        let Some(unbound) = state.unbound.get_mut(handle).filter(|unbound| unbound.may_bind(bind_secret, now)) else {
            return Ok(false);
        };
        if unbound.challenge.take() != Some(*challenge) || now >= unbound.session.expires {
            return Ok(false);
        }
        let Some(Unbound { session, .. }) = state.unbound.remove(handle) else {
            return Ok(false);
        };
        let NewSession { user, created, expires, ip, agent, .. } = session;
        let mut bound = Bound::new(Session { user, key: *key, created, seen: now, expires, ip, agent });
        bound.issue(nonces, now);
        state.bound.insert(*handle, bound);
        drop(state);
        self.changed();
        Ok(true)
    }

    async fn admit(&self, admit: Admit) -> Result<Admission> {
        let Admit { handle, nonce, next, now, idle, nonce_life, counter, limit } = admit;
        let mut state = self.state();
        let Some(bound) = state.bound.get_mut(&handle).filter(|bound| bound.lives(idle, now)) else {
            return Ok(Admission::NoSession);
        };
        let is_the_one = |&(other, issued): &(Nonce, u64)| other == nonce && is_live(issued, nonce_life, now);
        let Some(at) = bound.nonces.iter().position(is_the_one) else {
            return Ok(Admission::BadNonce);
        };
        if let Some(left) = bound.limits.entry(counter).or_default().count(limit, now) {
            return Ok(Admission::Limited(left));
        }
        bound.nonces.remove(at);
        bound.forget_dead(nonce_life, now);
        bound.issue(&[next], now);
        bound.touch(now);
        bound.ends = bound.session.expires.min(bound.session.seen.saturating_add(ms(idle)));
        let session = bound.session.clone();
        drop(state);
        self.changed();
        Ok(Admission::Admitted(session))
    }

    async fn session(&self, handle: &SessionHandle, idle: Duration, now: u64) -> Result<Option<Session>> {
        let state = self.state();
        Ok(state.bound.get(handle).filter(|bound| bound.lives(idle, now)).map(|bound| bound.session.clone()))
    }

    async fn refill(
        &self,
        handle: &SessionHandle,
        spent: &Nonce,
        nonces: &[Nonce],
        nonce_life: Duration,
        now: u64,
    ) -> Result<bool> {
        let mut state = self.state();
        let Some(bound) = state.bound.get_mut(handle).filter(|bound| now < bound.session.expires) else {
            return Ok(false);
        };
        bound.spent.retain(|_, at| now < at.saturating_add(ms(nonce_life)));
        if bound.spent.contains_key(spent) {
            return Ok(false);
        }
        bound.spent.insert(*spent, now);
        bound.forget_dead(nonce_life, now);
        bound.issue(nonces, now);
        bound.touch(now);
        bound.ends = bound.session.expires;
        drop(state);
        self.changed();
        Ok(true)
    }

    async fn end(&self, handle: &SessionHandle) -> Result<()> {
        let mut state = self.state();
        state.unbound.remove(handle);
        state.bound.remove(handle);
        drop(state);
        self.changed();
        Ok(())
    }

    async fn count(&self, counter: &str, limit: Limit, now: u64) -> Result<Option<Duration>> {
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
            store.open(session).await?;
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
