//! The hub: all open connections of this process, and the task that delivers the event log to them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use protocol::{
    built_in::PushStream,
    key::PublicKey,
    push::{AgreedKey, ConnectionId, Cursor, Push, Security},
    token::SessionHandle,
};
use tokio::sync::Semaphore;

use super::{
    connection::{CloseReason, Connection},
    keys::{KeyError, Root},
    message_stream::{ConnectionGuard, MessageStream, ResumeState},
};
use crate::{
    clock::Clock,
    model::UserId,
    settings::{PushSettings, Settings},
    store::{EventStore, Session, SessionStore, Since, StoreError, Stores, UserEvent},
};

/// How often to check that a connection's session is live: ms. This is a fallback: an ended session is also an event.
const CHECK_INTERVAL: u64 = 60_000;

/// When to repeat a session check that failed: ms.
const CHECK_RETRY: u64 = 5_000;

/// Number of events per read of the event log.
const PAGE_SIZE: usize = 256;

/// How long one read waits for new events.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);

/// Number of resuming connections that read the event log at once. Others wait.
const CONCURRENT_RESUMES: usize = 16;

/// Back-off after an error of the event log.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The open connections of this process.
pub(crate) struct Hub {
    events: Arc<dyn EventStore>,
    sessions: Arc<dyn SessionStore>,
    clock: Clock,
    settings: PushSettings,
    /// The sessions' idle timeout.
    idle: Duration,
    root: Root,
    state: Mutex<State>,
    resumes: Semaphore,
}

#[derive(Default)]
struct State {
    open: HashMap<ConnectionId, Arc<Connection>>,
    /// The event log is delivered up to this cursor. `None` until the log is first read.
    known: Option<Cursor>,
}

/// An error of key agreement or of opening a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HubError {
    /// The session, the user or the server has reached its limit of connections.
    #[error("too many connections")]
    TooMany,
    /// The connection ID belongs to another session or is already open.
    #[error("the connection ID is in use")]
    NoKey,
    /// Key agreement failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The event log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hub {
    /// Creates the hub and starts the task that follows the event log.
    pub(crate) fn start(stores: &Stores, clock: Clock, settings: &Settings, root: Root) -> Arc<Self> {
        let (events, sessions) = (stores.event_log.clone(), stores.sessions.clone());
        let (idle, settings) = (settings.lifetimes.idle(), settings.push.clone());
        let (state, resumes) = (Mutex::default(), Semaphore::new(CONCURRENT_RESUMES));
        let hub = Arc::new(Self { events, sessions, clock, settings, idle, root, state, resumes });
        let weak = Arc::downgrade(&hub);
        tokio::spawn(async move {
            while let Some(hub) = weak.upgrade() {
                if let Err(error) = hub.follow().await {
                    tracing::error!(%error, "event log cannot be read");
                    drop(hub);
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        });
        hub
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete even if a panic poisons it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Agrees a key for a new connection, or a new key for a connection that is open on this server.
    ///
    /// If the connection is open on another server, that server does not get the new key: it closes the connection when
    /// the old key expires, and the page reconnects.
    pub(crate) fn agree(
        &self,
        session: &SessionHandle,
        user: &UserId,
        conn: ConnectionId,
        theirs: &PublicKey,
    ) -> Result<AgreedKey, HubError> {
        let (reply, key) = self.root.agree(session, &conn, theirs, self.clock.now())?;
        let state = self.state();
        match state.open.get(&conn) {
            Some(open) if open.session == *session => open.set_key(key),
            Some(_) => return Err(HubError::NoKey),
            None => self.check_room(&state, session, user)?,
        }
        Ok(reply)
    }

    fn check_room(&self, state: &State, session: &SessionHandle, user: &UserId) -> Result<(), HubError> {
        let PushSettings { connections, connections_per_user, connections_per_session, .. } = self.settings;
        let of_user = || state.open.values().filter(|open| open.user == *user);
        let is_full = state.open.len() >= connections
            || of_user().count() >= connections_per_user
            || of_user().filter(|open| open.session == *session).count() >= connections_per_session;
        if is_full { Err(HubError::TooMany) } else { Ok(()) }
    }

    /// Opens a connection for which the session has agreed a key.
    pub(crate) async fn open(
        self: &Arc<Self>,
        session: SessionHandle,
        of: &Session,
        request: &PushStream,
    ) -> Result<MessageStream, HubError> {
        let &PushStream { conn, after, .. } = request;
        let key = self.root.agreed(&session, &conn, &request.kid, &request.key, self.clock.now())?;
        let (user, expires) = (of.user.clone(), of.expires);
        self.position().await?;
        // The hub delivers later events to the connection; earlier ones are read from the event log below.
        let (connection, known) = {
            let mut state = self.state();
            let known = state.known.ok_or_else(|| StoreError("the event log was just lost".into()))?;
            self.check_room(&state, &session, &user)?;
            if state.open.contains_key(&conn) {
                return Err(HubError::NoKey);
            }
            let from = after.unwrap_or_default().max(known);
            let buffer = self.settings.buffer;
            let connection = Arc::new(Connection::new(conn, session, user.clone(), key, from, buffer));
            state.open.insert(conn, connection.clone());
            (connection, known)
        };
        let guard = Box::new(HubGuard { hub: self.clone(), id: conn, session });
        let from_now = |first| ResumeState { first, missed: Vec::new(), cursor: known, expires };
        let resume = match after {
            None => from_now(Push::Heartbeat { latest: 0 }),
            Some(after) => match self.missed(&user, after, known).await? {
                Some(missed) => ResumeState { first: Push::Heartbeat { latest: 0 }, missed, cursor: after, expires },
                None => from_now(Push::Reset {}),
            },
        };
        Ok(MessageStream::new(connection, self.clock.clone(), &self.settings, resume, guard))
    }

    /// A user's events between two cursors; `None` if they are no longer in the event log or exceed the buffer.
    async fn missed(
        &self,
        user: &UserId,
        after: Cursor,
        until: Cursor,
    ) -> Result<Option<Vec<(Cursor, Push)>>, StoreError> {
        let _permit = self.resumes.acquire().await.map_err(StoreError::new)?;
        let mut missed = Vec::new();
        let mut at = after;
        loop {
            let Since::Events(page) = self.events.since(at, PAGE_SIZE).await? else { return Ok(None) };
            let Some(&(last, _)) = page.last() else { break };
            at = last;
            let events = page.into_iter().filter_map(|(cursor, event)| Some((cursor, event?)));
            let theirs = events.filter(|(cursor, event)| *cursor <= until && event.user == *user);
            missed.extend(theirs.map(|(cursor, event)| (cursor, event.push)));
            if missed.len() > self.settings.buffer {
                return Ok(None);
            }
            if at >= until {
                break;
            }
        }
        Ok(Some(missed))
    }

    /// This server's cursor in the event log; initially the end of the log.
    async fn position(&self) -> Result<Cursor, StoreError> {
        let known = self.state().known;
        if let Some(known) = known {
            return Ok(known);
        }
        let head = self.events.head().await?;
        Ok(*self.state().known.get_or_insert(head))
    }

    /// Waits for the next events of the event log and delivers them.
    async fn follow(&self) -> Result<(), StoreError> {
        let after = self.position().await?;
        match self.events.wait_since(after, PAGE_SIZE, POLL_TIMEOUT).await? {
            Since::Events(page) => page.into_iter().for_each(|(cursor, event)| self.deliver(cursor, event.as_ref())),
            Since::Gone => {
                // The store was emptied or rolled back, so missed events are unknown. Pages reconnect and get a reset.
                let mut state = self.state();
                state.known = None;
                for connection in state.open.values() {
                    connection.close(CloseReason::EventLogLost);
                }
            }
        }
        Ok(())
    }

    fn deliver(&self, cursor: Cursor, event: Option<&UserEvent>) {
        let mut state = self.state();
        for connection in state.open.values() {
            if let Some(UserEvent { push, .. }) = event.filter(|event| event.user == connection.user) {
                connection.deliver(cursor, push.clone());
            }
            connection.advance(cursor);
        }
        state.known = state.known.max(Some(cursor));
        drop(state);
        if let Some(Push::Security(Security::Ended { session, .. })) = event.map(|event| &event.push) {
            self.end(session);
        }
    }

    /// Sends a message that is not in the event log to all connections.
    pub(crate) fn broadcast(&self, push: &Push) {
        let state = self.state();
        for connection in state.open.values() {
            connection.broadcast(push.clone());
        }
    }

    /// Closes all connections of a session.
    pub(crate) fn end(&self, session: &SessionHandle) {
        let state = self.state();
        for connection in state.open.values().filter(|connection| connection.session == *session) {
            connection.close(CloseReason::SessionEnded);
        }
    }

    /// Closes all connections because the server is shutting down.
    pub(crate) fn stop(&self) {
        for connection in self.state().open.values() {
            connection.close(CloseReason::ShuttingDown);
        }
    }

    /// Number of open connections, and of users who have one.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state();
        let users: HashSet<&UserId> = state.open.values().map(|connection| &connection.user).collect();
        (state.open.len(), users.len())
    }
}

/// Removes a connection from the hub when dropped.
struct HubGuard {
    hub: Arc<Hub>,
    id: ConnectionId,
    session: SessionHandle,
}

#[async_trait]
impl ConnectionGuard for HubGuard {
    async fn check_session(&self) -> Option<u64> {
        let Self { hub, session, .. } = self;
        let now = hub.clock.now();
        let idle = u64::try_from(hub.idle.as_millis()).unwrap_or(u64::MAX);
        match hub.sessions.find(session, hub.idle, now).await {
            Ok(session) => {
                session.map(|session| session.seen.saturating_add(idle).min(now.saturating_add(CHECK_INTERVAL)))
            }
            // Unknown: check again soon. The key's expiry limits how long the connection stays open.
            Err(error) => {
                tracing::error!(%error, "session of a push connection could not be checked");
                Some(now.saturating_add(CHECK_RETRY))
            }
        }
    }
}

impl Drop for HubGuard {
    fn drop(&mut self) {
        self.hub.state().open.remove(&self.id);
    }
}
