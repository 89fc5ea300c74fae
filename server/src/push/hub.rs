//! All open connections of this process, and the way from the log of events to them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::{
    catalogue::PushStream,
    key::PublicKey,
    push::{AgreedKey, ConnectionId, Cursor, Push, Security},
    token::SessionHandle,
    value::UserName,
};

use super::{
    connection::{Beginning, Connection, Outlet, Over},
    keys::{KeyError, Root},
};
use crate::{
    clock::Clock,
    settings::{PushSettings, Settings},
    store::{News, Session, SharedStore, Since, StoreError},
};

/// When a session is looked at again that could not be looked at: ms.
const LOOK_AGAIN: u64 = 5_000;

/// How many events are read from the log at once.
const AT_ONCE: usize = 256;

/// How long a look for new events waits, and how long the next one waits after an error.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// The connections.
pub(crate) struct Hub {
    store: SharedStore,
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
    /// Everything in the log up to here was told to the connections.
    known: Cursor,
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
    pub(crate) fn start(store: SharedStore, clock: Clock, settings: &Settings, root: Root) -> Arc<Self> {
        let (idle, settings) = (settings.lifetimes.idle(), settings.push.clone());
        let hub = Arc::new(Self { store, clock, settings, idle, root, state: Mutex::default() });
        let weak = Arc::downgrade(&hub);
        tokio::spawn(async move {
            let mut from = None;
            while let Some(hub) = weak.upgrade() {
                if let Err(error) = hub.follow(&mut from).await {
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
    /// at another server signs nothing there; that connection ends with its key, and the page goes on with another.
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
    ) -> Result<Outlet, HubError> {
        let &PushStream { conn, after, .. } = request;
        let key = self.root.agreed(&session, &conn, &request.kid, &request.key, self.clock.now())?;
        let (user, expires, idles) = (of.user.clone(), of.expires, self.idles(of.seen));
        // From here on it is told what happens; what was before is read from the log below.
        let (connection, known) = {
            let mut state = self.state();
            let known = state.known;
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
        let closing = Closing { hub: self.clone(), id: conn, session };
        let known_now = |first| Beginning { first, missed: Vec::new(), cursor: known, expires, idles };
        let beginning = match after {
            None => known_now(Push::Hb { latest: 0 }),
            Some(after) => match self.missed(&user, after, known).await? {
                Some(missed) => Beginning { first: Push::Hb { latest: 0 }, missed, cursor: after, expires, idles },
                None => known_now(Push::Reset {}),
            },
        };
        Ok(Outlet::new(connection, self.clock.clone(), &self.settings, beginning, closing))
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
            let Since::News(page) = self.store.news_since(at, AT_ONCE).await? else { return Ok(None) };
            let Some(&(last, _)) = page.last() else { break };
            at = last;
            let theirs = page.into_iter().filter(|(cursor, news)| *cursor <= until && news.user == *user);
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

    /// When a session that was used then is idle: Unix ms.
    fn idles(&self, seen: u64) -> u64 {
        seen.saturating_add(u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX))
    }

    /// Waits for the next events of the log, and tells them to whom they concern. `from` is where it had got to.
    async fn follow(&self, from: &mut Option<Cursor>) -> Result<(), StoreError> {
        let Some(after) = *from else {
            *from = Some(self.store.news_head().await?);
            self.state().known = from.unwrap_or_default();
            return Ok(());
        };
        match self.store.wait_news(after, AT_ONCE, PATIENCE).await? {
            Since::News(page) => {
                for (cursor, news) in page {
                    self.tell(cursor, &news);
                    *from = Some(cursor);
                }
            }
            Since::Gone => {
                // The store was replaced by an empty or an older one: nobody knows what was missed.
                *from = None;
                let open: Vec<_> = self.state().open.values().cloned().collect();
                for connection in open {
                    connection.mention(Push::Reset {});
                }
            }
        }
        Ok(())
    }

    fn tell(&self, cursor: Cursor, News { user, push }: &News) {
        let mut state = self.state();
        for connection in state.open.values().filter(|connection| connection.user == *user) {
            connection.tell(cursor, push.clone());
        }
        for connection in state.open.values() {
            connection.advance(cursor);
        }
        state.known = state.known.max(cursor);
        drop(state);
        if let Push::Security(Security::Ended { session, .. }) = push {
            self.end(session);
        }
    }

    /// Tells everybody something that is in no log.
    pub(crate) fn mention(&self, push: &Push) {
        let state = self.state();
        for connection in state.open.values() {
            connection.mention(push.clone());
        }
    }

    /// Closes all connections of a session, at once.
    pub(crate) fn end(&self, session: &SessionHandle) {
        let state = self.state();
        for connection in state.open.values().filter(|connection| connection.session == *session) {
            connection.end(Over::Session);
        }
    }

    /// Closes all connections: the server stops.
    pub(crate) fn stop(&self) {
        for connection in self.state().open.values() {
            connection.end(Over::Stopping);
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
pub(crate) struct Closing {
    hub: Arc<Hub>,
    id: ConnectionId,
    session: SessionHandle,
}

impl Closing {
    /// Asks the store when the connection's session will be idle (Unix ms). `None` when it is over.
    pub(crate) async fn idles(&self) -> Option<u64> {
        let Self { hub, session, .. } = self;
        let now = hub.clock.now();
        match hub.store.session(session, hub.idle, now).await {
            Ok(living) => living.map(|session| hub.idles(session.seen)),
            // Nobody can say: asked again soon. The connection's key ends it before long.
            Err(error) => {
                tracing::error!(%error, "a connection's session could not be looked at");
                Some(now.saturating_add(LOOK_AGAIN))
            }
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.hub.state().open.remove(&self.id);
    }
}
