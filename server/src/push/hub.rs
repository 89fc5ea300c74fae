//! All open connections of this process, and the way from the log of events to them.

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
    user::UserName,
};

use super::{
    connection::{CloseReason, Connection, ConnectionGuard, MessageStream, ResumeState},
    keys::{KeyError, Root},
};
use crate::{
    clock::Clock,
    settings::{PushSettings, Settings},
    store::{EventStore, Session, SessionStore, Since, StoreError, Stores, UserEvent},
};

/// How often it is looked at whether a connection's session lives: ms. Its end is an event as well, which comes at once,
/// unless it got lost.
const LOOK_EVERY: u64 = 60_000;

/// When a session is looked at again that could not be looked at: ms.
const LOOK_AGAIN: u64 = 5_000;

/// How many events are read from the log at once.
const AT_ONCE: usize = 256;

/// How long a look for new events waits, and how long the next one waits after an error.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// The connections.
pub(crate) struct Hub {
    events: Arc<dyn EventStore>,
    sessions: Arc<dyn SessionStore>,
    clock: Clock,
    settings: PushSettings,
    /// How long a session may be unused.
    idle: Duration,
    root: Root,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: HashMap<ConnectionId, Arc<Connection>>,
    /// Everything in the log up to here was told to the connections. None until the log was read.
    known: Option<Cursor>,
}

/// Why a key is not agreed, or a connection not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HubError {
    /// As many connections as a session, or this server, may have.
    #[error("too many connections")]
    TooMany,
    /// The connection is another session's, or open already.
    #[error("this connection is not to be had")]
    NoKey,
    /// The key could not be agreed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hub {
    /// Starts following the log.
    pub(crate) fn start(stores: &Stores, clock: Clock, settings: &Settings, root: Root) -> Arc<Self> {
        let (events, sessions) = (stores.event_log.clone(), stores.sessions.clone());
        let (idle, settings) = (settings.lifetimes.idle(), settings.push.clone());
        let hub = Arc::new(Self { events, sessions, clock, settings, idle, root, state: Mutex::default() });
        let weak = Arc::downgrade(&hub);
        tokio::spawn(async move {
            while let Some(hub) = weak.upgrade() {
                if let Err(error) = hub.follow().await {
                    tracing::error!(%error, "the log of events cannot be followed");
                    drop(hub);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        });
        hub
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Agrees a key for a connection: a new one, or the next one of one that is open here. The next key of one that is open
    /// at another server signs nothing there; that connection goes on with the old key and ends with it, and the page then
    /// opens another.
    pub(crate) fn agree(
        &self,
        session: &SessionHandle,
        conn: ConnectionId,
        theirs: &PublicKey,
    ) -> Result<AgreedKey, HubError> {
        let (reply, key) = self.root.agree(session, &conn, theirs, self.clock.now())?;
        let state = self.state();
        match state.open.get(&conn) {
            Some(open) if open.session == *session => open.take_key(key),
            Some(_) => return Err(HubError::NoKey),
            None => self.check_room(&state, session)?,
        }
        Ok(reply)
    }

    fn check_room(&self, state: &State, session: &SessionHandle) -> Result<(), HubError> {
        let theirs = state.open.values().filter(|open| open.session == *session).count();
        let is_full = state.open.len() >= self.settings.connections;
        if is_full || theirs >= self.settings.connections_per_session { Err(HubError::TooMany) } else { Ok(()) }
    }

    /// Opens a connection of a session that has a key for it.
    pub(crate) async fn open(
        self: &Arc<Self>,
        session: SessionHandle,
        of: &Session,
        request: &PushStream,
    ) -> Result<MessageStream, HubError> {
        let &PushStream { conn, after, .. } = request;
        let key = self.root.agreed(&session, &conn, &request.kid, &request.key, self.clock.now())?;
        let (user, expires) = (of.user.clone(), of.expires);
        self.place().await?;
        // From here on it is told what happens; what was before is read from the log below.
        let (connection, known) = {
            let mut state = self.state();
            let known = state.known.ok_or_else(|| StoreError("the log of events was lost just now".into()))?;
            self.check_room(&state, &session)?;
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
        let known_now = |first| ResumeState { first, missed: Vec::new(), cursor: known, expires };
        let beginning = match after {
            None => known_now(Push::Hb { latest: 0 }),
            Some(after) => match self.missed(&user, after, known).await? {
                Some(missed) => ResumeState { first: Push::Hb { latest: 0 }, missed, cursor: after, expires },
                None => known_now(Push::Reset {}),
            },
        };
        Ok(MessageStream::new(connection, self.clock.clone(), &self.settings, beginning, guard))
    }

    /// What a user was told between two places of the log; `None` when that is no longer known, or is too much.
    async fn missed(
        &self,
        user: &UserName,
        after: Cursor,
        until: Cursor,
    ) -> Result<Option<Vec<(Cursor, Push)>>, StoreError> {
        let mut missed = Vec::new();
        let mut at = after;
        loop {
            let Since::Events(page) = self.events.since(at, AT_ONCE).await? else { return Ok(None) };
            let Some(&(last, _)) = page.last() else { break };
            at = last;
            let read = page.into_iter().filter_map(|(cursor, news)| Some((cursor, news?)));
            let theirs = read.filter(|(cursor, news)| *cursor <= until && news.user == *user);
            missed.extend(theirs.map(|(cursor, news)| (cursor, news.push)));
            if missed.len() > self.settings.buffer {
                return Ok(None);
            }
            if at >= until {
                break;
            }
        }
        Ok(Some(missed))
    }

    /// Where in the log this server is; its end, to begin with.
    async fn place(&self) -> Result<Cursor, StoreError> {
        let known = self.state().known;
        if let Some(known) = known {
            return Ok(known);
        }
        let head = self.events.head().await?;
        Ok(*self.state().known.get_or_insert(head))
    }

    /// Waits for the next events of the log, and tells them to whom they concern.
    async fn follow(&self) -> Result<(), StoreError> {
        let after = self.place().await?;
        match self.events.wait_since(after, AT_ONCE, PATIENCE).await? {
            Since::Events(page) => page.into_iter().for_each(|(cursor, news)| self.tell(cursor, news.as_ref())),
            Since::Gone => {
                // The store was replaced by an empty or an older one: nobody knows what was missed. Pages come back, and are
                // told so.
                let mut state = self.state();
                state.known = None;
                for connection in state.open.values() {
                    connection.end(CloseReason::Lost);
                }
            }
        }
        Ok(())
    }

    fn tell(&self, cursor: Cursor, news: Option<&UserEvent>) {
        let mut state = self.state();
        for connection in state.open.values() {
            if let Some(UserEvent { push, .. }) = news.filter(|news| news.user == connection.user) {
                connection.tell(cursor, push.clone());
            }
            connection.advance(cursor);
        }
        state.known = state.known.max(Some(cursor));
        drop(state);
        if let Some(Push::Security(Security::Ended { session, .. })) = news.map(|news| &news.push) {
            self.end(session);
        }
    }

    /// Tells everybody something that is in no log.
    pub(crate) fn broadcast(&self, push: &Push) {
        let state = self.state();
        for connection in state.open.values() {
            connection.broadcast(push.clone());
        }
    }

    /// Closes all connections of a session, at once.
    pub(crate) fn end(&self, session: &SessionHandle) {
        let state = self.state();
        for connection in state.open.values().filter(|connection| connection.session == *session) {
            connection.end(CloseReason::Session);
        }
    }

    /// Closes all connections: the server stops.
    pub(crate) fn stop(&self) {
        for connection in self.state().open.values() {
            connection.end(CloseReason::Stopping);
        }
    }

    /// How many connections are open, and how many users have one.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state();
        let users: HashSet<&UserName> = state.open.values().map(|connection| &connection.user).collect();
        (state.open.len(), users.len())
    }
}

/// A connection's place in the hub, which forgets it when this goes.
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
            Ok(living) => living.map(|living| living.seen.saturating_add(idle).min(now.saturating_add(LOOK_EVERY))),
            // Nobody can say: asked again soon. The connection's key ends it before long.
            Err(error) => {
                tracing::error!(%error, "a connection's session could not be looked at");
                Some(now.saturating_add(LOOK_AGAIN))
            }
        }
    }
}

impl Drop for HubGuard {
    fn drop(&mut self) {
        self.hub.state().open.remove(&self.id);
    }
}
