//! The hub's side of a push connection: its queue, its key, and why it closes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::{
    push::{ConnectionId, Cursor, Push},
    token::SessionHandle,
};
use tokio::sync::Notify;

use super::{
    keys::ConnectionKey,
    queue::{Full, Queue},
};
use crate::model::UserId;

/// Why a connection closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CloseReason {
    /// The session has ended.
    SessionEnded,
    /// The key has expired, and no new one was agreed.
    KeyExpired,
    /// The page reads too slowly.
    TooSlow,
    /// The page has disconnected.
    Disconnected,
    /// The server is shutting down.
    ShuttingDown,
    /// The event log was lost, so the server cannot know which events the connection missed.
    EventLogLost,
}

impl CloseReason {
    /// The name in metrics and the audit log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SessionEnded => "session_over",
            Self::KeyExpired => "key_expired",
            Self::TooSlow => "too_slow",
            Self::Disconnected => "gone",
            Self::ShuttingDown => "stopping",
            Self::EventLogLost => "log_lost",
        }
    }
}

/// The hub's side of a connection.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) session: SessionHandle,
    pub(crate) user: UserId,
    state: Mutex<State>,
    /// Wakes the message stream after a change.
    pub(super) changed: Notify,
}

/// What hub and message stream share.
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) key: ConnectionKey,
    /// Everything up to this cursor is sent or queued.
    pub(super) known: Cursor,
    /// Why the connection must close, if it must.
    pub(super) close: Option<CloseReason>,
}

impl Connection {
    /// A connection that receives the events after `from`.
    pub(crate) fn new(
        id: ConnectionId,
        session: SessionHandle,
        user: UserId,
        key: ConnectionKey,
        from: Cursor,
        buffer: usize,
    ) -> Self {
        let state = State { queue: Queue::new(buffer), key, known: from, close: None };
        Self { id, session, user, state: Mutex::new(state), changed: Notify::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete even if a panic poisons it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an event of the event log. An event that is delivered again is ignored.
    pub(crate) fn deliver(&self, cursor: Cursor, push: Push) {
        let mut state = self.state();
        if cursor > state.known {
            state.known = cursor;
            state.put(Some(cursor), push);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Queues a message that is not in the event log.
    pub(crate) fn broadcast(&self, push: Push) {
        self.state().put(None, push);
        self.changed.notify_one();
    }

    /// Marks everything up to `cursor` as delivered.
    pub(crate) fn advance(&self, cursor: Cursor) {
        let mut state = self.state();
        state.known = state.known.max(cursor);
    }

    /// Replaces the signing key.
    pub(crate) fn set_key(&self, key: ConnectionKey) {
        self.state().key = key;
        self.changed.notify_one();
    }

    /// Closes the connection. The first reason counts.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.state().close.get_or_insert(reason);
        self.changed.notify_one();
    }

    /// Number of messages dropped so far.
    pub(crate) fn lost(&self) -> u64 {
        self.state().queue.lost
    }
}

impl State {
    fn put(&mut self, cursor: Option<Cursor>, push: Push) {
        if self.queue.put(cursor, push) == Err(Full) {
            self.close.get_or_insert(CloseReason::TooSlow);
        }
    }
}
