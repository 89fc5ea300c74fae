//! One connection: what it is told, in which order, how fast, and until when.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use protocol::{
    push::{ConnectionId, Cursor, Payload, Push},
    token::SessionHandle,
    user::UserName,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use super::{
    keys::FrameKey,
    queue::{Full, Queue},
    token_bucket::TokenBucket,
};
use crate::{clock::Clock, settings::PushSettings};

/// How long a connection is silent at most: the page gives it up after a little more than twice that.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Never more frames than this in one tick, so that a connection that catches up leaves room for the others.
const FRAMES_A_TICK: u32 = 10;
const TICK: Duration = Duration::from_millis(100);

/// Why a connection is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CloseReason {
    /// Its session has ended.
    Session,
    /// Its key has, and no next one was agreed.
    Key,
    /// The page takes more time than there is room for.
    Slow,
    /// The page has gone.
    Gone,
    /// The server stops.
    Stopping,
    /// The log of events was lost: nobody knows what it was not told.
    Lost,
}

impl CloseReason {
    /// Its name for metrics and the audit log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Session => "session_over",
            Self::Key => "key_expired",
            Self::Slow => "too_slow",
            Self::Gone => "gone",
            Self::Stopping => "stopping",
            Self::Lost => "log_lost",
        }
    }
}

/// A connection, as the hub knows it.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) session: SessionHandle,
    pub(crate) user: UserName,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    queue: Queue,
    key: FrameKey,
    /// Everything up to here has been told, or is waiting to be.
    known: Cursor,
    over: Option<CloseReason>,
}

impl Connection {
    /// A connection that is told what comes after `from`.
    pub(crate) fn new(
        id: ConnectionId,
        session: SessionHandle,
        user: UserName,
        key: FrameKey,
        from: Cursor,
        buffer: usize,
    ) -> Self {
        let state = State { queue: Queue::new(buffer), key, known: from, over: None };
        Self { id, session, user, state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells it something from the log, once, whoever tells it again.
    pub(crate) fn tell(&self, cursor: Cursor, push: Push) {
        let mut state = self.state();
        if cursor > state.known {
            state.known = cursor;
            state.put(Some(cursor), push);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Tells it something that is in no log.
    pub(crate) fn broadcast(&self, push: Push) {
        self.state().put(None, push);
        self.changed.notify_one();
    }

    /// Everything up to here was told to everybody whom it concerns.
    pub(crate) fn advance(&self, cursor: Cursor) {
        let mut state = self.state();
        state.known = state.known.max(cursor);
    }

    /// Signs with this key from now on.
    pub(crate) fn take_key(&self, key: FrameKey) {
        self.state().key = key;
        self.changed.notify_one();
    }

    pub(crate) fn end(&self, over: CloseReason) {
        self.state().over.get_or_insert(over);
        self.changed.notify_one();
    }

    /// How many frames were given up so far.
    pub(crate) fn lost(&self) -> u64 {
        self.state().queue.lost
    }
}

impl State {
    fn put(&mut self, cursor: Option<Cursor>, push: Push) {
        if self.queue.put(cursor, push) == Err(Full) {
            self.over.get_or_insert(CloseReason::Slow);
        }
    }
}

/// Makes a connection's frames, one after another.
pub(crate) struct MessageStream {
    connection: Arc<Connection>,
    clock: Clock,
    /// What the page missed, before what happens now.
    missed: VecDeque<(Option<Cursor>, Push)>,
    /// Where the page goes on from when this breaks.
    cursor: Cursor,
    seq: u64,
    bucket: TokenBucket,
    began: Instant,
    spoke: Instant,
    /// When the session is over however busy it is: Unix ms.
    expires: u64,
    /// When the store is asked whether the session lives: Unix ms.
    look: u64,
    /// For which key the next one was asked.
    renewed: Option<protocol::push::KeyId>,
    tick: (Instant, u32),
    /// When this goes, the hub forgets the connection.
    guard: Box<dyn ConnectionGuard>,
}

/// A connection's place in the hub, which forgets the connection when this is dropped.
#[async_trait]
pub(crate) trait ConnectionGuard: Send + Sync {
    /// Asks the store whether the connection's session is live. Gives the time of the next check (Unix ms), or `None` when
    /// the session has ended.
    async fn check_session(&self) -> Option<u64>;
}

/// Where a connection begins.
pub(crate) struct ResumeState {
    /// What the page is told before all else: a heartbeat, or that it must ask anew.
    pub(crate) first: Push,
    /// What it missed.
    pub(crate) missed: Vec<(Cursor, Push)>,
    /// Up to where it was told before.
    pub(crate) cursor: Cursor,
    /// When its session is over however busy it is: Unix ms.
    pub(crate) expires: u64,
}

/// What an outlet does next.
enum Next {
    Push(Option<Cursor>, Push),
    Wait(Duration),
    /// Ask whether the session lives.
    Look,
    CloseReason(CloseReason),
}

impl MessageStream {
    pub(crate) fn new(
        connection: Arc<Connection>,
        clock: Clock,
        settings: &PushSettings,
        beginning: ResumeState,
        guard: Box<dyn ConnectionGuard>,
    ) -> Self {
        let ResumeState { first, missed, cursor, expires } = beginning;
        let now = Instant::now();
        let missed = missed.into_iter().map(|(cursor, push)| (Some(cursor), push));
        Self {
            connection,
            clock,
            missed: std::iter::once((None, first)).chain(missed).collect(),
            cursor,
            seq: 0,
            bucket: TokenBucket::full(settings.burst, settings.frames_per_second, 0),
            began: now,
            spoke: now,
            expires,
            // At once: it may have ended between the request and the connection's place in the hub.
            look: 0,
            renewed: None,
            tick: (now, 0),
            guard,
        }
    }

    /// The connection.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Waits for the next frame, signed.
    ///
    /// # Errors
    /// Why there is none any more.
    pub(crate) async fn next(&mut self) -> Result<String, CloseReason> {
        loop {
            match self.decide() {
                Next::CloseReason(over) => return Err(over),
                Next::Look => match self.guard.check_session().await {
                    Some(again) => self.look = again,
                    None => return Err(CloseReason::Session),
                },
                Next::Push(cursor, push) => match self.sign(cursor, push) {
                    Ok(frame) => return Ok(frame),
                    // It was measured before it was taken in, so this is a mistake in the program: tell it and go on.
                    Err(error) => tracing::error!(%error, "a push could not be signed"),
                },
                Next::Wait(time) => {
                    // Whichever comes first. A change since it was decided is not lost: it leaves a permit.
                    let _ = timeout(time, self.connection.changed.notified()).await;
                }
            }
        }
    }

    fn decide(&mut self) -> Next {
        let now = self.clock.now();
        let connection = self.connection.clone();
        let mut state = connection.state();
        if let Some(over) = state.over {
            return Next::CloseReason(over);
        }
        if now >= self.expires {
            return Next::CloseReason(CloseReason::Session);
        }
        if now >= self.look {
            return Next::Look;
        }
        if now >= state.key.expires {
            return Next::CloseReason(CloseReason::Key);
        }
        let renew_at = state.key.renew;
        if now >= renew_at && self.renewed.as_ref() != Some(&state.key.kid) {
            self.renewed = Some(state.key.kid.clone());
            let expires = state.key.expires;
            state.queue.put_first(Push::Rekey { expires });
        }
        let silent = self.spoke.elapsed();
        let waits = !self.missed.is_empty() || !state.queue.is_empty();
        if !waits && silent < HEARTBEAT {
            let until_key = if self.renewed.as_ref() == Some(&state.key.kid) { state.key.expires } else { renew_at };
            let until = until_key.min(self.expires).min(self.look).saturating_sub(now).max(1);
            let until = Duration::from_millis(until);
            return Next::Wait(until.min(HEARTBEAT.saturating_sub(silent)));
        }
        if let Some(wait) = self.limited() {
            return Next::Wait(wait);
        }
        let known = state.known;
        let next = self.missed.pop_front().or_else(|| state.queue.take());
        drop(state);
        if let Some((cursor, push)) = next {
            return Next::Push(cursor, push);
        }
        // Nothing waits, so whatever was in the log up to here was told.
        self.cursor = self.cursor.max(known);
        Next::Push(None, Push::Hb { latest: self.seq })
    }

    /// How long to wait for the limits, if they say so. Takes a token else.
    fn limited(&mut self) -> Option<Duration> {
        if self.tick.0.elapsed() >= TICK {
            self.tick = (Instant::now(), 0);
        }
        if self.tick.1 >= FRAMES_A_TICK {
            return Some(TICK.saturating_sub(self.tick.0.elapsed()).max(Duration::from_millis(1)));
        }
        let steady = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if !self.bucket.take(steady) {
            return Some(Duration::from_millis(self.bucket.ready().saturating_sub(steady).max(1)));
        }
        self.tick.1 += 1;
        None
    }

    fn sign(&mut self, cursor: Option<Cursor>, push: Push) -> Result<String, super::keys::KeyError> {
        self.cursor = cursor.unwrap_or(self.cursor).max(self.cursor);
        let payload = Payload { conn: self.connection.id, id: self.cursor, seq: self.seq + 1, push };
        let key = self.connection.state().key.clone();
        let frame = key.sign(&payload, self.clock.now())?;
        self.seq += 1;
        self.spoke = Instant::now();
        Ok(frame)
    }
}
