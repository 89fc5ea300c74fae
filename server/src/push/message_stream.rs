//! The messages of a push connection: their order, rate and signatures.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use protocol::push::{Cursor, KeyId, Payload, Push};
use tokio::time::{Instant, timeout};

use super::{
    connection::{CloseReason, Connection},
    keys::KeyError,
    token_bucket::TokenBucket,
};
use crate::{clock::Clock, settings::PushSettings};

/// Maximum silence of a connection. The page reconnects after a little more than twice that.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Maximum number of messages per tick, so that a connection that catches up does not starve the others.
const MESSAGES_PER_TICK: u32 = 10;
const TICK: Duration = Duration::from_millis(100);

/// The signed messages of a connection, in order.
pub(crate) struct MessageStream {
    connection: Arc<Connection>,
    clock: Clock,
    /// Messages that the page missed. They precede the queue.
    missed: VecDeque<(Option<Cursor>, Push)>,
    /// Where the page resumes if the connection breaks.
    cursor: Cursor,
    seq: u64,
    bucket: TokenBucket,
    opened: Instant,
    last_sent: Instant,
    /// When the session expires at the latest: Unix ms.
    expires: u64,
    /// When to check in the store that the session is live: Unix ms.
    next_check: u64,
    /// The key whose renewal was requested.
    renewed: Option<KeyId>,
    /// The start of the current tick, and the messages sent in it.
    tick: (Instant, u32),
    /// Removes the connection from the hub when dropped.
    guard: Box<dyn ConnectionGuard>,
}

/// A connection's registration in the hub. Dropping it removes the connection.
#[async_trait]
pub(crate) trait ConnectionGuard: Send + Sync {
    /// Checks in the store that the connection's session is live. Returns the time of the next check (Unix ms), or `None`
    /// when the session has ended.
    async fn check_session(&self) -> Option<u64>;
}

/// The state with which a connection starts or resumes.
pub(crate) struct ResumeState {
    /// The first message: a heartbeat, or a reset if the page must reload its data.
    pub(crate) first: Push,
    /// Events that the page missed.
    pub(crate) missed: Vec<(Cursor, Push)>,
    /// The page's cursor.
    pub(crate) cursor: Cursor,
    /// When the session expires at the latest: Unix ms.
    pub(crate) expires: u64,
}

/// The next step of a message stream.
enum Next {
    Push(Option<Cursor>, Push),
    Wait(Duration),
    /// Check in the store that the session is live.
    CheckSession,
    Close(CloseReason),
}

impl MessageStream {
    pub(crate) fn new(
        connection: Arc<Connection>,
        clock: Clock,
        settings: &PushSettings,
        resume: ResumeState,
        guard: Box<dyn ConnectionGuard>,
    ) -> Self {
        let ResumeState { first, missed, cursor, expires } = resume;
        let now = Instant::now();
        let missed = missed.into_iter().map(|(cursor, push)| (Some(cursor), push));
        Self {
            connection,
            clock,
            missed: std::iter::once((None, first)).chain(missed).collect(),
            cursor,
            seq: 0,
            bucket: TokenBucket::full(settings.burst, settings.frames_per_second, 0),
            opened: now,
            last_sent: now,
            expires,
            // Immediately: the session may have ended before the hub knew the connection.
            next_check: 0,
            renewed: None,
            tick: (now, 0),
            guard,
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Waits for the next signed message.
    ///
    /// # Errors
    /// The reason why the connection closes.
    pub(crate) async fn next(&mut self) -> Result<String, CloseReason> {
        loop {
            match self.decide() {
                Next::Close(reason) => return Err(reason),
                Next::CheckSession => match self.guard.check_session().await {
                    Some(next_check) => self.next_check = next_check,
                    None => return Err(CloseReason::SessionEnded),
                },
                Next::Push(cursor, push) => match self.sign(cursor, push) {
                    Ok(message) => return Ok(message),
                    // Its length was checked before it was queued, so this is a bug. Log it and continue.
                    Err(error) => tracing::error!(%error, "push message could not be signed"),
                },
                Next::Wait(time) => {
                    // A change since `decide` is not lost: `Notify` stores a permit.
                    let _ = timeout(time, self.connection.changed.notified()).await;
                }
            }
        }
    }

    fn decide(&mut self) -> Next {
        let now = self.clock.now();
        let connection = self.connection.clone();
        let mut state = connection.state();
        if let Some(reason) = state.close {
            return Next::Close(reason);
        }
        if now >= self.expires {
            return Next::Close(CloseReason::SessionEnded);
        }
        if now >= self.next_check {
            return Next::CheckSession;
        }
        if now >= state.key.expires {
            return Next::Close(CloseReason::KeyExpired);
        }
        let renew_at = state.key.renew;
        if now >= renew_at && self.renewed.as_ref() != Some(&state.key.kid) {
            self.renewed = Some(state.key.kid.clone());
            let expires = state.key.expires;
            state.queue.put_first(Push::Rekey { expires });
        }
        let silent = self.last_sent.elapsed();
        let is_pending = !self.missed.is_empty() || !state.queue.is_empty();
        if !is_pending && silent < HEARTBEAT {
            let until_key = if self.renewed.as_ref() == Some(&state.key.kid) { state.key.expires } else { renew_at };
            let until = until_key.min(self.expires).min(self.next_check).saturating_sub(now).max(1);
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
        // Nothing is queued, so everything up to `known` is sent.
        self.cursor = self.cursor.max(known);
        Next::Push(None, Push::Heartbeat { latest: self.seq })
    }

    /// Takes a token of the rate limit, or returns how long to wait for one.
    fn limited(&mut self) -> Option<Duration> {
        if self.tick.0.elapsed() >= TICK {
            self.tick = (Instant::now(), 0);
        }
        if self.tick.1 >= MESSAGES_PER_TICK {
            return Some(TICK.saturating_sub(self.tick.0.elapsed()).max(Duration::from_millis(1)));
        }
        let elapsed = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        if !self.bucket.take(elapsed) {
            return Some(Duration::from_millis(self.bucket.ready().saturating_sub(elapsed).max(1)));
        }
        self.tick.1 += 1;
        None
    }

    fn sign(&mut self, cursor: Option<Cursor>, push: Push) -> Result<String, KeyError> {
        self.cursor = cursor.unwrap_or(self.cursor).max(self.cursor);
        let payload = Payload { conn: self.connection.id, id: self.cursor, seq: self.seq + 1, push };
        let key = self.connection.state().key.clone();
        let message = key.sign(&payload, self.clock.now())?;
        self.seq += 1;
        self.last_sent = Instant::now();
        Ok(message)
    }
}
